"""The reference's JSON: its shape, and the order in which things get their index."""

from __future__ import annotations

from typing import Any

import pytest

from obelisk.codegen.emit.wit_json import to_json
from obelisk.codegen.model.items import Function, Interface, Package, Param, Resolution, World, WorldInterface
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import (
    FixedListType,
    ListType,
    MapType,
    OwnType,
    Primitive,
    ResourceType,
    StreamType,
    TupleType,
    Type,
    TypeDef,
)
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile

Json = Any  # indexed freely


def of_text(text: str) -> Json:
    resolution = resolve_sources([SourceFile("t.wit", text)], all_features=True).resolution
    assert resolution is not None
    return to_json(resolution)


def kinds(document: Json) -> list[object]:
    return [t["name"] or t["kind"] for t in document["types"]]


def test_nothing() -> None:
    assert to_json(Resolution()) == {"worlds": [], "interfaces": [], "types": [], "packages": []}


def test_parts_come_before_the_whole_and_once() -> None:
    document = of_text("""package a:b;
      interface i { record r { x: list<option<u8>>, y: list<option<u8>> } f: func(x: list<option<u8>>) -> tuple<r, r>; }
      interface j { g: func() -> list<option<u8>>; }""")
    assert kinds(document) == [{"option": "u8"}, {"list": 0}, "r", {"tuple": {"types": [2, 2]}}]
    assert document["interfaces"][1]["functions"]["g"]["result"] == 1


def test_handles_are_made_where_a_value_is_meant() -> None:
    document = of_text("""package a:b;
      interface i { type l = list<r>; resource r { constructor(); m: func(); } type alias = r; type o = own<r>;
        f: func(x: alias, y: r) -> borrow-free; type borrow-free = u8; }""")
    assert kinds(document) == [
        "r",
        {"handle": {"own": 0}},
        "l",
        "alias",
        "o",
        "borrow-free",
        {"handle": {"borrow": 0}},
        {"handle": {"own": 3}},
    ]
    functions = document["interfaces"][0]["functions"]
    assert functions["[constructor]r"] == {
        "name": "[constructor]r",
        "kind": {"constructor": 0},
        "params": [],
        "result": 1,
    }
    assert functions["[method]r.m"]["params"] == [{"name": "self", "type": 6}]
    assert [p["type"] for p in functions["f"]["params"]] == [7, 1]


def test_docs_gates_and_external_ids() -> None:
    document = of_text("""/// The package.
      package a:b@1.0.0;
      /// An interface.
      @since(version = 1.0.0)
      interface i {
        /// Some flags.
        @unstable(feature = x) @deprecated(version = 0.9.0)
        flags fs {
          /// First.
          a }
        @external-id("e") f: func(x: option<fs>);
      }
      world w {
        /// Statement.
        @since(version = 0.1.0)
        import i;
        @external-id("l") import other: i;
      }""")
    gate = {"unstable": {"feature": "x", "deprecated": "0.9.0"}}
    assert document["packages"][0]["docs"] == {"contents": "The package."}
    assert document["interfaces"][0]["stability"] == {"stable": {"since": "1.0.0"}}
    flags, option = document["types"]
    assert flags == {
        "name": "fs",
        "kind": {"flags": {"flags": [{"name": "a", "docs": {"contents": "First."}}]}},
        "owner": {"interface": 0},
        "docs": {"contents": "Some flags."},
        "stability": gate,
    }
    assert option == {"name": None, "kind": {"option": 0}, "owner": None, "stability": gate}
    assert document["interfaces"][0]["functions"]["f"]["external_id"] == "e"
    statement = {"id": 0, "stability": {"stable": {"since": "0.1.0"}}, "docs": {"contents": "Statement."}}
    assert document["worlds"][0]["imports"] == {
        "interface-0": {"interface": statement},
        "other": {"interface": {"id": 0, "external_id": "l"}},
    }


def test_worlds() -> None:
    document = of_text("""package a:b;
      interface i { type t = u8; }
      world w {
        use i.{t};
        resource r { constructor(); m: func(x: list<t>); }
        import f: async func(x: r);
        import inner: interface { use i.{t}; g: func() -> option<t>; }
        export h: func() -> list<t>;
        export i;
      }""")
    own, borrow = {"handle": {"own": 2}}, {"handle": {"borrow": 2}}
    assert kinds(document) == ["t", "t", "r", borrow, {"list": 1}, "t", {"option": 5}, own]
    assert [t["owner"] for t in document["types"] if t["name"]] == [
        {"interface": 0},
        {"world": 0},
        {"world": 0},
        {"interface": 1},
    ]
    (world,) = document["worlds"]
    assert list(world["imports"]) == ["interface-0", "inner", "t", "r", "f", "[constructor]r", "[method]r.m"]
    assert list(world["exports"]) == ["h", "interface-0"]
    assert world["imports"]["r"] == {"type": 2}
    assert world["imports"]["f"]["function"]["kind"] == "async-freestanding"
    assert document["interfaces"][1]["name"] is None
    assert document["packages"] == [{"name": "a:b", "interfaces": {"i": 0}, "worlds": {"w": 0}}]


