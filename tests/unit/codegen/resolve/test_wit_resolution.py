"""The resolved model of accepted WIT, looked at from close; broader cases are files (`test_wit_cases.py`)."""

from __future__ import annotations

from obelisk.codegen.diagnostics import render
from obelisk.codegen.model.items import (
    Function,
    FunctionKind,
    Interface,
    Param,
    Resolution,
    World,
    WorldInterface,
    world_key,
)
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import (
    BorrowType,
    ListType,
    OptionType,
    OwnType,
    Primitive,
    ResourceType,
    ResultType,
    Stability,
    TypeDef,
    definition,
)
from obelisk.codegen.resolve.resolver import Loaded, resolve_sources
from obelisk.codegen.source import SourceFile


def load(text: str, *deps: str, features: frozenset[str] = frozenset(), all_features: bool = False) -> Loaded:
    files = [[SourceFile(f"dep{n}.wit", dep)] for n, dep in enumerate(deps)]
    return resolve_sources([SourceFile("main.wit", text)], files, features=features, all_features=all_features)


def resolve(text: str, *deps: str, features: frozenset[str] = frozenset()) -> Resolution:
    loaded = load(text, *deps, features=features)
    assert loaded.resolution is not None, render(loaded.diagnostics)
    assert loaded.diagnostics == ()
    return loaded.resolution


def codes(text: str, *deps: str) -> list[str]:
    loaded = load(text, *deps)
    assert (loaded.resolution is None) == any(d.is_error for d in loaded.diagnostics)
    return [d.code for d in loaded.diagnostics]


def interface(resolution: Resolution, name: str) -> Interface:
    found = resolution.interface(InterfaceName.parse(name))
    assert found is not None
    return found


def world(resolution: Resolution, name: str) -> World:
    found = resolution.world(InterfaceName.parse(name))
    assert found is not None
    return found


def test_names_and_order_of_packages() -> None:
    text = """package z:main@1.0.0;
    interface i { use b:dep/i.{t}; }
    package a:nested { interface j { use z:main/i@1.0.0.{t}; } }"""
    resolution = resolve(text, "package b:dep; interface i { type t = u8; }", "package a:alone;")
    names = [str(package.name) for package in resolution.packages]
    assert names == ["a:alone", "b:dep", "z:main@1.0.0", "a:nested"]
    assert resolution.main == (PackageName("a", "nested"), PackageName("z", "main", "1.0.0"))  # the root is the last
    assert len(load(text).sources) == 1


def test_used_types_are_aliases_of_the_same_object() -> None:
    resolution = resolve(
        "package a:b; interface i { record r { x: u8 } } interface j { use i.{r as s}; f: func() -> s; }"
    )
    (original,) = interface(resolution, "a:b/i").types
    (alias,) = interface(resolution, "a:b/j").types
    assert (alias.name, alias.body is original, alias.owner.name) == ("s", True, "j")
    (function,) = interface(resolution, "a:b/j").functions
    assert function.result is alias


def test_resources() -> None:
    text = """package a:b;
    interface i {
      resource r { constructor(x: u8); m: func(o: borrow<q>) -> r; s: static func() -> own<q>; }
      type q = r;
      f: func(x: option<q>);
      resource t { constructor() -> result<t, string>; }
    }"""
    i = interface(resolve(text), "a:b/i")
    r, q, t = i.types
    assert (r.body, q.body, definition(q)) == (ResourceType(), r, r)
    names = [function.export_name for function in i.functions]
    assert names == ["[constructor]r", "[method]r.m", "[static]r.s", "f", "[constructor]t"]
    constructor, method, static, free, fallible = i.functions
    assert (constructor.kind, constructor.result) == (FunctionKind.CONSTRUCTOR, OwnType(r))
    assert method.params == (Param("self", BorrowType(r)), Param("o", BorrowType(q)))
    assert (method.result, static.result) == (OwnType(r), OwnType(q))
    assert (static.params, static.resource) == ((), "r")
    assert free.params == (Param("x", OptionType(OwnType(q))),)
    assert fallible.result == ResultType(OwnType(t), Primitive.STRING)


def test_types_stand_before_their_users() -> None:
    text = (
        "package a:b; interface i { type c = list<b>; type b = a; use j.{z}; type a = z; } interface j { type z = u8; }"
    )
    resolution = resolve(text)
    assert [i.name.name for i in resolution.packages[0].interfaces] == ["j", "i"]
    assert [t.name for t in interface(resolution, "a:b/i").types] == ["z", "a", "b", "c"]


