"""The resource `wasi:http/types.fields`: headers as a guest may set them.

Values are bytes without line ends, so no guest writes into the framing of a message; headers that are about the
connection, and `host`, belong to the host and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from obelisk.runtime.ports.guest import Holding, HostMemory

FORBIDDEN: Final = frozenset(
    {
        "connection",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
MAX_BYTES: Final = 64 * 1024
"""Names and values of one message together."""
_ENTRY_BYTES: Final = 256
"""What a header takes on top of its characters."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?\Z")


class HeaderRefused(Exception):
    """`case` is that of `header-error`: invalid_syntax, forbidden or immutable; `size_exceeded` since 0.2.9."""

    def __init__(self, case: str) -> None:
        super().__init__(case)
        self.case = case


class Fields:
    """Names, as they were given, with values, in order. They count in `memory`; OutOfHostMemory."""

    __slots__ = ("_entries", "_frozen", "_holding", "_memory", "_size")

    def __init__(self, memory: HostMemory, entries: Iterable[tuple[str, bytes]] = (), *, frozen: bool = False) -> None:
        """`entries` that are a guest's go through `append`; those of a server's response stand as they came."""
        self._entries = list(entries)
        self._size = sum(len(name) + len(value) for name, value in self._entries)
        self._frozen, self._memory = frozen, memory
        self._holding = Holding(memory, kept(self._entries))

    def freeze(self) -> Fields:
        """They are those of a message now."""
        self._frozen = True
        return self

    def entries(self) -> tuple[tuple[str, bytes], ...]:
        """All of them."""
        return tuple(self._entries)

    def get(self, name: str) -> list[bytes]:
        """The values of `name`."""
        wanted = name.lower()
        return [value for known, value in self._entries if known.lower() == wanted]

    def append(self, name: str, value: bytes) -> None:
        """One more value; HeaderRefused."""
        self._check(name)
        if not is_value(value):
            raise HeaderRefused("invalid_syntax")
        if self._size + len(name) + len(value) > MAX_BYTES:
            raise HeaderRefused("invalid_syntax")
        self._holding.resize(self._holding.size + _ENTRY_BYTES + len(name) + len(value))
        self._size += len(name) + len(value)
        self._entries.append((name, value))

    def set(self, name: str, values: Iterable[bytes]) -> None:
        """Replace the values of `name`; HeaderRefused, and nothing is changed."""
        changed = Fields(self._memory, self._entries, frozen=self._frozen)
        changed.delete(name)
        for value in values:
            changed.append(name, value)
        self._entries, self._size, self._holding = changed._entries, changed._size, changed._holding

    def delete(self, name: str) -> None:
        """Forget the values of `name`; HeaderRefused."""
        self._check(name)
        wanted = name.lower()
        self._entries = [entry for entry in self._entries if entry[0].lower() != wanted]
        self._size = sum(len(known) + len(value) for known, value in self._entries)
        self._holding.resize(kept(self._entries))

    def clone(self) -> Fields:
        """A copy that may be changed."""
        return Fields(self._memory, self._entries)

    def _check(self, name: str) -> None:
        if self._frozen:
            raise HeaderRefused("immutable")
        if _NAME.match(name) is None:
            raise HeaderRefused("invalid_syntax")
        if name.lower() in FORBIDDEN:
            raise HeaderRefused("forbidden")


def kept(entries: Iterable[tuple[str, bytes]]) -> int:
    """What headers take, in bytes."""
    return sum(_ENTRY_BYTES + len(name) + len(value) for name, value in entries)


def is_value(value: bytes) -> bool:
    """Whether bytes may be the value of a header, or a part of one."""
    return _VALUE.match(value) is not None


def declared_length(fields: Fields) -> int | None:
    """The body's length as a request's headers declare it; ValueError when they do so wrongly."""
    values = set(fields.get("content-length"))
    if not values:
        return None
    (value,) = values if len(values) == 1 else (b"",)
    if not value.isdigit() or len(value) > 18:
        raise ValueError(f"not a content-length: {value!r}")
    return int(value)
