"""What compiled validators call: the refusal of a JSON value that is not of its WIT type, and the longer checks.

The source that `emit.validators` writes tests values in line and comes here only to refuse one. A *path* is a linked
list of keys, ``None`` at the root and ``(path, key)`` below, so that a valid value never pays for a JSON pointer.
Refusing adds a `Problem` and goes on. `MAX_SHOWN` faults of a value are told in full and the others counted, up to
`MAX_PROBLEMS`; every text of a problem is clipped. So a refusal stays small whatever is refused.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias, cast

from obelisk.codegen.model.json_value import NON_FINITE, RANGES, WIDE, JsonValue
from obelisk.codegen.model.problems import Problem

__all__ = [
    "MISSING",
    "NO_NAMES",
    "SIDES",
    "Check",
    "CheckedParams",
    "CheckedValue",
    "JsonValue",
    "Keys",
    "Names",
    "ParamsValidator",
    "Path",
    "Problem",
    "Problems",
    "TooManyProblems",
    "ValueValidator",
    "identity",
    "is_text",
    "name_set",
    "number",
    "octets",
    "refuse",
    "refuse_case",
    "refuse_duplicate",
    "refuse_keys",
    "refuse_length",
    "refuse_name",
    "refuse_option",
    "refuse_params",
    "wide_integer",
]
# What the source of validators may name, and no more.

Path: TypeAlias = "tuple[Path, str | int] | None"
Problems: TypeAlias = list[Problem]
Keys: TypeAlias = Sequence[str | int]
Names: TypeAlias = Mapping[str, object]
Check: TypeAlias = Callable[[JsonValue, Path, Problems], JsonValue]
CheckedParams: TypeAlias = tuple[list[JsonValue] | None, tuple[Problem, ...]]
CheckedValue: TypeAlias = tuple[JsonValue, tuple[Problem, ...]]
ParamsValidator: TypeAlias = Callable[[object], CheckedParams]
ValueValidator: TypeAlias = Callable[[object], CheckedValue]

MAX_SHOWN: Final = 50
"""So many problems are told; one more says how many there are besides."""
MAX_PROBLEMS: Final = 1000
"""After so many problems the check stops."""

MISSING: Final[JsonValue] = cast(JsonValue, type("Missing", (), {"__slots__": ()})())
"""Stands for an absent key. It is no JSON value, hence never valid."""

NO_NAMES: Final[Names] = {}
SIDES: Final[Names] = {"ok": None, "err": None}

_DECIMAL: Final = re.compile(r"0|-?[1-9][0-9]{0,19}", re.ASCII)
_SHOWN_CHARS: Final = 60
_TEXT_CHARS: Final = 500
_SHOWN_NAMES: Final = 20
_F32: Final = struct.Struct("<f")
_LARGEST: Final = {"f32": "about 3.4028235e38", "f64": "about 1.7976931e308"}


def name_set(*names: str) -> Names:
    """Names in order, for fast look-ups."""
    return dict.fromkeys(names)


class TooManyProblems(Exception):
    """Ends a check after `MAX_PROBLEMS`; the entry points of validators catch it."""


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of a path; of one that is very long the middle is left out, as ``…``."""
    keys: list[str] = []
    while path is not None:
        path, key = path
        keys.append("/" + clipped(str(key)).replace("~", "~0").replace("/", "~1"))
    return clipped("".join(reversed(keys)))


def clipped(text: str) -> str:
    """A text without its middle when it is very long."""
    if len(text) <= _TEXT_CHARS:
        return text
    half = _TEXT_CHARS // 2
    return f"{text[:half]}…{text[-half:]}"


def found(value: object) -> str:
    """What a value is, in a few words for its sender."""
    if value is MISSING:
        return "missing"
    if value is None or isinstance(value, bool):
        return "found " + ("null" if value is None else str(value).lower())
    if isinstance(value, int):
        return f"found {value}" if -(1 << 128) < value < 1 << 128 else "found a huge integer"
    if isinstance(value, float):
        return f"found {value!r}"
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode()
        return f'found "{text}"' if len(text) <= _SHOWN_CHARS else f"found a string of {len(value)} characters"
    if isinstance(value, list):
        return f"found an array of {len(cast(list[object], value))}"
    return "found an object" if isinstance(value, dict) else f"found a Python {type(value).__name__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _More(Problem):
    """Stands for `count` problems that are not told."""

    count: int


def more(count: int, *, all_counted: bool = True) -> Problem:
    """The problem that stands for `count` more of them, or for more than that."""
    found = f"{count} more problem{'s' if count > 1 else ''}" if all_counted else f"more than {count} more problems"
    return _More(pointer="", expected="a valid value", detail=found, count=count)


def report(problems: Problems, path: Path, expected: str, detail: str) -> None:
    """Add one problem; `TooManyProblems` when that was one too many."""
    if len(problems) < MAX_SHOWN:
        problems.append(Problem(pointer=pointer(path), expected=clipped(expected), detail=clipped(detail)))
        return
    last = problems[-1]
    if not isinstance(last, _More):
        problems.append(more(1))
    elif last.count < MAX_PROBLEMS - MAX_SHOWN:
        problems[-1] = more(last.count + 1)
    else:
        problems[-1] = more(last.count, all_counted=False)
        raise TooManyProblems


def refuse(problems: Problems, path: Path, value: object, expected: str) -> None:
    """Report a value of the wrong kind or out of range; `expected` is the WIT type."""
    detail = found(value)
    if type(value) is int and expected in RANGES:
        low, high = RANGES[expected]
        detail += f", out of range {low} to {high}"
    elif type(value) is float and expected in RANGES and value.is_integer():
        detail += ", which is not written as an integer"
    elif type(value) is str and not is_text(value):
        detail = "found a lone surrogate"
    elif type(value) is str and expected in WIDE:
        low, high = RANGES[expected]
        wrong = f"out of range {low} to {high}" if _DECIMAL.fullmatch(value) else "which is no decimal integer"
        detail += f", {wrong}"
    report(problems, path, expected, detail)


