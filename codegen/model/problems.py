"""What is wrong with a JSON value that should have been of a WIT type: one `Problem` per fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a refused value.

    `pointer` is the JSON pointer (RFC 6901) of the faulty place, ``""`` the whole value, with ``…`` in place of the
    middle of one that is very long; `expected` the WIT type that
    was expected there; `detail` says what was found, in words for the sender.
    """

    pointer: str
    expected: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '(root)'}: expected {self.expected}, {self.detail}"