def test_docs_and_gates() -> None:
    text = """/// P.
    package a:b@1.0.0;
    /// I.
    @since(version = 1.0.0)
    @deprecated(version = 1.0.0)
    interface i {
      /// T.
      @unstable(feature = x)
      type t = u8;
      @unstable(feature = y)
      type u = u8;
    }
    /// W.
    world w {
      /// S.
      import i;
    }"""
    resolution = resolve(text, features=frozenset({"x"}))
    i, w = interface(resolution, "a:b/i@1.0.0"), world(resolution, "a:b/w@1.0.0")
    (item,) = w.imports
    assert isinstance(item, WorldInterface)
    assert (resolution.packages[0].docs, i.docs, i.types[0].docs, w.docs, item.docs) == ("P.", "I.", "T.", "W.", "S.")
    assert i.stability == Stability(since="1.0.0", deprecated="1.0.0")
    assert [(t.name, t.stability) for t in i.types] == [("t", Stability(feature="x"))]
    everything = load(text, all_features=True).resolution
    assert everything is not None
    assert len(interface(everything, "a:b/i@1.0.0").types) == 2


def test_what_is_left_out_need_not_be_in_another_package() -> None:
    text = """package a:b@1.0.0;
    interface i {
      @unstable(feature = x) use c:d/i.{none};
      @unstable(feature = x) use c:d/none.{none as n2};
      @unstable(feature = x) use c:d/v.{none as n3};
      @unstable(feature = x) use j.{gated};
    }
    interface j { @unstable(feature = x) type gated = u8; }
    world w {
      @unstable(feature = x) import c:d/none;
      @unstable(feature = x) import c:d/v;
      @unstable(feature = x) include c:d/none;
      @unstable(feature = x) include c:d/i;
    }"""
    dep = "package c:d; interface i {} world v {}"
    resolution = resolve(text, dep)
    assert interface(resolution, "a:b/i@1.0.0").types == ()
    assert world(resolution, "a:b/w@1.0.0").imports == ()
    selected = load(text, dep, features=frozenset({"x"}))
    assert {d.code for d in selected.diagnostics} == {"unknown-type", "unknown-name", "not-an-interface", "not-a-world"}
    assert codes("package a:b; interface i { @unstable(feature = x) use c:d/i.{t}; }") == ["unknown-package"]
    assert codes("package a:b; interface i { @unstable(feature = x) use j.{t}; }") == ["unknown-name"]


def test_a_world_is_completed_and_ordered() -> None:
    text = """package a:b;
    interface i { resource r; }
    interface j { use i.{r}; }
    world w {
      import f: func(x: t);
      resource q { m: func(); }
      type t = u8;
      import j;
      use i.{r};
      export g: async func();
      export inner: interface { h: func(); }
      export j;
    }"""
    w = world(resolve(text), "a:b/w")
    assert [world_key(item) for item in w.imports] == ["a:b/i", "a:b/j", "r", "q", "t", "f", "[method]q.m"]
    assert [world_key(item) for item in w.exports] == ["g", "inner", "a:b/j"]
    inner = w.exports[1]
    assert isinstance(inner, WorldInterface)
    assert (inner.interface.name, inner.interface.inline_name) == (w.name, "inner")


def test_labels() -> None:
    text = (
        'package a:b; interface i { resource r; } world w { @external-id("e") import one: i; import two: i; export i; }'
    )
    w = world(resolve(text), "a:b/w")
    assert [world_key(item) for item in w.imports] == ["one", "two"]
    assert [item.external_id for item in w.imports] == ["e", ""]
    assert world_key(w.exports[0]) == "a:b/i"


def test_include_gives_types_to_the_new_world() -> None:
    text = """package a:b;
    world base {
      resource r { constructor(); m: func(); }
      record pair { a: r, b: list<u8> }
      import f: func(p: borrow<r>) -> pair;
      import plain: func(x: list<u8>);
      import x: interface { variant v { one(option<v2>), two } type v2 = u8; g: func() -> v; }
    }
    world w { include base with { r as s, f as h, x as y } }"""
    resolution = resolve(text)
    base, w = world(resolution, "a:b/base"), world(resolution, "a:b/w")
    assert [world_key(item) for item in w.imports] == ["y", "s", "pair", "h", "plain", "[constructor]s", "[method]s.m"]
    inner, s, pair, h, plain, constructor, method = w.imports
    assert isinstance(inner, WorldInterface)
    assert isinstance(s, TypeDef)
    assert isinstance(pair, TypeDef)
    assert isinstance(h, Function)
    assert isinstance(constructor, Function)
    assert isinstance(method, Function)
    assert (s.owner, pair.owner) == (w.name, w.name)
    assert h.params == (Param("p", BorrowType(s)),)
    assert h.result is pair
    assert (constructor.result, method.params) == (OwnType(s), (Param("self", BorrowType(s)),))
    assert plain in base.imports
    assert (inner.interface.name, inner.interface.inline_name) == (w.name, "y")
    assert {(t.owner, t.owner_item) for t in inner.interface.types} == {(w.name, "y")}
    (g,) = inner.interface.functions
    assert g.result is inner.interface.types[-1]


