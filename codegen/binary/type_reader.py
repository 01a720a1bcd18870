"""Reads the type section: value, function, resource, instance and component types (Binary.md "Type Definitions")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from obelisk.codegen.binary.core_types import skip_core_type, skip_core_value_type
from obelisk.codegen.binary.entities import (
    OPAQUE,
    ComponentNode,
    Entity,
    Extern,
    ExternName,
    FuncNode,
    InstanceNode,
    Kind,
    Part,
    Sort,
    TypeNode,
    ValueNode,
)
from obelisk.codegen.binary.errors import MalformedBinary
from obelisk.codegen.binary.reader import Reader
from obelisk.codegen.binary.scope import Scope, find_export
from obelisk.codegen.model.types import Primitive

PRIMITIVES: Final = {
    0x7F: Primitive.BOOL,
    0x7E: Primitive.S8,
    0x7D: Primitive.U8,
    0x7C: Primitive.S16,
    0x7B: Primitive.U16,
    0x7A: Primitive.S32,
    0x79: Primitive.U32,
    0x78: Primitive.S64,
    0x77: Primitive.U64,
    0x76: Primitive.F32,
    0x75: Primitive.F64,
    0x74: Primitive.CHAR,
    0x73: Primitive.STRING,
    0x64: Primitive.ERROR_CONTEXT,
}
_SORTS: Final = {0x01: Sort.FUNC, 0x02: Sort.VALUE, 0x03: Sort.TYPE, 0x04: Sort.COMPONENT, 0x05: Sort.INSTANCE}


def read_sort(reader: Reader) -> Sort:
    """A ``sort``; every core sort is `Sort.CORE`."""
    byte = reader.byte()
    if byte == 0x00:
        reader.byte()
        return Sort.CORE
    sort = _SORTS.get(byte)
    if sort is None:
        raise reader.unknown(byte, "a sort")
    return sort


def read_name(reader: Reader) -> ExternName:
    """A ``nameattributes``: the name of an import or export."""
    offset = reader.position
    form = reader.byte()
    if form > 0x02:
        raise reader.unknown(form, "the name of an import or export")
    text = reader.text()
    attributes = {0x00: "", 0x01: "", 0x02: ""}
    if form == 0x02:
        for _ in range(reader.count()):
            byte = reader.byte()
            if byte not in attributes:
                raise reader.unknown(byte, "an attribute of a name")
            attributes[byte] = reader.text()
    return ExternName(
        text=text,
        implements=attributes[0x00],
        version_suffix=attributes[0x01],
        external_id=attributes[0x02],
        offset=offset,
    )


def read_extern(reader: Reader, scope: Scope, name: ExternName) -> Extern:
    """An ``externtype`` under `name`; a type becomes a node of its own, an instance has types of its own."""
    offset = reader.position
    byte = reader.byte()
    if byte == 0x00:
        core = reader.byte()
        if core != 0x11:
            raise reader.unknown(core, "a core module")
        reader.u32()
        return Extern(name=name, sort=Sort.CORE, entity=OPAQUE)
    sort = _SORTS.get(byte)
    if sort is None:
        raise reader.unknown(byte, "the type of an import or export")
    entity: Entity
    match sort:
        case Sort.TYPE:
            return _read_type_bound(reader, scope, name)
        case Sort.FUNC:
            entity = scope.func_type(reader.u32(), offset)
        case Sort.INSTANCE:
            entity = scope.opened(scope.instance_type(reader.u32(), offset), offset)
        case Sort.COMPONENT:
            entity = scope.component_type(reader.u32(), offset)
        case _:
            _skip_value_bound(reader)
            entity = OPAQUE
    return Extern(name=name, sort=sort, entity=entity)


def _read_type_bound(reader: Reader, scope: Scope, name: ExternName) -> Extern:
    offset = reader.position
    byte = reader.byte()
    if byte == 0x00:
        referenced = scope.type_node(reader.u32(), offset)
        entity = scope.rename(referenced, offset)
    elif byte == 0x01:
        entity = referenced = scope.allocation.resource(None, offset)
    else:
        raise reader.unknown(byte, "a type bound")
    return Extern(name=name, sort=Sort.TYPE, entity=entity, referenced=referenced)


def _skip_value_bound(reader: Reader) -> None:
    if reader.flag():
        reader.s33()
    else:
        reader.u32()


def read_alias(reader: Reader, scope: Scope) -> None:
    """An ``alias``: gives something of another instance or an enclosing scope an index here."""
    offset = reader.position
    sort = read_sort(reader)
    match reader.byte():
        case 0x00:
            instance = scope.instance(reader.u32(), offset)
            extern = find_export(instance, reader.text(), sort, offset)
            scope.push(extern.entity, sort)
        case 0x01:
            reader.u32()
            reader.text()
        case 0x02:
            outer = scope.outer(reader.u32(), offset)
            index = reader.u32()
            if sort not in (Sort.TYPE, Sort.COMPONENT, Sort.CORE):
                raise MalformedBinary("bad-index", offset, f"a {sort.value} of an enclosing scope has no alias")
            scope.push(outer.item(sort, index, offset), sort)
        case byte:
            raise reader.unknown(byte, "an alias")


def read_type(reader: Reader, scope: Scope) -> None:
    """A ``type`` definition, pushed to `scope`."""
    scope.push(_read_definition(reader, scope), Sort.TYPE)


def _read_definition(reader: Reader, scope: Scope) -> TypeNode:
    offset = reader.position
    code = reader.byte()
    primitive = PRIMITIVES.get(code)
    if primitive is not None:
        return scope.allocation.value(Kind.PRIMITIVE, offset, parts=(primitive,))
    read = _VALUE_TYPES.get(code)
    if read is not None:
        return read(reader, scope, offset)
    match code:
        case 0x40 | 0x43:
            return _read_func(reader, scope, is_async=code == 0x43)
        case 0x42:
            return _read_instance_type(reader, scope, offset)
        case 0x41:
            return _read_component_type(reader, scope, offset)
        case 0x3F:
            skip_core_value_type(reader)
            if reader.flag():
                reader.u32()
            return scope.allocation.resource(None, offset)
        case _:
            raise reader.unknown(code, "a type")


def read_part(reader: Reader, scope: Scope) -> Part:
    """A ``valtype``: a primitive or the index of a value type."""
    offset = reader.position
    primitive = PRIMITIVES.get(reader.peek())
    if primitive is not None:
        reader.skip(1)
        return primitive
    index = reader.s33()
    if index >= 0:
        return scope.value_type(index, offset)
    raise MalformedBinary("unknown-code", offset, f"expected a value type, found the code {index}")


def _read_optional_part(reader: Reader, scope: Scope) -> Part | None:
    return read_part(reader, scope) if reader.flag() else None


def read_result(reader: Reader, scope: Scope) -> Part | None:
    """A ``resultlist``."""
    form = reader.byte()
    if form == 0x00:
        return read_part(reader, scope)
    if form != 0x01:
        raise reader.unknown(form, "a function's result")
    none = reader.byte()
    if none != 0x00:
        raise reader.unknown(none, "the end of an empty result")
    return None


def _read_func(reader: Reader, scope: Scope, *, is_async: bool) -> FuncNode:
    offset = reader.position
    params = tuple((reader.text(), read_part(reader, scope)) for _ in range(reader.count()))
    return scope.allocation.func(params, read_result(reader, scope), is_async=is_async, offset=offset)


def _read_record(reader: Reader, scope: Scope, offset: int) -> ValueNode:
    fields = [(reader.text(), read_part(reader, scope)) for _ in range(reader.count())]
    return scope.allocation.value(Kind.RECORD, offset, labels=[n for n, _ in fields], parts=[p for _, p in fields])


def _read_variant(reader: Reader, scope: Scope, offset: int) -> ValueNode:
    names: list[str] = []
    parts: list[Part | None] = []
    for _ in range(reader.count()):
        names.append(reader.text())
        parts.append(_read_optional_part(reader, scope))
        refines = reader.byte()
        if refines != 0x00:
            raise reader.unknown(refines, "the end of a case")
    return scope.allocation.value(Kind.VARIANT, offset, labels=names, parts=parts)


def _read_fixed_list(reader: Reader, scope: Scope, offset: int) -> ValueNode:
    element = read_part(reader, scope)
    return scope.allocation.value(Kind.FIXED_LIST, offset, parts=(element,), length=reader.u32())


def _parts_reader(kind: Kind, count: int) -> Callable[[Reader, Scope, int], ValueNode]:
    def read(reader: Reader, scope: Scope, offset: int) -> ValueNode:
        return scope.allocation.value(kind, offset, parts=[read_part(reader, scope) for _ in range(count)])

    return read


def _optional_parts_reader(kind: Kind, count: int) -> Callable[[Reader, Scope, int], ValueNode]:
    def read(reader: Reader, scope: Scope, offset: int) -> ValueNode:
        return scope.allocation.value(kind, offset, parts=[_read_optional_part(reader, scope) for _ in range(count)])

    return read


def _labels_reader(kind: Kind) -> Callable[[Reader, Scope, int], ValueNode]:
    def read(reader: Reader, scope: Scope, offset: int) -> ValueNode:
        return scope.allocation.value(kind, offset, labels=[reader.text() for _ in range(reader.count())])

    return read


def _handle_reader(kind: Kind) -> Callable[[Reader, Scope, int], ValueNode]:
    def read(reader: Reader, scope: Scope, offset: int) -> ValueNode:
        return scope.allocation.value(kind, offset, resource=scope.resource(reader.u32(), offset))

    return read


def _read_tuple(reader: Reader, scope: Scope, offset: int) -> ValueNode:
    parts = [read_part(reader, scope) for _ in range(reader.count())]
    return scope.allocation.value(Kind.TUPLE, offset, parts=parts)


_VALUE_TYPES: Final[dict[int, Callable[[Reader, Scope, int], ValueNode]]] = {
    0x72: _read_record,
    0x71: _read_variant,
    0x70: _parts_reader(Kind.LIST, 1),
    0x6F: _read_tuple,
    0x6E: _labels_reader(Kind.FLAGS),
    0x6D: _labels_reader(Kind.ENUM),
    0x6B: _parts_reader(Kind.OPTION, 1),
    0x6A: _optional_parts_reader(Kind.RESULT, 2),
    0x69: _handle_reader(Kind.OWN),
    0x68: _handle_reader(Kind.BORROW),
    0x67: _read_fixed_list,
    0x66: _optional_parts_reader(Kind.STREAM, 1),
    0x65: _optional_parts_reader(Kind.FUTURE, 1),
    0x63: _parts_reader(Kind.MAP, 2),
}


def _read_instance_type(reader: Reader, outer: Scope, offset: int) -> InstanceNode:
    scope = Scope(outer.allocation, outer, offset)
    for _ in range(reader.count()):
        _read_declaration(reader, scope, reader.byte())
    return scope.allocation.instance(scope.exports, scope.first, offset)


def _read_component_type(reader: Reader, outer: Scope, offset: int) -> ComponentNode:
    scope = Scope(outer.allocation, outer, offset)
    for _ in range(reader.count()):
        code = reader.byte()
        if code == 0x03:
            name = read_name(reader)
            scope.add_import(read_extern(reader, scope, name))
        else:
            _read_declaration(reader, scope, code)
    return scope.allocation.component(scope.imports, scope.exports, scope.first, offset)


def _read_declaration(reader: Reader, scope: Scope, code: int) -> None:
    match code:
        case 0x00:
            skip_core_type(reader)
        case 0x01:
            read_type(reader, scope)
        case 0x02:
            read_alias(reader, scope)
        case 0x04:
            name = read_name(reader)
            scope.add_export(read_extern(reader, scope, name))
        case _:
            raise reader.unknown(code, "a declaration")
