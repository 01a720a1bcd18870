"""Broken and inexpressible binaries: the code, the byte, never an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from obelisk.codegen.binary import allocation
from obelisk.codegen.binary.allocation import MAX_DEPTH, MAX_NAMES, MAX_SIZE
from obelisk.codegen.binary.decoder import Decoded, decode

PREAMBLE = b"\0asm\x0d\0\x01\0"
CORE_MODULE = b"\0asm\x01\0\0\0"


class Assembler(Protocol):
    def number(self, value: int) -> bytes: ...
    def name(self, text: str) -> bytes: ...
    def items(self, items: list[bytes]) -> bytes: ...
    def section(self, code: int, body: bytes) -> bytes: ...
    def component(self, *sections: tuple[int, bytes]) -> bytes: ...


def problem(data: bytes) -> tuple[str, int]:
    decoded = decode(data)
    assert decoded.resolution is None
    assert decoded.world is None
    assert decoded.problems
    return decoded.problems[0].code, decoded.problems[0].offset


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ("not-wasm", 0)),
        (b"(component)", ("not-wasm", 0)),
        (b"\0asm", ("truncated", 4)),
        (CORE_MODULE, ("core-module", 0)),
        (b"\0asm\x0c\0\x01\0", ("unknown-version", 4)),
        (b"\0asm\x0d\0\x02\0", ("unknown-version", 4)),
        (PREAMBLE + b"\x0d\x00", ("unknown-code", 8)),
        (PREAMBLE + b"\x07\x05\x01", ("truncated", 10)),
        (PREAMBLE + b"\x07", ("truncated", 9)),
        (PREAMBLE + b"\x04\x08" + CORE_MODULE, ("core-module", 10)),
        (PREAMBLE + b"\x07\x03\x01\x70\x41", ("unknown-code", 12)),
        (PREAMBLE + b"\x07\x04\x01\x70\x7d\x00", ("trailing-bytes", 13)),
        (PREAMBLE + b"\x07\x02\x01\x3e", ("unknown-code", 11)),
        (PREAMBLE + b"\x07\x03\x01\x70\x00", ("bad-index", 12)),
        (PREAMBLE + b"\x07\x04\x01\x40\x00\x02", ("unknown-code", 13)),
        (PREAMBLE + b"\x07\x05\x01\x40\x00\x01\x01", ("unknown-code", 14)),
        (PREAMBLE + b"\x07\x07\x01\x71\x01\x01a\x00\x01", ("unknown-code", 16)),
        (PREAMBLE + b"\x07\x04\x01\x42\x01\x03", ("unknown-code", 13)),
        (PREAMBLE + b"\x07\x04\x01\x6a\x02\x00", ("unknown-code", 12)),
        (PREAMBLE + b"\x08\x02\x01\x3f", ("unknown-code", 11)),
        (PREAMBLE + b"\x08\x03\x01\x00\x01", ("unknown-code", 12)),
        (PREAMBLE + b"\x08\x06\x01\x00\x00\x00\x01\x0a", ("unknown-code", 15)),
        (PREAMBLE + b"\x08\x06\x01\x00\x00\x00\x00\x00", ("bad-index", 15)),
        (PREAMBLE + b"\x05\x02\x01\x02", ("unknown-code", 11)),
        (PREAMBLE + b"\x05\x04\x01\x00\x00\x00", ("bad-index", 11)),
        (PREAMBLE + b"\x06\x03\x01\x06\x00", ("unknown-code", 11)),
        (PREAMBLE + b"\x06\x04\x01\x03\x03\x00", ("unknown-code", 12)),
        (PREAMBLE + b"\x06\x05\x01\x03\x00\x00\x00", ("bad-index", 11)),
        (PREAMBLE + b"\x06\x05\x01\x03\x02\x01\x00", ("bad-index", 11)),
        (PREAMBLE + b"\x06\x05\x01\x01\x02\x00\x00", ("bad-index", 11)),
        (PREAMBLE + b"\x06\x05\x01\x03\x02\x00\x00", ("bad-index", 11)),
        (PREAMBLE + b"\x0a\x02\x01\x03", ("unknown-code", 11)),
        (PREAMBLE + b"\x0a\x05\x01\x00\x01a\x06", ("unknown-code", 14)),
        (PREAMBLE + b"\x0a\x06\x01\x00\x01a\x00\x10", ("unknown-code", 15)),
        (PREAMBLE + b"\x0a\x06\x01\x00\x01a\x03\x02", ("unknown-code", 15)),
        (PREAMBLE + b"\x0a\x06\x01\x00\x01a\x01\x00", ("bad-index", 14)),
        (PREAMBLE + b"\x0a\x09\x01\x02\x01a\x01\x03\x00\x01\x00", ("unknown-code", 15)),
        (PREAMBLE + b"\x0b\x05\x01\x00\x01a\x07", ("unknown-code", 14)),
    ],
)
def test_broken(data: bytes, expected: tuple[str, int]) -> None:
    assert problem(data) == expected


def test_wrong_sorts(assembler: Assembler) -> None:
    function = b"\x40\x00\x01\x00"
    types = (7, assembler.items([b"\x70\x7d", function, b"\x42\x00"]))
    for body in (b"\x01\x00", b"\x05\x01", b"\x04\x02"):
        data = assembler.component(types, (10, assembler.items([b"\x00\x01a" + body])))
        assert problem(data)[0] == "bad-index"
    lists = assembler.component((7, assembler.items([function, b"\x70\x00"])))
    assert problem(lists)[0] == "bad-index"
    handle = assembler.component((7, assembler.items([b"\x70\x7d", b"\x69\x00"])))
    assert problem(handle)[0] == "bad-index"
    result = assembler.component((7, assembler.items([b"\x40\x00\x02"])))
    assert problem(result)[0] == "unknown-code"
    alias = (6, assembler.items([b"\x03\x00\x00\x01x"]))
    assert problem(assembler.component(types, (10, assembler.items([b"\x00\x01a\x05\x02"])), alias))[0] == "bad-index"
    ascribed = assembler.component(types, (11, assembler.items([b"\x00\x01a\x03\x00\x01\x01\x01"])))
    assert problem(ascribed)[0] == "bad-index"


def test_names_stand_once(assembler: Assembler) -> None:
    twice = [b"\x00\x01r\x03\x01"] * 2
    assert problem(assembler.component((10, assembler.items(twice))))[0] == "duplicate-name"
    types = (7, assembler.items([b"\x70\x7d"]))
    assert (
        problem(assembler.component(types, (11, assembler.items([b"\x00\x01t\x03\x00\x00"] * 2))))[0]
        == "duplicate-name"
    )
    inline = b"\x01" + assembler.items([b"\x00\x01t\x03\x00"] * 2)
    assert problem(assembler.component(types, (5, assembler.items([inline]))))[0] == "duplicate-name"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('(import "url=<https://example.com>" (instance))', "is not the name of an interface"),
        ('(import "a:b/c@1.2" (instance))', "is not the name of an interface"),
        ('(type $t (record (field "x" u8))) (export $e "t" (type $t)) (import "f" (func (param "x" $t)))', "record"),
        ('(type $t (list u8)) (export "a:b/c" (type $t))', "is not the name of a type"),
        ('(import "i" (instance (export "j" (instance))))', "an interface has no instance"),
        ('(import "a:b/c" (instance (export "[method]r.m" (func))))', "is of no resource 'r'"),
        ('(import "f" (func (param "not a name" u8)))', "WIT has no name 'not a name'"),
        ('(import "[method]f" (func))', "is not the name of a function"),
        ('(type $r (resource (rep i32))) (import "f" (func (param "r" (own $r))))', "whose resource has no name"),
        ('(type $f (func)) (export "f" (type $f))', "is no value or resource type"),
        (
            '(type $i (component (export "a" (func)) (export "b" (func)))) (export "i" (type $i))',
            "one interface or world",
        ),
        ('(type $i (component (export "a" (func)))) (export "i" (type $i))', "no interface or world of a package"),
    ],
)
def test_not_in_wit(decode_text: Callable[[str], Decoded], text: str, said: str) -> None:
    try:
        decoded = decode_text(f"(component {text})")
    except Exception:
        pytest.fail(f"the assembler refuses {text}")
    assert decoded.resolution is None
    (found,) = decoded.problems
    assert found.code == "not-in-wit"
    assert said in found.message


def test_all_that_is_not_in_wit_is_reported(decode_text: Callable[[str], Decoded]) -> None:
    decoded = decode_text("""(component
      (import "url=<https://example.com>" (instance))
      (import "ok" (func))
      (import "url=<https://example.org>" (func)))""")
    assert [p.code for p in decoded.problems] == ["not-in-wit", "not-in-wit"]
    assert decoded.problems[0].offset < decoded.problems[1].offset


def test_arguments_of_an_instantiation(assembler: Assembler) -> None:
    function = b"\x40\x00\x01\x00"
    inner = assembler.component((7, assembler.items([function])), (10, assembler.items([b"\x00\x01f\x01\x00"])))
    nothing = assembler.component((4, inner), (5, assembler.items([b"\x00\x00\x00"])))
    assert problem(nothing)[0] == "bad-index"
    wrong = assembler.items([b"\x00\x00\x01\x01f\x03\x00"])
    types = (7, assembler.items([b"\x70\x7d"]))
    assert problem(assembler.component((4, inner), types, (5, wrong)))[0] == "bad-index"
    instance = assembler.component(
        (7, assembler.items([b"\x42\x01\x04\x00\x01r\x03\x01"])), (10, assembler.items([b"\x00\x01i\x05\x00"]))
    )
    empty = assembler.items([b"\x01\x00", b"\x00\x00\x01\x01i\x05\x00"])
    assert problem(assembler.component((4, instance), (5, empty)))[0] == "bad-index"


def test_limits(assembler: Assembler, monkeypatch: pytest.MonkeyPatch) -> None:
    def types(*items: bytes) -> bytes:
        return assembler.component((7, assembler.items(list(items))))

    def index(value: int) -> bytes:
        return bytes([value]) if value < 64 else bytes([value & 0x7F | 0x80, value >> 7])

    chain = [b"\x70\x7d", *(b"\x70" + index(i) for i in range(MAX_DEPTH - 1))]
    assert decode(types(*chain)).problems == ()
    assert problem(types(*chain, b"\x70" + index(MAX_DEPTH - 1)))[0] == "too-deep"
    doubling = [b"\x70\x7d", *(b"\x6f\x02" + index(i) * 2 for i in range(MAX_SIZE.bit_length()))]
    assert problem(types(*doubling))[0] == "too-large"
    names = [b"\x04\x00" + assembler.name(f"t{i}") + b"\x03\x00" + index(i) for i in range(MAX_NAMES + 1)]
    for first in (b"\x01\x70\x7d", b"\x04\x00\x01r\x03\x01"):
        assert decode(types(b"\x42" + assembler.items([first, *names[:MAX_NAMES]]))).problems == ()
        assert problem(types(b"\x42" + assembler.items([first, *names])))[0] == "too-deep"
    monkeypatch.setattr(allocation, "MAX_NODES", 1000)
    assert decode(types(*[b"\x70\x7d"] * 999)).problems == ()
    assert problem(types(*[b"\x70\x7d"] * 1000))[0] == "too-large"


def test_nested_components_are_limited(assembler: Assembler) -> None:
    nested = PREAMBLE
    for _ in range(60):
        nested = PREAMBLE + assembler.section(4, nested)
    assert problem(nested)[0] == "too-deep"
    assert problem(assembler.component((7, b"\x01" + b"\x41\x01\x01" * 60)))[0] == "too-deep"


def test_instances_cannot_multiply_without_end(assembler: Assembler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "MAX_COPIES", 5000)
    exports = [b"\x04\x00" + assembler.name(f"r{i}") + b"\x03\x01" for i in range(1000)]
    imports = [b"\x00" + assembler.name(f"i{i}") + b"\x05\x00" for i in range(10)]
    instance = (7, assembler.items([b"\x42" + assembler.items(exports)]))
    assert problem(assembler.component(instance, (10, assembler.items(imports))))[0] == "too-large"
    both = [b"\x01" + b"\x02\x00\x01a\x05%b\x00\x01b\x05%b" % (bytes([i]), bytes([i])) for i in range(40)]
    assert problem(assembler.component((5, assembler.items([b"\x01\x00", *both]))))[0] == "too-large"


def test_a_deep_call_stack_is_no_crash(assembler: Assembler) -> None:
    both = [b"\x01" + b"\x01\x00\x01a\x05" + assembler.number(i) for i in range(2000)]
    export = b"\x00\x01x\x05" + assembler.number(2000) + b"\x00"
    inner = assembler.component((5, assembler.items([b"\x01\x00", *both])), (11, assembler.items([export])))
    data = assembler.component((4, inner), (5, assembler.items([b"\x00\x00\x00"])))
    assert problem(data)[0] == "too-deep"