def test_every_type_is_copied_on_include() -> None:
    text = """package a:b;
    interface i { type k = u8; }
    world base {
      type t = u8;
      use i.{k};
      enum e { x }
      flags f { y }
      type lists = tuple<list<t>, list<t, 2>, map<string, t>>;
      type choices = tuple<option<t>, result<t, t>, result>;
      type later = tuple<stream<t>, future<t>, stream, error-context>;
      import g: func(a: lists, b: choices, c: later, d: e, h: f, j: k);
    }
    world w { include base; }"""
    resolution = resolve(text)
    owners = {item.owner for item in world(resolution, "a:b/w").imports if isinstance(item, TypeDef)}
    assert owners == {InterfaceName.parse("a:b/w")}
    assert "name='base'" in repr(world(resolution, "a:b/base").imports)
    assert "name='base'" not in repr(world(resolution, "a:b/w").imports)


def test_include_across_packages_drops_foreign_versions() -> None:
    dep = "package c:d@2.0.0; @since(version = 1.0.0) interface i {} world v { @since(version = 1.5.0) import i; }"
    w = world(resolve("package a:b@0.1.0; world w { include c:d/v@2.0.0; }", dep), "a:b/w@0.1.0")
    assert [item.stability for item in w.imports] == [Stability()]


def test_the_same_interface_included_twice_is_one() -> None:
    text = """package a:b@1.0.0;
    interface i {}
    world one { import i; }
    world two { @since(version = 1.0.0) import i; }
    world w { include one; include two; include one; }
    world v { import i; include two; }"""
    resolution = resolve(text)
    for name in ("a:b/w@1.0.0", "a:b/v@1.0.0"):
        (item,) = world(resolution, name).imports
        assert item.stability == Stability(since="1.0.0")


def test_decoded_packages_are_used_as_they_are() -> None:
    decoded = resolve("package c:d; interface i { resource r; f: func(); } world v { import i; }")
    text = (
        "package a:b; interface j { use c:d/i.{r}; g: func(x: borrow<r>) -> r; } world w { include c:d/v; export j; }"
    )
    loaded = resolve_sources([SourceFile("m", text)], decoded=[decoded, decoded])
    assert loaded.resolution is not None, render(loaded.diagnostics)
    assert [p.name.name for p in loaded.resolution.packages] == ["d", "b"]
    assert loaded.resolution.main == (PackageName("a", "b"),)
    wrong = "package a:b; interface j { use c:d/i.{f, q}; } world w { import c:d/v; }"
    refused = resolve_sources([SourceFile("m", wrong)], decoded=[decoded])
    assert [d.code for d in refused.diagnostics] == ["not-a-type", "unknown-type", "not-an-interface"]
    again = resolve_sources([SourceFile("m", "package c:d;")], decoded=[decoded])
    assert [d.code for d in again.diagnostics] == ["duplicate-package"]


def test_what_a_binary_repeats_of_others_gives_way_to_their_text() -> None:
    decoded = resolve("package c:d; interface i { use e:f/i.{t}; }", "package e:f; interface i { type t = u8; }")
    text = "package a:b; interface j { use e:f/i.{u}; use c:d/i.{t}; }"
    dep = [SourceFile("dep", "package e:f; interface i { type t = u8; type u = u8; }")]
    loaded = resolve_sources([SourceFile("m", text)], [dep], decoded=[decoded])
    assert loaded.resolution is not None, render(loaded.diagnostics)
    assert len([p for p in loaded.resolution.packages if p.name.name == "f"]) == 1


def test_the_same_package_in_two_places_counts_once_when_it_is_the_same() -> None:
    dep = "package c:d; interface i {}"
    assert len(resolve("package a:b;", dep, dep).packages) == 2
    assert codes("package a:b;", dep, dep + " ") == ["duplicate-package"]
    main = "package a:b; interface i {}"
    assert resolve(main, main).main == (PackageName("a", "b"),)


def test_a_list_of_lists() -> None:
    i = interface(resolve("package a:b; interface i { f: func() -> list<list<string>>; }"), "a:b/i")
    assert i.functions[0].result == ListType(ListType(Primitive.STRING))