def refuse_params(problems: Problems, value: object, expected: str, count: int) -> None:
    """Report parameters that are neither an object nor an array of `count`."""
    report(problems, None, expected, f"{found(value)} instead of an object of named parameters or an array of {count}")


def refuse_length(problems: Problems, path: Path, value: object, expected: str, length: int) -> None:
    """Report an array that is none or has another length."""
    report(problems, path, expected, f"{found(value)} instead of an array of {length}")


def refuse_name(problems: Problems, path: Path, value: object, expected: str, names: Names) -> None:
    """Report what is not one of an enum's cases or of the flags."""
    report(problems, path, expected, f"{found(value)}, known: {listed(names)}")


def refuse_case(problems: Problems, path: Path, value: object, expected: str, bare: Names, laden: Names) -> None:
    """Report what is no case of a variant; `bare` cases are strings, `laden` ones objects with one key."""
    name = _only_key(value)
    if isinstance(value, str) and value in laden:
        detail = f'case "{value}" needs a payload: {{"{value}": …}}'
    elif name is None:
        detail = found(value)
    else:
        detail = f'case "{name}" has no payload: write "{name}"' if name in bare else f"unknown case {_quoted(name)}"
    report(problems, path, expected, f"{detail}, cases: {listed([*bare, *laden])}")


def refuse_keys(problems: Problems, path: Path, value: Iterable[object], expected: str, known: Names) -> None:
    """Report every key of an object that is not `known`."""
    for key in value:
        if key not in known:
            report(problems, (path, str(key)), expected, f"unknown key {_quoted(str(key))}, known: {listed(known)}")


def number(value: object, path: Path, problems: Problems, expected: str) -> JsonValue:
    """The canonical form of an f32 or f64 (`expected`) that is not simply a finite float.

    An f32 is the one next to the number, as IEEE 754 rounds; a number that rounds to an infinity is refused.
    """
    if isinstance(value, str) and value in NON_FINITE:
        return value
    beyond = ""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        try:
            return cast(float, _F32.unpack(_F32.pack(value))[0]) if expected == "f32" else float(value)
        except (OverflowError, struct.error):  # the latter for an integer that no float can hold
            beyond = f", beyond the largest {expected} ({_LARGEST[expected]})"
    report(problems, path, expected, f"{found(value)}{beyond}, non-finite numbers are {listed(NON_FINITE)}")
    return None


def wide_integer(value: object, path: Path, problems: Problems, expected: str) -> JsonValue:
    """The canonical form of an s64 or u64 (`expected`) that is not simply an integer in range: of a decimal string.

    A string has no needless sign and no leading zeros, so that an integer is written as one string only.
    """
    if type(value) is str and _DECIMAL.fullmatch(value):
        integer = int(value)
        low, high = RANGES[expected]
        if low <= integer <= high:
            return integer
    refuse(problems, path, value, expected)
    return None


def octets(value: object, path: Path, problems: Problems) -> JsonValue:
    """The canonical form of a ``list<u8>``, which is base64, from base64 (RFC 4648 section 4, padded, no line breaks,
    zero pad bits) or from an array of numbers."""
    if isinstance(value, list):
        return _octets_of_numbers(cast(list[object], value), path, problems)
    if isinstance(value, str):
        try:
            if binascii.b2a_base64(binascii.a2b_base64(value, strict_mode=True), newline=False) == value.encode():
                return value
        except ValueError:
            pass
        report(problems, path, "list<u8>", f"{found(value)}, which is not padded base64")
    else:
        report(problems, path, "list<u8>", f"{found(value)} instead of a base64 string or an array of numbers")
    return None


def _octets_of_numbers(values: list[object], path: Path, problems: Problems) -> JsonValue:
    valid = True
    for index, value in enumerate(values):
        if type(value) is not int or not 0 <= value <= 255:
            valid = False
            refuse(problems, (path, index), value, "u8")
    return binascii.b2a_base64(bytes(cast(list[int], values)), newline=False).decode() if valid else None


def is_text(value: object) -> bool:
    """Whether a value is a string of Unicode scalar values: one without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_option(problems: Problems, path: Path, value: object, expected: str) -> None:
    """Report what is no value of an option of an option."""
    report(problems, path, expected, f'{found(value)} instead of null or {{"some": …}}')


def refuse_duplicate(problems: Problems, path: Path, value: object, expected: str) -> None:
    """Report a flag or a map's key that came before."""
    report(problems, path, expected, f"{found(value)} a second time")


def identity(key: JsonValue) -> object:
    """A hashable that is equal for equal keys of one map type."""
    return repr(key) if isinstance(key, list | dict) else key


def _only_key(value: object) -> str | None:
    keys = list(cast(dict[object, object], value)) if isinstance(value, dict) else []
    return str(keys[0]) if len(keys) == 1 else None


def _quoted(name: str) -> str:
    text = name if len(name) <= _SHOWN_CHARS else name[:_SHOWN_CHARS] + "…"
    return '"' + text.encode("utf-8", "backslashreplace").decode() + '"'


def listed(names: Iterable[str]) -> str:
    """Names in quotes, the first of many, each without the end of a long one."""
    shown = [_quoted(name) for name in islice(names, _SHOWN_NAMES + 1)]
    return ", ".join(shown[:_SHOWN_NAMES]) + (", …" if len(shown) > _SHOWN_NAMES else "") if shown else "none"