A, B, W = (InterfaceName.parse(f"a:b/{name}") for name in "ijw")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (FixedListType(Primitive.U8, 4), {"fixed-length-list": ["u8", 4]}),
        (MapType(Primitive.STRING, Primitive.U8), {"map": ["string", "u8"]}),
        (StreamType(None), {"stream": None}),
        (TupleType((Primitive.U8,)), {"tuple": {"types": ["u8"]}}),
        (Primitive.CHAR, {"type": "char"}),
    ],
)
@pytest.mark.parametrize("decoded", [False, True])
def test_kinds(body: Type, kind: object, decoded: bool) -> None:
    interface = Interface(name=A, types=(TypeDef(name="t", owner=A, body=body),))
    resolution = Resolution(packages=(Package(name=A.package, interfaces=(interface,)),), main=(A.package,))
    document: Json = to_json(resolution, decoded=decoded)
    assert document["types"] == [{"name": "t", "kind": kind, "owner": {"interface": 0}}]


def decoded_example() -> Resolution:
    resource = TypeDef(name="r", owner=A, body=ResourceType())
    alias = TypeDef(name="r", owner=B, body=resource)
    shared = ListType(OwnType(alias))
    functions = (
        Function(name="f", params=(Param("x", shared), Param("y", shared))),
        Function(name="g", result=ListType(OwnType(alias))),
    )
    base = Interface(name=A, types=(resource,), functions=(Function(name="h"),))
    user = Interface(name=B, types=(alias,), functions=functions)
    world = World(name=W, imports=(WorldInterface(interface=user),), exports=(WorldInterface(interface=base),))
    return Resolution(packages=(Package(name=A.package, interfaces=(user, base), worlds=(world,)),), main=(A.package,))


def test_decoded_types_are_one_only_where_the_binary_has_one() -> None:
    document: Json = to_json(decoded_example(), decoded=True)
    own = {"handle": {"own": 1}}
    assert kinds(document) == ["r", "r", own, {"list": 2}, own, {"list": 4}]
    assert [i["name"] for i in document["interfaces"]] == ["i", "j"]
    functions = document["interfaces"][1]["functions"]
    assert [p["type"] for p in functions["f"]["params"]] == [3, 3]
    assert functions["g"]["result"] == 5


def test_interfaces_that_use_each_other_are_no_endless_loop() -> None:
    one = TypeDef(name="t", owner=A, body=Primitive.U8)
    two = TypeDef(name="u", owner=B, body=one)
    three = TypeDef(name="v", owner=A, body=two)
    interfaces = (Interface(name=A, types=(three, one)), Interface(name=B, types=(two,)))
    resolution = Resolution(packages=(Package(name=A.package, interfaces=interfaces),), main=(A.package,))
    document: Json = to_json(resolution, decoded=True)
    assert sorted(t["name"] for t in document["types"]) == ["t", "u", "v"]
    assert len({id(t) for t in document["types"]}) == 3


def test_a_type_of_an_inline_interface_can_be_met_before_it() -> None:
    inner = TypeDef(name="t", owner=W, owner_item="inner", body=Primitive.U8)
    used = TypeDef(name="u", owner=A, body=inner)
    inline = Interface(name=W, inline_name="inner", types=(inner,))
    named = Interface(name=A, types=(used,))
    world = World(name=W, imports=(WorldInterface(interface=named),), exports=(WorldInterface(interface=inline),))
    resolution = Resolution(
        packages=(Package(name=A.package, worlds=(world,)), Package(name=PackageName("x", "y"), interfaces=(named,))),
        main=(A.package,),
    )
    document: Json = to_json(resolution, decoded=True)
    assert [(t["name"], t["owner"]) for t in document["types"]] == [("t", {"interface": 1}), ("u", {"interface": 0})]


def test_equal_copies_of_a_type_have_one_index() -> None:
    declared = TypeDef(name="t", owner=A, body=ListType(Primitive.U8))
    copy = TypeDef(name="t", owner=A, body=ListType(Primitive.U8))
    interface = Interface(name=A, types=(declared,), functions=(Function(name="f", result=copy),))
    resolution = Resolution(packages=(Package(name=PackageName("a", "b"), interfaces=(interface,)),))
    document: Json = to_json(resolution)
    assert document["interfaces"][0]["functions"]["f"]["result"] == 0


def test_an_export_that_is_written_before_an_import_gets_its_types_first() -> None:
    document = of_text(
        """package a:b;
        world w {
          export x: interface { record r { a: u8 } }
          import y: interface { record q { a: u8 } }
          import f: func(l: list<u8>);
          resource z { m: func(l: list<u16>); }
        }"""
    )
    assert [t["name"] for t in document["types"]] == ["z", "r", "q", None, None, None]
    assert document["worlds"][0]["exports"] == {"x": {"interface": {"id": 0}}}
    assert document["worlds"][0]["imports"]["y"] == {"interface": {"id": 1}}


def test_each_include_brings_copies_after_what_the_world_writes() -> None:
    document = of_text(
        """package a:b;
        world base { resource r { m: func(); } import f: func(x: r) -> option<r>; }
        world w { include base with { r as s } import g: func(l: list<u8>); }"""
    )
    kinds_of_w = kinds(document)[4:]
    assert kinds_of_w[0] == {"list": "u8"}
    assert kinds_of_w[1:] == [
        "s",
        {"handle": {"own": 5}},
        {"option": 6},
        {"handle": {"borrow": 5}},
    ]
