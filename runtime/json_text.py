"""JSON text of a stranger, a guest or a client: how deep it may nest. Pure.

Parsers and validators recurse into what they read, so the depth is bounded before anything is parsed: a text beyond
it is refused like any other wrong text, however much of Python's stack is used at that moment.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any, Final, TypeAlias

import msgspec

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_NESTING: Final = 200
"""Arrays and objects inside one another: beyond the deepest WIT type (100 levels), below Python's own limits."""

TOO_DEEP: Final = f"nested deeper than {MAX_NESTING} levels"

# Possessive, and one that never ends is a string up to the end of the text: nothing is looked at twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ALL_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_UP_AND_DOWN: Final = bytes.maketrans(b"[]", b"\x01\xff")  # as signed bytes 1 and -1
_ROUNDS: Final = 8


class NotJson(ValueError):
    """The text is no JSON, or nested too deep; its text says which and where."""


def decode(text: str | bytes) -> JsonValue:
    """The value of a JSON text that is nested at most `MAX_NESTING` deep; NotJson."""
    if too_deep(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text):
        raise NotJson(TOO_DEEP)
    try:
        value: JsonValue = msgspec.json.decode(text)
        return value
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotJson(str(error)) from None


def entries(value: Any, most: int) -> int:
    """How many entries a value has, each 64 characters of text being one; of more than `most` it is not said how many.

    It takes time in proportion to `most`.
    """
    found = 1
    waiting: list[JsonValue] = [value]
    while waiting and found <= most:
        one = waiting.pop()
        if type(one) is str:
            found += len(one) >> 6
        elif type(one) is list or type(one) is dict:
            found += len(one)
            if found <= most:
                waiting.extend(one.values() if type(one) is dict else one)
    return found


def too_deep(body: bytes) -> bool:
    """Whether arrays and objects are nested deeper than `MAX_NESTING`.

    A few rounds of byte operations, each of which removes the innermost pairs, leave nothing of most texts; of others
    the brackets are counted one by one.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_NESTING:
        return False
    brackets = _STRING.sub(b"", body).translate(_ALL_SQUARE, _NO_BRACKETS)
    inner = brackets
    for _ in range(_ROUNDS):
        inner = inner.replace(b"[]", b"")
    if not inner:
        return False
    steps = memoryview(brackets.translate(_UP_AND_DOWN)).cast("b")
    return max(accumulate(steps), default=0) > MAX_NESTING
