"""JSON text of a stranger → Python value, strictly (RFC 8259 with what it leaves open decided), or every problem in it.

Refused beyond what is no JSON: bytes that are not UTF-8, a byte order mark, ``NaN``/``Infinity`` literals, numbers too
large for any WIT type, two members of one name in an object, lone surrogates, nesting deeper than
`json_text.MAX_NESTING`.
A number without a fraction is an integer however it is written, as JSON Schema has it (``-0.0`` stays a float for its
sign), and an exact one of up to `MAX_DIGITS` digits. Pure; linear in the text.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NoReturn, TypeAlias

from obelisk.codegen.model.checks import MAX_SHOWN, Path, listed, more, pointer
from obelisk.codegen.model.problems import Problem
from obelisk.runtime.json_text import TOO_DEEP, too_deep

MAX_DIGITS: Final = 400
"""Digits of an integer: enough for every f64 written without an exponent."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")


class JsonRefused(Exception):
    """The text is not strict JSON; `problems` has `MAX_SHOWN` of its places and how many more."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in the tree for what was refused until the walk finds its pointer; `rest` is searched on."""

    detail: str
    rest: _Tree = None


_Tree: TypeAlias = "bool | int | float | str | list[_Tree] | dict[str, _Tree] | _Refused | None"


def decode(body: bytes) -> object:
    """The value of a JSON text. JsonRefused with JSON pointers; ``""`` where the text itself cannot be read."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"the body is not UTF-8: byte {error.start}")
    if too_deep(body):
        _refuse(f"the body is {TOO_DEEP}")
    before = _reader.last
    try:
        value = _reader.read(text)
    except json.JSONDecodeError as error:
        _refuse(f"the body is not JSON: {_lower(error.msg)} at line {error.lineno} column {error.colno}")
    except RecursionError:
        _refuse(f"the body is {TOO_DEEP}")
    if _reader.last is not before or _SURROGATE.search(text):
        problems = tuple(_problems(value))
        if problems:
            raise JsonRefused(problems)
    return value


class _Reader:
    """The parser with its hooks. Made once: that takes as long as to read a small body. `last` is another object after
    each refusal, here or on another thread: whether one came while a text was read, and never that none did."""

    def __init__(self) -> None:
        self.last = object()
        self._plain, self._bounded = self._decoder(None), self._decoder(self._int)

    def _decoder(self, parse_int: Callable[[str], Any] | None) -> json.JSONDecoder:
        return json.JSONDecoder(
            object_pairs_hook=self._members,
            parse_constant=self._literal,
            parse_float=self._float,
            parse_int=parse_int,
        )

    def read(self, text: str) -> _Tree:
        """Parse, with stand-ins for what is refused."""
        tree: _Tree = (self._bounded if _has_long_number(text) else self._plain).decode(text)
        return tree

    def _members(self, pairs: list[tuple[str, _Tree]]) -> _Tree:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        counts = Counter(name for name, _ in pairs)
        twice = listed(name for name, count in counts.items() if count > 1)
        return self._refuse(f"found several members of the same name: {twice}", members)

    def _literal(self, text: str) -> _Tree:
        return self._refuse(f'found the literal {text}, which is not JSON; write "{text}" for a float')

    def _float(self, text: str) -> _Tree:
        value = float(text)
        if not math.isfinite(value):
            return self._refuse("found a number beyond the range of f64")
        if value == 0:
            return 0 if _ZERO.match(text) else value
        if value.is_integer():
            exact = Decimal(text)
            return int(exact) if exact == int(exact) else value
        return value

    def _int(self, text: str) -> _Tree:
        return int(text) if len(text) <= MAX_DIGITS else self._refuse(f"found an integer of {len(text)} digits")

    def _refuse(self, detail: str, rest: _Tree = None) -> _Refused:
        self.last = object()
        return _Refused(detail, rest)


_reader: Final = _Reader()
_ZERO = re.compile(r"0\.?+0*+(?:[eE].*)?\Z")
_DIGITS: Final = "0123456789"


def _has_long_number(text: str) -> bool:
    """Whether `MAX_DIGITS` digits stand in a row. One of them is at each so manieth place: only there the text is
    looked at, since this goes over every body."""
    for place in range(MAX_DIGITS - 1, len(text), MAX_DIGITS):
        if text[place] in _DIGITS:
            before, after = text[place - MAX_DIGITS + 1 : place], text[place : place + MAX_DIGITS]
            row = len(before) - len(before.rstrip(_DIGITS)) + len(after) - len(after.lstrip(_DIGITS))
            if row >= MAX_DIGITS:
                return True
    return False


def _problems(value: _Tree) -> Iterator[Problem]:
    """The first `MAX_SHOWN` refused places in document order, and how many more there are."""
    places = _refused(value)
    for path, detail in islice(places, MAX_SHOWN):
        yield Problem(pointer=_LONE.sub("?", pointer(path)), expected="JSON", detail=detail)
    rest = sum(1 for _ in places)
    if rest:
        yield more(rest)


def _refused(value: _Tree) -> Iterator[tuple[Path, str]]:
    """All refused places in document order, without recursion; none pays for its pointer, which may be long."""
    open_: list[tuple[Path, _Tree]] = [(None, value)]
    while open_:
        path, value = open_.pop()
        if isinstance(value, _Refused):
            yield path, value.detail
            value = value.rest
        if isinstance(value, str) and _LONE.search(value):
            yield path, "found a string with a lone surrogate"
        elif isinstance(value, list):
            open_.extend(((path, i), item) for i, item in reversed(list(enumerate(value))))
        elif isinstance(value, dict):
            members = list(value.items())
            for name, _ in members:
                if _LONE.search(name):
                    yield path, "found a name with a lone surrogate"
            open_.extend(((path, name), item) for name, item in reversed(members))


def _refuse(detail: str) -> NoReturn:
    raise JsonRefused((Problem(pointer="", expected="JSON", detail=detail),))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
