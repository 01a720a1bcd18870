"""Folding a long line of Python over several, in the manner of the usual formatters.

Handles what generators write: names, calls, literals, comprehensions and conditional expressions in one line, strings
in double quotes. A line that offers no place to fold stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_OPEN: Final = "([{"
_CLOSE: Final = ")]}"
_STEP: Final = "    "


def fold(text: str, width: int, tail: str = "") -> list[str]:
    """The lines of ``text + tail``, each at most `width` wide where that can be; inner ones are indented."""
    if len(text) + len(tail) <= width:
        return [text + tail]
    head = next((word for word in ("return ", "yield ") if text.startswith(word)), "")
    choice = _cut(text[len(head) :], (" if ", " else "))
    if len(choice) > 1 and head:
        return [f"{head}(", *_inside(text[len(head) :], width), f"){tail}"]
    if len(choice) > 1:
        return _stacked(choice, width, tail)
    group = max(_groups(text), key=lambda place: place[1] - place[0], default=None)
    if group is None or group[1] - group[0] < 2:
        return [text + tail]
    start, end = group
    is_call = text[start] == "(" and text[start - 1 : start].isidentifier()
    return [text[: start + 1], *_items(text[start + 1 : end], width, is_call=is_call), text[end:] + tail]


def _items(content: str, width: int, *, is_call: bool) -> list[str]:
    comprehension = _cut(content, (" for ",))
    if len(comprehension) > 1:
        if len(content) <= width - len(_STEP):
            return [_STEP + content]
        return [_STEP + line for line in _stacked(comprehension, width - len(_STEP), "")]
    items = _cut(content.removesuffix(","), (", ",))
    if len(items) == 1:
        return _inside(items[0], width, "" if is_call else ",")
    if is_call and len(content) <= width - len(_STEP):
        return [_STEP + content]
    return [line for item in items for line in _inside(item.removeprefix(", "), width, ",")]


def _inside(text: str, width: int, tail: str = "") -> list[str]:
    return [_STEP + line for line in fold(text, width - len(_STEP), tail)]


def _stacked(parts: list[str], width: int, tail: str) -> list[str]:
    """Parts below each other, the tail after the last."""
    last = len(parts) - 1
    return [
        line for number, part in enumerate(parts) for line in fold(part.strip(), width, tail if number == last else "")
    ]


def _scan(text: str) -> Iterator[tuple[int, int]]:
    """Every place outside of strings, with the number of brackets open there (an opening one counts itself)."""
    depth, quoted, place = 0, False, 0
    while place < len(text):
        char = text[place]
        if quoted:
            place += char == "\\"
            quoted = char != '"'
        else:
            quoted = char == '"'
            depth += char in _OPEN
            yield place, depth
            depth -= char in _CLOSE
        place += 1


def _cut(text: str, words: tuple[str, ...]) -> list[str]:
    """The text cut before each of the words that stands outside of brackets."""
    cuts = [p for p, depth in _scan(text) if depth == 0 and any(text.startswith(word, p) for word in words)]
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _groups(text: str) -> Iterator[tuple[int, int]]:
    """Where the outermost brackets open and close."""
    start = 0
    for place, depth in _scan(text):
        if depth == 1 and text[place] in _OPEN:
            start = place
        elif depth == 1 and text[place] in _CLOSE:
            yield start, place
