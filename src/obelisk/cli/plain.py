"""Text of strangers as it may be printed: guests, servers, components and files choose it, and a terminal obeys it.

A control character moves the cursor, changes the title, writes into the clipboard or hides what follows; a character
that turns the direction of writing shows one text as another. All are shown as escapes.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_KEPT: Final = frozenset("\t\n")
_HIDING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str) -> str:
    """The text with its control characters as ``\\x1b`` and ``\\u202e``; tabs and line ends stay as they are."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) if is_escaped(char) else char for char in text.replace("\r\n", "\n"))


def in_one_line(text: str) -> str:
    """As `plain`, with tabs and line ends escaped, too: a cell of a table."""
    return plain(text).replace("\t", "\\t").replace("\n", "\\n")


def below(text: str) -> str:
    """As `plain`, with further lines moved in unless they are, so that none looks like a line of its own."""
    first, *further = plain(text).split("\n")
    return "\n".join((first, *(line if line[:1] in ("", " ", "\t") else f"    {line}" for line in further)))


def is_escaped(char: str) -> bool:
    """Whether a character is shown as an escape."""
    return char not in _KEPT and (char in _TURNING or unicodedata.category(char) in _HIDING)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
