"""Packages, interfaces and worlds as canonical text that reads back as what was printed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

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
)
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import BorrowType, OwnType, Primitive, RecordType, ResourceType, TypeDef
from obelisk.codegen.resolve.load import load
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax.printer import print_package, print_resolution

CASES = Path(__file__).resolve().parents[3] / "cases" / "wit"


def read(text: str) -> Resolution:
    loaded = resolve_sources([SourceFile("printed.wit", text)], all_features=True)
    assert loaded.resolution is not None, render(loaded.diagnostics) + text
    return loaded.resolution


CANONICAL = """\
/// What this is.
package demo:canon@1.2.0;

/// Some types.
@since(version = 1.0.0)
interface types {
  /// A point.
  ///
  /// In the plane.
  record point {
    /// Across.
    x: s32,
    y: s32,
  }

  variant shape {
    empty,
    dot(point),
  }

  enum %enum {
    a,
    %list,
  }

  @unstable(feature = fancy)
  @deprecated(version = 1.1.0)
  flags marks {
    bold,
  }

  type points = list<point>;
  type other = points;

  resource canvas {
    constructor(size: u32);
    draw: async func(what: shape) -> result<_, string>;

    /// Opens one.
    open: static func(name: string) -> option<canvas>;
  }

  type handle = own<canvas>;
}

interface api {
  use types.{point, shape as form};

  @since(version = 1.1.0)
  use types.{canvas};

  first: func();

  resource viewer {
    constructor() -> result<viewer, string>;
    show: func(c: borrow<canvas>);
  }

  last: func(v: viewer, c: canvas) -> point;
}

interface nothing {}

world all {
  import types;
  import nothing;

  import inside: interface {
    use types.{point};

    at: func(p: point);
  }

  use types.{canvas};

  resource local {
    m: func();
  }

  import log: func(text: string);

  export run: func(c: canvas) -> local;
  export again: types;
}

world none {}
"""


def test_canonical_text_is_a_fixed_point() -> None:
    resolution = read(CANONICAL)
    (package,) = resolution.packages
    assert print_package(package) == CANONICAL
    assert print_resolution(resolution) == CANONICAL


@pytest.mark.parametrize(
    "case", sorted(p for p in CASES.iterdir() if p.suffix == ".wit" or p.is_dir()), ids=lambda p: p.name
)
def test_cases_read_back_as_they_were(case: Path) -> None:
    resolution = load([case], all_features=True).resolution
    assert resolution is not None
    text = print_resolution(resolution)
    again = read(text)
    assert by_name(again) == by_name(resolution)
    assert to_json(by_order(again)) == to_json(by_order(resolution))
    assert print_resolution(again) == text


def by_name(resolution: Resolution) -> list[Package]:
    return sorted(resolution.packages, key=lambda package: package.name)


def by_order(resolution: Resolution) -> Resolution:
    """The packages in an order that does not depend on the file they come from, their worlds without `origins`: printed
    worlds are elaborated, so what an include brought is written there."""
    order: dict[PackageName, Package] = {}

    def add(package: Package) -> None:
        used = {t.body.owner.package for i in package.interfaces for t in i.types if isinstance(t.body, TypeDef)}
        items = [item for world in package.worlds for item in world.imports + world.exports]
        used |= {item.interface.name.package for item in items if isinstance(item, WorldInterface)}
        for name in sorted(used - {package.name}):
            found = resolution.package(name)
            assert found is not None
            add(found)
        worlds = tuple(dataclasses.replace(world, origins=None) for world in package.worlds)
        order.setdefault(package.name, dataclasses.replace(package, worlds=worlds))

    for package in by_name(resolution):
        add(package)
    return dataclasses.replace(resolution, packages=tuple(order.values()))


def test_several_packages_are_nested() -> None:
    text = """\
package a:main;

world w {
  import b:dep/types@1.0.0;
}

/// The other.
package b:dep@1.0.0 {
  interface types {
    type t = u8;
  }
}
"""
    assert print_resolution(read(text)) == text


def test_without_a_main_package_all_are_nested() -> None:
    packages = (Package(name=PackageName("a", "b")), Package(name=PackageName("c", "interface")))
    assert print_resolution(Resolution(packages=packages)) == "package a:b {\n}\n\npackage c:%interface {\n}\n"


A, B, W = (InterfaceName.parse(f"t:p/{name}") for name in "abw")
POINT = TypeDef(name="point", owner=A, body=RecordType(()))
RES = TypeDef(name="res", owner=A, body=ResourceType())


def test_types_of_others_that_were_not_used_get_a_use() -> None:
    alias = TypeDef(name="point", owner=B, body=Primitive.U8)
    params = (Param("p", POINT), Param("q", alias), Param("r", BorrowType(RES)))
    a = Interface(name=A, types=(POINT, RES))
    b = Interface(name=B, types=(alias,), functions=(Function(name="f", params=params, result=OwnType(RES)),))
    text = print_package(Package(name=A.package, interfaces=(a, b)))
    assert "use a.{point as point-2, res};" in text
    assert "f: func(p: point-2, q: point, r: borrow<res>) -> res;" in text


def test_types_of_worlds_can_not_be_used() -> None:
    own = TypeDef(name="t", owner=W, body=Primitive.U8)
    inline = TypeDef(name="t", owner=W, owner_item="i", body=own)
    interface = Interface(name=W, inline_name="i", types=(inline,))
    named = Interface(name=A, types=(TypeDef(name="t2", owner=A, body=inline),))
    world = World(name=W, imports=(WorldInterface(interface=interface), own))
    text = print_package(Package(name=W.package, interfaces=(named,), worlds=(world,)))
    assert text.count("type t = u8;") == 2
    assert "type t2 = u8;" in text


def test_exported_types_are_declared() -> None:
    own = TypeDef(name="r", owner=W, body=ResourceType())
    new = Function(name="constructor", kind=FunctionKind.CONSTRUCTOR, resource="r", result=OwnType(own))
    text = print_package(Package(name=W.package, worlds=(World(name=W, exports=(own, new)),)))
    assert text.endswith("world w {\n  resource r {\n    constructor();\n  }\n}\n")


def test_external_ids_and_labels() -> None:
    text = """\
package a:b;

interface store {
  @external-id("t")
  type t = u8;

  @external-id("x\\u{5c}y\\u{202e}")
  get: func();
}

world w {
  @external-id("//\\u{22}one")
  import one: store;

  import two: store;
}
"""
    resolution = read(text)
    assert resolution.packages[0].interfaces[0].functions[0].external_id == "x\\y\u202e"
    assert print_resolution(resolution) == text


@pytest.mark.parametrize(
    "docs", ["a", "a\n  b", "\n * Block.\n * More.", "\ttab", "/// slashes", "* star", "a\n\nb", "é"]
)
def test_docs_read_back(docs: str) -> None:
    function = Function(name="f", docs=docs)
    text = print_package(Package(name=A.package, interfaces=(Interface(name=A, functions=(function,), docs=docs),)))
    (interface,) = read(text).packages[0].interfaces
    assert (interface.docs, interface.functions[0].docs) == (docs, docs)


UNCLEAN = [("  a\n  b", "a\nb"), ("a\x07\u202e", "a\ufffd\ufffd"), ("a\n\n", "a"), ("\n */ x", "\n*/ x")]


@pytest.mark.parametrize(("docs", "clean"), UNCLEAN)
def test_docs_that_no_text_can_hold(docs: str, clean: str) -> None:
    text = print_package(Package(name=A.package, interfaces=(Interface(name=A, docs=docs),)))
    assert read(text).packages[0].interfaces[0].docs == clean
