"""The tokens of WIT: kinds, keywords and the words used for them in messages.

A token's kind is a string: an operator or a keyword is its own text; the other kinds are the constants below.
Source: WIT.md "Lexical structure".
"""

from __future__ import annotations

from typing import Final

ID: Final = "id"
EXPLICIT_ID: Final = "%id"
INTEGER: Final = "integer"
STRING: Final = "string-literal"
EOF: Final = "eof"

_KEYWORDS: Final = (
    "as async bool borrow char constructor enum error-context export f32 f64 flags from func future import include "
    "interface list map option own package record resource result s16 s32 s64 s8 static stream string tuple type u16 "
    "u32 u64 u8 use variant with world _"
)
KEYWORDS: Final = frozenset(_KEYWORDS.split())

_SPOKEN: Final = {
    ID: "an identifier",
    EXPLICIT_ID: "an identifier",
    INTEGER: "an integer",
    STRING: "a string literal",
    EOF: "the end of the file",
}


def describe(kind: str) -> str:
    """How a message calls a token of this kind."""
    if kind in _SPOKEN:
        return _SPOKEN[kind]
    return f"keyword `{kind}`" if kind in KEYWORDS else f"`{kind}`"
