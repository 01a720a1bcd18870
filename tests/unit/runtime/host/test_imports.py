"""Which components are refused for what they import, and what of the offer is linked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.types import FixedListType, Primitive
from obelisk.runtime.errors import ComponentError, ImportRefused, Unsupported
from obelisk.runtime.host.component import Compiled, ComponentCache, to_binary
from obelisk.runtime.host.imports import is_wasi, match
from obelisk.runtime.host.instance import prepare
from obelisk.runtime.host.wasmtime.engine import Engine, workflow_settings
from obelisk.runtime.ports.guest import ExportFunction, ImportFunction, ImportResource, JsonValue

F = Function(name="f", params=(Param("n", Primitive.U8),))
G = Function(name="g")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(workflow_settings()) as engine:
        yield engine


def component(engine: Engine, *imports: str) -> Compiled:
    text = f"(component {' '.join(f'(import {item})' for item in imports)})"
    return ComponentCache(engine, None).compile(to_binary(text.encode()))


def offer(interface: str, function: Function = F) -> ImportFunction:
    def handler(_context: object, _args: list[JsonValue]) -> JsonValue:
        return None

    return ImportFunction(interface=interface, function=function, handler=handler)


def instance(name: str, *functions: str) -> str:
    exports = " ".join(f'(export "{f}" (func (param "n" u8)))' for f in functions)
    return f'"{name}" (instance {exports})'


def test_only_what_is_imported_is_linked(engine: Engine) -> None:
    compiled = component(engine, instance("a:b/c@1.0.0", "f"), instance("a:b/empty@1.0.0"))
    offers = [offer("a:b/c@1.0.0"), offer("a:b/c@1.0.0", G), offer("a:b/other@1.0.0")]
    links = match(compiled, offers, [], wasi=False)
    assert [(link.instance, link.functions) for link in links] == [
        ("a:b/c@1.0.0", (offers[0],)),
        ("a:b/empty@1.0.0", ()),
    ]


def test_versions_match_exactly_or_compatibly(engine: Engine) -> None:
    compiled = component(engine, instance("a:b/c@1.2.0", "f"))
    old, exact, newer = (offer(f"a:b/c@{version}") for version in ("1.0.0", "1.2.0", "1.3.0"))
    assert match(compiled, [exact, newer], [], wasi=False)[0].functions == (exact,)
    assert match(compiled, [old], [], wasi=False)[0].functions == (old,)
    for wrong in ("a:b/c@2.0.0", "a:b/c", "a:b/d@1.2.0", "x:b/c@1.2.0"):
        with pytest.raises(ImportRefused):
            match(compiled, [offer(wrong)], [], wasi=False)


def test_every_missing_import_is_named(engine: Engine) -> None:
    compiled = component(
        engine,
        instance("a:b/known@1.0.0", "f", "g", "h"),
        instance("a:b/unknown@1.0.0", "f"),
        instance("wasi:clocks/wall-clock@0.2.0", "now"),
        '"plain" (func)',
        '"module" (core module)',
    )
    with pytest.raises(ImportRefused) as caught:
        prepare(compiled, exports=[], imports=[offer("a:b/known@1.0.0")])
    assert caught.value.code == "import_unknown"
    assert caught.value.fields["imports"] == [
        "a:b/known@1.0.0.g",
        "a:b/known@1.0.0.h",
        "a:b/unknown@1.0.0",
        "wasi:clocks/wall-clock@0.2.0",
        "plain",
        "module",
    ]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("wasi:cli/stdout@0.2.0", True),
        ("wasi:sockets/tcp@0.2.9", True),
        ("wasi:http/outgoing-handler@0.2.0", False),
        ("wasi:http/types@0.2.9", False),
        ("wasi:cli/stdout@0.3.0", False),
        ("wasi:cli/stdout", False),
        ("wasi:keyvalue/store@0.2.0", False),
    ],
)
def test_native_wasi_is_what_it_is(engine: Engine, name: str, known: bool) -> None:
    assert is_wasi(name) == known
    compiled = component(engine, instance(name, "f"))
    if known:
        assert match(compiled, [], [], wasi=True) == ()
    else:
        with pytest.raises(ImportRefused, match=name):
            prepare(compiled, exports=[], wasi=True)


def test_types_need_nothing_from_the_host(engine: Engine) -> None:
    map_ = '(type $t (map string u8)) (export "t" (type (eq $t)))'
    record = '(type $r (record (field "a" u8))) (export "r" (type (eq $r)))'
    compiled = component(engine, f'"a:b/types@1.0.0" (instance {map_} {record})')
    assert match(compiled, [], [], wasi=False)[0].functions == ()
    prepare(compiled, exports=[])


def test_resources_are_defined_where_they_are_owned(engine: Engine) -> None:
    compiled = component(engine, '"a:b/r@1.0.0" (instance (export "r" (type (sub resource))))')
    owned = ImportResource(interface="a:b/r@1.0.0", name="r", dropped=lambda _context, _rep: None)
    assert match(compiled, [], [owned], wasi=False)[0].resources == (owned,)
    with pytest.raises(ImportRefused, match=r"a:b/r@1\.0\.0"):
        match(compiled, [], [], wasi=False)


def test_missing_exports_and_impossible_types_are_refused(engine: Engine) -> None:
    compiled = component(engine, instance("a:b/c@1.0.0", "f"))
    with pytest.raises(ComponentError, match=r"does not export x:y/z\.f"):
        prepare(compiled, exports=[ExportFunction(interface="x:y/z", function=F)], imports=[offer("a:b/c@1.0.0")])
    fixed = Function(name="f", params=(Param("n", FixedListType(Primitive.U8, 2)),))
    with pytest.raises(Unsupported, match="list<u8, 2>"):
        prepare(compiled, exports=[], imports=[offer("a:b/c@1.0.0", fixed)])
