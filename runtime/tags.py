"""Tags: what a caller gives to an execution, so that it and others find it again. Pure.

A tag is a text ``key=value``. An execution has a set of them, given when it is submitted and never changed; they are
part of the event that begins its log, so a fork has them too. Children have none of their own: they are found through
their parents, and are cancelled with them.
"""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 16
"""So many may be given at once."""

TAG: Final = r"[A-Za-z0-9_.-]{1,64}=[-!-+.-~]{1,128}"
"""A key, and a value of visible ASCII characters without the comma."""

PATTERN: Final = rf"^{TAG}( *, *{TAG}){{0,{MOST - 1}}}$"
"""A list of them, as a header or a query parameter has it."""

ONE: Final = (
    "key=value, with a key of up to 64 letters, digits, _, . and -, and a value of up to 128 visible ASCII characters "
    "without commas"
)
EXPECTED: Final = f"up to {MOST} tags, separated by commas, each {ONE}"
"""What a refusal says."""
_LIST: Final = re.compile(PATTERN.removesuffix("$") + r"\Z")


def parse(text: str) -> tuple[str, ...] | None:
    """The tags of a list, each once, in order; None when it is not of the form."""
    if _LIST.match(text) is None:
        return None
    return tuple(sorted({tag.strip(" ") for tag in text.split(",")}))
