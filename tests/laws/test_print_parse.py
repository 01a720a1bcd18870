"""Printing is the inverse of parsing: for every resolution that text can have, ``parse(print(x)) == x``.

Resolutions are made from the model's side, as the resolver would give them (uses first, worlds elaborated), with names
that are keywords, documentation, gates, resources and all types.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obelisk.codegen.diagnostics import render
from obelisk.codegen.emit.wit_json import to_json
from obelisk.codegen.model.items import (
    Function,
    FunctionKind,
    Interface,
    Package,
    Param,
    Resolution,
    World,
    WorldInterface,
    WorldItem,
)
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import (
    BorrowType,
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    FutureType,
    Label,
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
    Type,
    TypeDef,
    VariantType,
    unalias,
)
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax.printer import print_resolution
from obelisk.codegen.syntax.tokens import KEYWORDS

PACKAGE = PackageName("law", "printed", "1.4.0")
NAMES = sorted(KEYWORDS - {"_"}) + [f"name-{n}" for n in range(12)] + ["x", "y2", "a-B-c", "URL"]
KEYS = [p for p in Primitive if p not in (Primitive.F32, Primitive.F64, Primitive.ERROR_CONTEXT)]
DOCS = st.sampled_from(["", "", "", "One line.", "Two\n  lines.", "A\n\nparagraph.", "\n * starred", "// é /*"])
GATES = st.sampled_from([Stability()] * 4 + [Stability(since="1.2.0"), Stability(since="1.0.0", deprecated="1.3.0")])


LABELS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique_by=str.lower)
SOME_LABELS = st.lists(st.sampled_from(NAMES), max_size=2, unique_by=str.lower)


def is_resource(typedef: TypeDef) -> bool:
    return isinstance(unalias(typedef), ResourceType)


def value_types(named: Sequence[TypeDef], *, borrow: bool) -> st.SearchStrategy[Type]:
    """Types of values; borrowed handles only where they are allowed."""
    plain = [t for t in named if not is_resource(t) and (borrow or not has_borrow(t))]
    resources = [t for t in named if is_resource(t)]
    leaves: list[Type] = [*Primitive, *plain, *plain, *plain, *map(OwnType, resources)]
    return value_type(leaves + [BorrowType(r) for r in resources] if borrow else leaves, 3)


@st.composite
def value_type(draw: st.DrawFn, leaves: Sequence[Type], depth: int) -> Type:
    def inner() -> Type:
        return draw(value_type(leaves, depth - 1))

    def maybe() -> Type | None:
        return inner() if draw(st.booleans()) else None

    def sendable() -> Type | None:
        item = maybe()
        return item if item is None or is_sendable(item) else None

    match draw(st.integers(0, 20)) if depth else 20:
        case 0:
            return ListType(inner())
        case 1:
            return FixedListType(inner(), draw(st.integers(1, 9)))
        case 2:
            return MapType(draw(st.sampled_from(KEYS)), inner())
        case 3:
            return TupleType(tuple(inner() for _ in range(draw(st.integers(1, 3)))))
        case 4:
            return OptionType(inner())
        case 5:
            return ResultType(maybe(), maybe())
        case 6:
            return StreamType(sendable())
        case 7:
            return FutureType(sendable())
        case _:
            return draw(st.sampled_from(list(leaves)))


def has_borrow(type_: Type) -> bool:
    return "BorrowType" in repr(type_)


def is_sendable(type_: Type) -> bool:
    return not has_borrow(type_) and type_ is not Primitive.CHAR


@st.composite
def bodies(draw: st.DrawFn, named: Sequence[TypeDef]) -> Type:
    inner = value_types(named, borrow=True)
    names = draw(LABELS)
    docs = [draw(DOCS) for _ in names]
    match draw(st.sampled_from(["record", "variant", "enum", "flags", "resource", "type", "alias", "own"])):
        case "record":
            return RecordType(tuple(Field(n, draw(inner), d) for n, d in zip(names, docs, strict=True)))
        case "variant":
            return VariantType(tuple(Case(n, draw(st.none() | inner), d) for n, d in zip(names, docs, strict=True)))
        case "enum":
            return EnumType(tuple(Label(n, d) for n, d in zip(names, docs, strict=True)))
        case "flags":
            return FlagsType(tuple(Label(n, d) for n, d in zip(names, docs, strict=True)))
        case "resource":
            return ResourceType()
        case "own" if any(is_resource(t) for t in named):
            return OwnType(draw(st.sampled_from([t for t in named if is_resource(t)])))
        case "alias" if named:
            return draw(st.sampled_from(list(named)))
        case _:
            # As an alias, a bare resource name is the resource and not a handle.
            return draw(inner.filter(lambda type_: not isinstance(type_, TypeDef)))


@st.composite
def functions(draw: st.DrawFn, name: str, named: Sequence[TypeDef]) -> Function:
    params = tuple(Param(n, draw(value_types(named, borrow=True))) for n in draw(SOME_LABELS))
    result = draw(st.none() | value_types(named, borrow=False))
    is_async, docs, stability = draw(st.booleans()), draw(DOCS), draw(GATES)
    return Function(name=name, params=params, result=result, is_async=is_async, docs=docs, stability=stability)


@st.composite
def resource_functions(draw: st.DrawFn, resource: TypeDef, named: Sequence[TypeDef]) -> list[Function]:
    made: list[Function] = []
    if draw(st.booleans()) and resource.name != "constructor":
        own: Type = OwnType(resource)
        result = draw(st.sampled_from([own, ResultType(own, None), ResultType(own, Primitive.STRING)]))
        function = draw(functions("constructor", named))
        kind = FunctionKind.CONSTRUCTOR
        made.append(dataclasses.replace(function, kind=kind, resource=resource.name, result=result, is_async=False))
    for name in [n for n in draw(SOME_LABELS) if n.lower() != resource.name.lower()]:
        function = draw(functions(name, named))
        kind = draw(st.sampled_from([FunctionKind.METHOD, FunctionKind.STATIC]))
        receiver = (Param("self", BorrowType(resource)),) if kind is FunctionKind.METHOD else ()
        params = tuple(p for p in function.params if p.name != "self")
        made.append(dataclasses.replace(function, kind=kind, resource=resource.name, params=receiver + params))
    return made


@st.composite
def interfaces(draw: st.DrawFn, name: InterfaceName, item: str, earlier: Sequence[Interface]) -> Interface:
    names = draw(st.lists(st.sampled_from(NAMES), max_size=6, unique_by=str.lower))
    others = [t for i in earlier for t in i.types]
    types: list[TypeDef] = []
    made: list[Function] = []
    kinds = [draw(st.sampled_from(["use", "type", "function"])) for _ in names]
    for label, kind in sorted(zip(names, kinds, strict=True), key=lambda pair: pair[1] != "use"):
        docs, stability = draw(DOCS), draw(GATES)
        if kind == "use" and others:
            used = draw(st.sampled_from(others))
            types.append(TypeDef(name=label, owner=name, owner_item=item, body=used, stability=stability))
        elif kind == "type":
            body = draw(bodies(types))
            typedef = TypeDef(name=label, owner=name, owner_item=item, body=body, docs=docs, stability=stability)
            types.append(typedef)
            if isinstance(body, ResourceType):
                made += draw(resource_functions(typedef, types))
        else:
            made.append(draw(functions(label, types)))
    docs, stability = draw(DOCS), draw(GATES)
    return Interface(
        name=name, inline_name=item, types=tuple(types), functions=tuple(made), docs=docs, stability=stability
    )


@st.composite
def worlds(draw: st.DrawFn, name: InterfaceName, named: Sequence[Interface]) -> World:
    """A world as elaboration leaves it: all interfaces imported, then uses and types, functions, resource functions."""
    imports: list[WorldItem] = [WorldInterface(interface=i, docs=draw(DOCS), stability=draw(GATES)) for i in named]
    inline, *plain = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique_by=str.lower))
    interface = draw(interfaces(name, inline, named))
    imports.append(WorldInterface(interface=interface, stability=interface.stability))
    own = draw(interfaces(name, "", named))
    taken = {n.lower() for n in (inline, *plain)}
    if not taken.isdisjoint(t.name.lower() for t in own.types):
        own = dataclasses.replace(own, types=(), functions=())
    free = [draw(functions(label, own.types)) for label in plain]
    middle = draw(st.integers(0, len(free)))
    methods = [f for f in own.functions if f.kind is not FunctionKind.FREE]
    uses = [t for t in own.types if isinstance(t.body, TypeDef) and t.body.owner != name]
    imports += [*uses, *(t for t in own.types if t not in uses), *free[:middle], *methods]
    return World(name=name, imports=tuple(imports), exports=tuple(free[middle:]), docs=draw(DOCS))


@st.composite
def resolutions(draw: st.DrawFn) -> Resolution:
    made: list[Interface] = []
    item_names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique_by=str.lower))
    *interface_names, world_name = item_names
    for name in interface_names:
        made.append(draw(interfaces(InterfaceName(PACKAGE, name), "", made)))
    world = draw(worlds(InterfaceName(PACKAGE, world_name), made))
    package = Package(name=PACKAGE, interfaces=tuple(made), worlds=(world,), docs=draw(DOCS))
    return Resolution(packages=(package,), main=(PACKAGE,))


def unwritten(resolution: Resolution) -> Resolution:
    """Without the places where a text has the items of a world, by which they are numbered."""
    packages = [
        dataclasses.replace(package, worlds=tuple(dataclasses.replace(world, origins=None) for world in package.worlds))
        for package in resolution.packages
    ]
    return dataclasses.replace(resolution, packages=tuple(packages))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(resolutions())
def test_parse_inverts_print(resolution: Resolution) -> None:
    text = print_resolution(resolution)
    loaded = resolve_sources([SourceFile("printed.wit", text)])
    assert loaded.resolution is not None, render(loaded.diagnostics) + text
    assert loaded.resolution == resolution
    assert to_json(unwritten(loaded.resolution)) == to_json(resolution)
    assert print_resolution(loaded.resolution) == text
