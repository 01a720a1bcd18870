"""Writes a Resolution as JSON of the shape that ``wasm-tools component wit --json`` prints.

Types, interfaces, worlds and packages are arrays, and everything refers to them by index
(see `wit_numbering`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from obelisk.codegen.emit import wit_numbering, wit_numbering_decoded
from obelisk.codegen.emit.wit_arena import FunctionEntry, InterfaceEntry, ItemEntry, Ref, Slot, WorldEntry
from obelisk.codegen.model.items import FunctionKind, Package, Resolution, world_key
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.model.types import (
    UNGATED,
    BorrowType,
    EnumType,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    Stability,
    StreamType,
    TupleType,
    TypeDef,
    VariantType,
)

Json: TypeAlias = "str | int | list[Json] | dict[str, Json] | None"


def to_json(resolution: Resolution, *, decoded: bool = False) -> dict[str, Json]:
    """The JSON value of `resolution`; dicts keep the reference's order of keys.

    `decoded` says that `resolution` comes from a binary: the reference numbers such a one in another order.
    """
    arena = wit_numbering_decoded.number(resolution) if decoded else wit_numbering.number(resolution)
    packages = {package.name: index for index, package in enumerate(resolution.packages)}
    return {
        "worlds": [_world(entry, packages) for entry in arena.worlds],
        "interfaces": [_interface(entry, packages) for entry in arena.interfaces],
        "types": [_typedef(slot) for slot in arena.types],
        "packages": [_package(package, arena.interfaces, arena.worlds) for package in resolution.packages],
    }


def _package(package: Package, interfaces: list[InterfaceEntry], worlds: list[WorldEntry]) -> Json:
    return {
        "name": str(package.name),
        **_docs(package.docs),
        "interfaces": {
            entry.interface.name.name: entry.index
            for entry in interfaces
            if entry.package == package.name and not entry.interface.inline_name
        },
        "worlds": {entry.world.name.name: entry.index for entry in worlds if entry.package == package.name},
    }


def _interface(entry: InterfaceEntry, packages: Mapping[PackageName, int]) -> Json:
    interface = entry.interface
    return {
        "name": None if interface.inline_name else interface.name.name,
        "types": {name: slot.index for name, slot in entry.types.items()},
        "functions": {f.function.export_name: _function(f) for f in entry.functions},
        **_docs(interface.docs),
        **_stability(interface.stability),
        "package": packages[entry.package],
        **({} if entry.copy_of is None else {"clone_of": entry.copy_of.index}),
    }


def _world(entry: WorldEntry, packages: Mapping[PackageName, int]) -> Json:
    world = entry.world
    return {
        "name": world.name.name,
        "imports": _items(entry.imports),
        "exports": _items(entry.exports),
        "package": packages[entry.package],
        **_docs(world.docs),
        **_stability(world.stability),
    }


def _items(items: list[ItemEntry]) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for item in items:
        match item:
            case Slot(typedef=TypeDef(name=name), index=index):
                result[name] = {"type": index}
            case FunctionEntry(function=function):
                result[function.export_name] = {"function": _function(item)}
            case (use, interface):
                named = not use.label and not use.interface.inline_name
                result[f"interface-{interface.index}" if named else world_key(use)] = {
                    "interface": {
                        "id": interface.index,
                        **_stability(use.stability),
                        **_external_id(use.external_id),
                        **_docs(use.docs),
                    }
                }
            case _:
                raise AssertionError("a world has only named types")
    return result


def _function(entry: FunctionEntry) -> Json:
    function = entry.function
    kind = "freestanding" if function.kind is FunctionKind.FREE else function.kind.value
    kind = f"async-{kind}" if function.is_async else kind
    result: dict[str, Json] = {
        "name": function.export_name,
        "kind": kind if entry.resource is None else {kind: entry.resource.index},
        "params": [
            {"name": param.name, "type": _ref(ref)} for param, ref in zip(function.params, entry.params, strict=True)
        ],
    }
    if function.result is not None:
        result["result"] = _ref(entry.result)
    return result | _docs(function.docs) | _stability(function.stability) | _external_id(function.external_id)


def _typedef(slot: Slot) -> Json:
    typedef, owner = slot.typedef, slot.owner
    return {
        "name": None if typedef is None else typedef.name,
        "kind": _kind(slot),
        "owner": None
        if owner is None
        else {"interface" if isinstance(owner, InterfaceEntry) else "world": owner.index},
        **_docs(typedef.docs if typedef else ""),
        **_stability(slot.stability),
        **_external_id(typedef.external_id if typedef else ""),
    }


def _kind(slot: Slot) -> Json:
    refs = [_ref(part) for part in slot.parts]
    match slot.body:
        case Primitive() | TypeDef():
            return {"type": refs[0]}
        case ListType():
            return {"list": refs[0]}
        case FixedListType(_, length):
            return {"fixed-length-list": [refs[0], length]}
        case MapType():
            return {"map": [refs[0], refs[1]]}
        case TupleType():
            return {"tuple": {"types": list(refs)}}
        case OptionType():
            return {"option": refs[0]}
        case ResultType():
            return {"result": {"ok": refs[0], "err": refs[1]}}
        case StreamType():
            return {"stream": refs[0]}
        case FutureType():
            return {"future": refs[0]}
        case OwnType():
            return {"handle": {"own": refs[0]}}
        case BorrowType():
            return {"handle": {"borrow": refs[0]}}
        case ResourceType():
            return "resource"
        case _:
            return _named_kind(slot, refs)


def _named_kind(slot: Slot, refs: list[Json]) -> Json:
    match slot.body:
        case RecordType(fields):
            pairs = zip(fields, refs, strict=True)
            return {"record": {"fields": [{"name": f.name, "type": ref, **_docs(f.docs)} for f, ref in pairs]}}
        case VariantType(cases):
            typed = zip(cases, refs, strict=True)
            return {"variant": {"cases": [{"name": c.name, "type": ref, **_docs(c.docs)} for c, ref in typed]}}
        case EnumType(cases=labels):
            return {"enum": {"cases": [{"name": label.name, **_docs(label.docs)} for label in labels]}}
        case FlagsType(flags=labels):
            return {"flags": {"flags": [{"name": label.name, **_docs(label.docs)} for label in labels]}}
        case _:
            raise AssertionError("every type has a JSON form")


def _ref(ref: Ref) -> Json:
    return ref.value if isinstance(ref, Primitive) else None if ref is None else ref.index


def _docs(text: str) -> dict[str, Json]:
    return {"docs": {"contents": text}} if text else {}


def _external_id(text: str) -> dict[str, Json]:
    return {"external_id": text} if text else {}


def _stability(stability: Stability) -> dict[str, Json]:
    if stability == UNGATED:
        return {}
    deprecated: dict[str, Json] = {"deprecated": stability.deprecated} if stability.deprecated else {}
    if stability.feature:
        return {"stability": {"unstable": {"feature": stability.feature, **deprecated}}}
    return {"stability": {"stable": {"since": stability.since, **deprecated}}}
