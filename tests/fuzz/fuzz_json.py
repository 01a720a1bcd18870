"""JSON of clients: read strictly, then checked against the parameters of a function that has every kind of type.

Promises: `strict_json.decode` gives a value or `JsonRefused`; a value is what `json` of the standard library reads in
the text; the validator gives problems or values; and those, written as JSON and read again, are the same values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from fuzzing import Target

WIT = """package fuzz:json;
interface kinds {
  record point { x-axis: s32, label: string, far: option<u8> }
  variant shape { nothing, round(f64), poly(list<point>), one-of(result<u8, string>) }
  enum color { red, dark-green }
  flags rights { can-read, can-write }
  all: func(a: point, b: shape, c: color, d: rights, e: list<u8>, f: f32, g: char, h: option<option<u64>>,
    i: tuple<s8, bool>, j: map<string, s64>, k: map<u32, string>);
}
"""
VALID = (
    b'{"a":{"x_axis":-1,"label":"\\u00e4","far":null},"b":{"poly":[{"x_axis":1,"label":"","far":3}]},"c":"dark_green",'
    b'"d":["can_read"],"e":"AAEC","f":"NaN","g":"x","h":{"some":null},"i":[1,true],"j":{"k":9},"k":[[1,"v"]]}',
    b'{"a":{"x_axis":2147483647,"label":"\\ud83d\\ude00"},"b":"nothing","c":"red","d":[],"e":"","f":1.5e3,"g":"\xc3\xa4",'
    b'"h":null,"i":[-128,false],"j":{},"k":[]}',
    b'[1, -0.0, 1E400, 0.1e-7, 18446744073709551615, null, true, false, "\\\\\\/\\b\\f\\n\\r\\t\\u0000"]',
)
TOKENS = (
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b'"',
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\udc00",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"-0",
    b"1e400",
    b"-1E-400",
    b"0.1",
    b"99999999999999999999",
    b'"some":',
    b'"a":',
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"[" * 210,
    b'"\\"',
    b" ",
    b"\t",
    b"\x0b",
    b"/*",
    b"'",
)


def _load() -> Callable[[bytes], object]:
    from obelisk.codegen.emit.validators import compile_params
    from obelisk.codegen.model.checks import MAX_SHOWN
    from obelisk.codegen.resolve.resolver import resolve_sources
    from obelisk.codegen.source import SourceFile
    from obelisk.gateway.http import strict_json

    loaded = resolve_sources([SourceFile("kinds.wit", WIT)])
    assert loaded.resolution is not None, loaded.diagnostics
    (function,) = loaded.resolution.packages[0].interfaces[0].functions
    validate = compile_params(function)

    def is_told(problems: Sequence[object]) -> bool:
        assert 0 < len(problems) <= MAX_SHOWN + 1
        return False

    def feed(data: bytes) -> object:
        try:
            value = strict_json.decode(data)
        except strict_json.JsonRefused as refused:
            return is_told(refused.problems)
        assert same(value, json.loads(data.decode()))
        values, problems = validate(value)
        if values is None:
            return is_told(problems)
        written = json.dumps(values)
        assert not problems
        again, others = validate(json.loads(written))
        assert not others
        assert json.dumps(again) == written
        return True

    return feed


def same(one: Any, other: Any) -> bool:
    """Whether two readings are of one value; a number without a fraction may be an integer in the first of them."""
    kind, other_kind = kind_of(one), kind_of(other)
    if kind == "int" and other_kind == "float":
        return math.isinf(other) or float(one) == other
    if kind != other_kind:
        return False
    if kind == "dict":
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if kind == "list":
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and (kind != "float" or math.copysign(1, one) == math.copysign(1, other))


def kind_of(value: object) -> str:
    """The name of its type."""
    return type(value).__name__


def _seeds() -> Sequence[bytes]:
    return VALID


JSON = Target(name="json", load=_load, seeds=_seeds, tokens=TOKENS)
