"""Reads a component: walks its sections and follows what becomes its imports and exports (Binary.md "Component …").

Core modules, core types and instances, custom sections, values and start functions are passed over by their size,
whatever they hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from obelisk.codegen.binary.allocation import Allocation
from obelisk.codegen.binary.canonicals import read_canonical
from obelisk.codegen.binary.copying import Copier
from obelisk.codegen.binary.entities import (
    ComponentNode,
    Entity,
    Extern,
    InstanceNode,
    Sort,
)
from obelisk.codegen.binary.errors import MalformedBinary
from obelisk.codegen.binary.reader import Reader
from obelisk.codegen.binary.scope import Scope, declare
from obelisk.codegen.binary.type_reader import read_alias, read_extern, read_name, read_sort, read_type

DOCS_SECTION: Final = "package-docs"

_MAGIC: Final = b"\0asm"
_COMPONENT_PREAMBLE: Final = b"\x0d\x00\x01\x00"
_SKIPPED: Final = frozenset((0, 1, 2, 3, 9, 12))


@dataclass(slots=True)
class ComponentBinary:
    """A component that was read: its imports and exports in the order in which they stand, and its docs section."""

    imports: list[Extern] = field(default_factory=list[Extern])
    exports: list[Extern] = field(default_factory=list[Extern])
    docs: memoryview | None = None


def read_component(data: memoryview) -> ComponentBinary:
    """Read a whole binary; MalformedBinary when it is no component or broken."""
    reader = Reader(data, 0, len(data))
    _read_preamble(reader)
    binary = ComponentBinary()
    scope = Scope(Allocation(), None, 0)
    _read_sections(reader, scope, binary)
    scope.allocation.component(scope.imports, scope.exports, 0, 0)
    binary.imports.extend(scope.imports.values())
    binary.exports.extend(scope.exports.values())
    return binary


def _read_preamble(reader: Reader) -> None:
    start = reader.position
    data = bytes(reader.data[start : min(start + 8, reader.end)])
    if data[:4] != _MAGIC:
        raise MalformedBinary("not-wasm", start, "not a WebAssembly binary")
    if len(data) < 8:
        raise MalformedBinary("truncated", start + len(data), "the binary ends inside its first 8 bytes")
    if data[6:8] == b"\0\0":
        raise MalformedBinary("core-module", start, "a core WebAssembly module, not a component")
    if data[4:8] != _COMPONENT_PREAMBLE:
        raise MalformedBinary("unknown-version", start + 4, f"unknown version of the format: {data[4:8].hex(' ')}")
    reader.skip(8)


def _read_sections(reader: Reader, scope: Scope, binary: ComponentBinary | None) -> None:
    while not reader.at_end:
        start = reader.position
        code = reader.byte()
        section = reader.part(reader.u32())
        if code == 0 and binary is not None:
            _read_custom(section, binary)
        elif code == 4:
            scope.push(_read_nested(section, scope, start), Sort.COMPONENT)
        elif code in _ITEMS:
            read = _ITEMS[code]
            for _ in range(section.count()):
                read(section, scope)
            section.finish("a section")
        elif code not in _SKIPPED:
            raise MalformedBinary("unknown-code", start, f"unknown section {code}")


def _read_nested(reader: Reader, outer: Scope, offset: int) -> ComponentNode:
    scope = Scope(outer.allocation, outer, offset)
    _read_preamble(reader)
    _read_sections(reader, scope, None)
    return scope.allocation.component(scope.imports, scope.exports, scope.first, offset)


def _read_custom(section: Reader, binary: ComponentBinary) -> None:
    if section.text() == DOCS_SECTION:
        binary.docs = section.data[section.position : section.end]


def _read_import(reader: Reader, scope: Scope) -> None:
    name = read_name(reader)
    scope.add_import(read_extern(reader, scope, name))


def _read_export(reader: Reader, scope: Scope) -> None:
    name = read_name(reader)
    offset = reader.position
    sort = read_sort(reader)
    index = reader.u32()
    entity = scope.item(sort, index, offset)
    if reader.flag():
        extern = read_extern(reader, scope, name)
        if extern.sort is not sort:
            raise MalformedBinary("bad-index", offset, f"a {sort.value} is exported as a {extern.sort.value}")
        scope.add_export(extern)
    elif sort is Sort.TYPE:
        node = scope.type_node(index, offset)
        scope.add_export(Extern(name=name, sort=sort, entity=scope.rename(node, offset), referenced=node))
    else:
        scope.add_export(Extern(name=name, sort=sort, entity=entity))


def _read_instance(reader: Reader, scope: Scope) -> None:
    offset = reader.position
    match reader.byte():
        case 0x00:
            component = scope.component(reader.u32(), offset)
            arguments: dict[str, Entity] = {}
            for _ in range(reader.count()):
                name = reader.text()
                arguments[name] = _read_item(reader, scope)[1]
            scope.push(_instantiate(scope, component, arguments, offset), Sort.INSTANCE)
        case 0x01:
            first = scope.allocation.open(offset)
            exports: dict[str, Extern] = {}
            for _ in range(reader.count()):
                extern_name = read_name(reader)
                declare(exports, extern_name, *_read_item(reader, scope))
            scope.push(scope.allocation.instance(exports, first, offset), Sort.INSTANCE)
        case byte:
            raise reader.unknown(byte, "an instance")


def _read_item(reader: Reader, scope: Scope) -> tuple[Sort, Entity]:
    offset = reader.position
    sort = read_sort(reader)
    return sort, scope.item(sort, reader.u32(), offset)


def _instantiate(scope: Scope, component: ComponentNode, arguments: dict[str, Entity], offset: int) -> InstanceNode:
    copier = Copier(scope.allocation, component.first, offset)
    for name, extern in component.imports.items():
        if name not in arguments:
            raise MalformedBinary("bad-index", offset, f"nothing is given for the import {name!r}")
        copier.supply(extern, arguments[name])
    first = scope.allocation.open(offset)
    return scope.allocation.instance(copier.externs(component.exports), first, offset)


_ITEMS: Final[dict[int, Callable[[Reader, Scope], None]]] = {
    5: _read_instance,
    6: read_alias,
    7: read_type,
    8: read_canonical,
    10: _read_import,
    11: _read_export,
}
