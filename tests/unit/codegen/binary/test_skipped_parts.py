"""Parts that say nothing to WIT are passed over: core types, canonical definitions, modules, custom sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from obelisk.codegen.binary.canonicals import _OPERANDS  # pyright: ignore[reportPrivateUsage]  (its rows are the cases)
from obelisk.codegen.binary.decoder import Decoded, decode
from obelisk.codegen.model.items import World, world_key


class Assembler(Protocol):
    preamble: bytes

    def items(self, items: list[bytes]) -> bytes: ...
    def section(self, code: int, body: bytes) -> bytes: ...
    def component(self, *sections: tuple[int, bytes]) -> bytes: ...


FUNCTION = b"\x40\x00\x01\x00"
OPERANDS = {"i": b"\x03", "o": b"\x03\x00\x03\x01\x09", "r": b"\x01\x00", "b": b"\x01", "v": b"\x7f", "z": b"\x00"}


@pytest.mark.parametrize("code", sorted(_OPERANDS))
def test_canonical_definitions(assembler: Assembler, code: int) -> None:
    skipped = bytes([code]) + b"".join(OPERANDS[operand] for operand in _OPERANDS[code])
    lift = b"\x00\x00\x05\x01\x04\x02\x00"
    data = assembler.component(
        (7, assembler.items([FUNCTION])),
        (8, assembler.items([skipped, lift])),
        (11, assembler.items([b"\x00\x01f\x01\x00\x00"])),
    )
    decoded = decode(data)
    assert decoded.problems == ()
    assert decoded.world is not None
    assert [world_key(item) for item in decoded.world.exports] == ["f"]


@pytest.mark.parametrize(
    "core",
    [
        "(func)",
        "(func (param i32 i64 f32 f64 v128 externref) (result funcref))",
        "(struct (field i8) (field (mut i16)) (field (ref null 0)))",
        "(array (mut i32))",
        "(sub (struct))",
        "(sub final (struct))",
    ],
)
def test_core_types(world_of: Callable[[str], World], core: str) -> None:
    world = world_of(f"""(component
      (type (instance (core type (struct)) (core type {core})  (export "f" (func))))
      (import "a:b/c" (instance (type 0))))""")
    assert [world_key(item) for item in world.imports] == ["a:b/c"]


def test_recursion_groups_and_module_types(world_of: Callable[[str], World]) -> None:
    world = world_of("""(component
      (type (component
        (core type $f (func (param i32)))
        (core type (module
          (alias outer 1 $f (type $g))
          (type $t (func (result i64)))
          (rec (type (struct (field (ref null 1)))) (type (array i8)))
          (import "a" "f" (func (type $t)))
          (import "a" "t" (table 1 2 funcref))
          (import "a" "m" (memory i64 1))
          (import "a" "g" (global (mut i32)))
          (import "a" "e" (tag (type $g)))
          (export "m" (memory 1 2 shared))))
        (export "f" (func))))
      (import "c" (component (type 0)))
      (import "g" (func)))""")
    assert [world_key(item) for item in world.imports] == ["g"]


@pytest.mark.parametrize(
    "core",
    [
        b"\x00\x61",
        b"\x50\x01\x04",
        b"\x50\x01\x02\x11",
        b"\x50\x01\x02\x10\x02",
        b"\x50\x01\x03\x01a\x05",
        b"\x50\x01\x03\x01a\x02\x10",
        b"\x60\x01\x40\x00",
        b"\x5f\x01\x7f\x02",
        b"\x61",
    ],
)
def test_unknown_core_types(assembler: Assembler, core: bytes) -> None:
    (found,) = decode(assembler.component((7, b"\x01\x42\x01\x00" + core))).problems
    assert found.code == "unknown-code"


def test_limits_with_page_sizes_and_long_numbers(assembler: Assembler) -> None:
    memories = [b"\x03\x01a\x02\x04\x80\x80\x80\x80\x80\x01", b"\x03\x01b\x02\x09\x01\x02\x00"]
    rec = b"\x00\x4e\x02\x60\x00\x00\x5e\x78\x01"
    core = b"\x42\x03" + rec + b"\x00\x50" + assembler.items(memories) + b"\x04\x00\x01r\x03\x01"
    assert decode(assembler.component((7, b"\x01" + core))).problems == ()


def test_whole_sections(assembler: Assembler) -> None:
    junk = b"\xff" * 100
    sections = [(code, junk) for code in (1, 2, 3, 9, 12)]
    data = assembler.component(*sections, (0, b"\x04name" + junk), (0, b"\x04name"))
    decoded = decode(data)
    assert decoded.problems == ()
    assert decoded.world is not None
    assert (decoded.world.imports, decoded.world.exports) == ((), ())


def test_values_and_core_aliases(assembler: Assembler) -> None:
    data = assembler.component(
        (7, b"\x01\x42\x00"),
        (10, assembler.items([b"\x00\x01v\x02\x01\x7f", b"\x00\x01w\x02\x00\x00"])),
        (6, assembler.items([b"\x00\x00\x01\x00\x01f", b"\x00\x11\x02\x00\x07", b"\x02\x02\x00\x00"][:2])),
        (11, assembler.items([b"\x00\x01m\x00\x11\x00\x00", b"\x00\x01x\x02\x00\x00"])),
    )
    decoded = decode(data)
    assert decoded.problems == ()
    assert decoded.world is not None
    assert decoded.world.imports == decoded.world.exports == ()


def test_a_value_of_an_enclosing_scope_has_no_alias(assembler: Assembler) -> None:
    (found,) = decode(assembler.component((6, b"\x01\x02\x02\x00\x00"))).problems
    assert found.code == "bad-index"


def test_docs_count_only_at_the_top(assembler: Assembler, decode_text: Callable[[str], Decoded]) -> None:
    nested = assembler.preamble + assembler.section(0, b"\x0cpackage-docs\x01{}")
    assert decode(assembler.component((4, nested))).problems == ()
    assert decode(assembler.component((0, b"\x0cpackage"))).problems[0].code == "truncated"


def test_what_is_in_modules_is_not_read(assembler: Assembler, calls_of: Callable[[Callable[[], object]], int]) -> None:
    large, small = (
        assembler.component((1, b"\xff" * size), (1, b"\xff" * size), (7, assembler.items([FUNCTION])))
        for size in (9_000_000, 9)
    )
    assert decode(large).problems == ()
    # A longer length in front of a section takes a few more bytes to read, the section itself none.
    assert calls_of(lambda: decode(large)) < calls_of(lambda: decode(small)) + 40
