"""Parameters on the command line."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from obelisk.cli.errors import CommandError
from obelisk.cli.execution.params import is_json, named

SCHEMA: dict[str, Any] = {
    "properties": {
        "count": {"type": "integer"},
        "full_name": {"type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "size": {"$ref": "#/$defs/Size"},
        "place": {"$ref": "#/$defs/Place"},
        "shape": {"oneOf": [{"type": "string", "enum": ["dot"]}, {"type": "object"}]},
        "price": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/NonFinite"}]},
    },
    "$defs": {
        "Size": {"type": "string", "enum": ["small"]},
        "Place": {"type": "object"},
        "NonFinite": {"type": "string", "enum": ["NaN"]},
    },
}


def read(*arguments: str) -> object:
    return msgspec.json.decode(named(arguments, SCHEMA))


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("count=3", {"count": 3}),
        ("count=18446744073709551615", {"count": 2**64 - 1}),
        ("count=x", {"count": "x"}),
        (f"count={'[' * 3_000}{']' * 3_000}", {"count": "[" * 3_000 + "]" * 3_000}),
        ("full-name=Ada Lovelace", {"full_name": "Ada Lovelace"}),
        ('full_name="Ada"', {"full_name": "Ada"}),
        ("full-name=12", {"full_name": "12"}),
        ("full-name=null", {"full_name": "null"}),
        ("full-name={}", {"full_name": "{}"}),
        ("full-name=", {"full_name": ""}),
        ("full-name=a=b", {"full_name": "a=b"}),
        ("note=null", {"note": None}),
        ("note=1", {"note": "1"}),
        ("size=small", {"size": "small"}),
        ('place={"x": [1]}', {"place": {"x": [1]}}),
        ("shape=dot", {"shape": "dot"}),
        ('shape={"circle": 1}', {"shape": {"circle": 1}}),
        ("price=1.5", {"price": 1.5}),
        ("price=NaN", {"price": "NaN"}),
    ],
)
def test_a_value_is_read_as_its_parameter_takes_it(argument: str, expected: object) -> None:
    assert read(argument) == expected


def test_several_make_one_object() -> None:
    assert read("count=1", "size=small") == {"count": 1, "size": "small"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cuont=1",), "unknown parameter cuont"),
        (("count",), 'found "count"'),
        (("count=1", "count=2"), "parameter count is given twice"),
    ],
)
def test_what_is_no_parameter_is_refused(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        read(*arguments)
    assert refused.value.code == "params_invalid"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(('{"a": 1}',), True), ((" [1]",), True), (("{",), True), (("a=1",), False), (("{}", "{}"), False), ((), False)],
)
def test_one_argument_with_a_bracket_is_json(arguments: tuple[str, ...], expected: bool) -> None:
    assert is_json(arguments) is expected
