"""Syntax trees of what is right, and how parsing goes on after what is wrong."""

from __future__ import annotations

import pytest

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.model.items import FunctionKind
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.model.types import Primitive
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax import ast
from obelisk.codegen.syntax.parser import parse


def tree(text: str) -> ast.File:
    collector = Collector()
    file = parse(SourceFile("t.wit", text), collector)
    assert collector.ordered() == ()
    return file


def faulty(text: str) -> tuple[ast.File, list[str]]:
    collector = Collector()
    file = parse(SourceFile("t.wit", text), collector)
    return file, [d.message for d in collector.ordered()]


def interface(text: str) -> ast.Interface:
    (item,) = tree("package a:b;\ninterface i {\n" + text + "\n}").items
    assert isinstance(item, ast.Interface)
    return item


def world(text: str) -> ast.World:
    (item,) = tree("package a:b;\nworld w {\n" + text + "\n}").items
    assert isinstance(item, ast.World)
    return item


def target(text: str) -> ast.TypeExpr:
    (declaration,) = interface(f"type t = {text};").items
    assert isinstance(declaration, ast.TypeDeclaration)
    assert isinstance(declaration.body, ast.Alias)
    return declaration.body.target


# --- packages -------------------------------------------------------------------------------------------------------
def test_header() -> None:
    file = tree("/// Docs.\npackage a:b-c@1.2.3-rc.1+x;")
    assert file.header is not None
    assert file.header.name == PackageName("a", "b-c", "1.2.3-rc.1+x")
    assert (file.header.docs, file.header.span.text) == ("Docs.", "a:b-c@1.2.3-rc.1+x")
    assert file.header.docs_span is not None
    assert file.header.docs_span.text == "/// Docs."


def test_a_file_needs_no_header() -> None:
    assert tree("interface i {}").header is None
    assert tree("").items == ()


def test_a_nested_package_at_the_start_is_no_header() -> None:
    file = tree("package a:b { interface i {} package c:d {} } package e:f {}")
    first, second = file.items
    assert isinstance(first, ast.NestedPackage)
    assert isinstance(second, ast.NestedPackage)
    assert file.header is None
    assert (first.header.name, len(first.items)) == (PackageName("a", "b"), 2)


def test_top_level_use() -> None:
    use, other, local = tree("use a:b/c@1.0.0 as d; use a:b/c; use e;").items
    assert isinstance(use, ast.TopLevelUse)
    assert isinstance(other, ast.TopLevelUse)
    assert isinstance(local, ast.TopLevelUse)
    assert use.path.package is not None
    assert (use.path.package.name, use.local.text) == (PackageName("a", "b", "1.0.0"), "d")
    assert use.path.package.span.text == "a:b"
    assert (other.local.text, local.local.text, local.path.package) == ("c", "e", None)


# --- types ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("primitive", list(Primitive))
def test_primitives(primitive: Primitive) -> None:
    expression = target(primitive.value)
    assert isinstance(expression, ast.PrimitiveExpr)
    assert expression.primitive is primitive


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("list<u8>", "List(u8)"),
        ("list<u8, 12>", "List(u8, 12)"),
        ("list<u8, 007>", "List(u8, 7)"),
        ("option<%a-b>", "Option(a-b)"),
        ("tuple<u8, tuple<x>,>", "Tuple(u8, Tuple(x))"),
        ("tuple<>", "Tuple()"),
        ("map<string, option<u8>>", "Map(string, Option(u8))"),
        ("result", "Result(_, _)"),
        ("result<u8>", "Result(u8, _)"),
        ("result<_, u8>", "Result(_, u8)"),
        ("result<u8, x>", "Result(u8, x)"),
        ("stream", "Stream(_)"),
        ("stream<u8>", "Stream(u8)"),
        ("future", "Future(_)"),
        ("future<future>", "Future(Future(_))"),
        ("own<r>", "own r"),
        ("borrow<%r>", "borrow r"),
    ],
)
def test_type_expressions(text: str, shape: str) -> None:
    assert shape_of(target(text)) == shape


def shape_of(expression: ast.TypeExpr | None) -> str:
    match expression:
        case None:
            return "_"
        case ast.PrimitiveExpr(primitive):
            return primitive.value
        case ast.NamedExpr(name):
            return name.text
        case ast.HandleExpr(kind, name):
            return f"{kind} {name.text}"
        case ast.ListExpr(element, length):
            return f"List({shape_of(element)}{'' if length is None else f', {length}'})"
        case ast.OptionExpr(payload):
            return f"Option({shape_of(payload)})"
        case ast.StreamExpr(payload):
            return f"Stream({shape_of(payload)})"
        case ast.FutureExpr(payload):
            return f"Future({shape_of(payload)})"
        case ast.ResultExpr(ok, err):
            return f"Result({shape_of(ok)}, {shape_of(err)})"
        case ast.MapExpr(key, value):
            return f"Map({shape_of(key)}, {shape_of(value)})"
        case ast.TupleExpr(items):
            return f"Tuple({', '.join(map(shape_of, items))})"


def test_type_declarations() -> None:
    text = "/// D.\nrecord r { /// F.\na: u32, b: string } variant v { x, y(u8), } enum e { x } flags f { x, y }"
    found: list[tuple[str, list[tuple[str, bool, str]]]] = []
    for item in interface(text).items:
        assert isinstance(item, ast.TypeDeclaration)
        assert isinstance(item.body, ast.Composite)
        members = [(m.name.text, m.type is not None, m.docs) for m in item.body.members]
        found.append((f"{item.body.kind} {item.name.text} {item.docs}".strip(), members))
    assert found == [
        ("record r D.", [("a", True, "F."), ("b", True, "")]),
        ("variant v", [("x", False, ""), ("y", True, "")]),
        ("enum e", [("x", False, "")]),
        ("flags f", [("x", False, ""), ("y", False, "")]),
    ]


def test_resources() -> None:
    text = "resource q; resource r { constructor(a: u8); m: func(); s: static async func() -> u8; n: async func(); }"
    empty, full = interface(text).items
    assert isinstance(empty, ast.TypeDeclaration)
    assert isinstance(full, ast.TypeDeclaration)
    assert empty.body == ast.Resource()
    assert isinstance(full.body, ast.Resource)
    assert [(f.name.text, f.kind, f.is_async, len(f.params)) for f in full.body.functions] == [
        ("constructor", FunctionKind.CONSTRUCTOR, False, 1),
        ("m", FunctionKind.METHOD, False, 0),
        ("s", FunctionKind.STATIC, True, 0),
        ("n", FunctionKind.METHOD, True, 0),
    ]


# --- interfaces and worlds ------------------------------------------------------------------------------------------
def test_interface_items() -> None:
    use, function = interface(
        "use a:b/c.{d, e as f,};\n/// Docs.\n@since(version = 1.0.0)\ng: async func(a: u8,) -> u8;"
    ).items
    assert isinstance(use, ast.Use)
    assert isinstance(function, ast.Function)
    assert [(n.name.text, n.local.text) for n in use.names] == [("d", "d"), ("e", "f")]
    assert (function.docs, function.is_async, [p.name.text for p in function.params]) == ("Docs.", True, ["a"])
    (gate,) = function.attributes
    assert isinstance(gate, ast.Since)
    assert gate.version == "1.0.0"


def test_world_items() -> None:
    items = world(
        "import a; export a:b/c@1.0.0; import l: a; import m: a:b/c; import f: func(); export g: async func();"
        "import i: interface { h: func(); } use a.{t}; type t2 = u8; include x; include a:b/y with { p as q, }"
        "include z with { p as q };"
    ).items
    found = [
        (item.direction, type(item.item).__name__, item.name.text) for item in items if isinstance(item, ast.Extern)
    ]
    assert found == [
        ("import", "ExternPath", "a"),
        ("export", "ExternPath", "c"),
        ("import", "ExternPath", "l"),
        ("import", "ExternPath", "m"),
        ("import", "Function", "f"),
        ("export", "Function", "g"),
        ("import", "Interface", "i"),
    ]
    includes = [item for item in items if isinstance(item, ast.Include)]
    assert [[(r.name.text, r.local.text) for r in i.renames] for i in includes] == [[], [("p", "q")], [("p", "q")]]


def test_attributes() -> None:
    gates = "@since(version = 1.0.0-a.1) @unstable(feature = x-y) @deprecated(version = 2.0.0+b)"
    (function,) = interface(gates + r'@external-id("a\u{e9}\n") f: func();').items
    assert isinstance(function, ast.Function)
    since, unstable, deprecated, external = function.attributes
    assert isinstance(since, ast.Since)
    assert isinstance(unstable, ast.Unstable)
    assert isinstance(deprecated, ast.Deprecated)
    assert isinstance(external, ast.ExternalId)
    assert (since.version, unstable.feature, deprecated.version, external.text) == (
        "1.0.0-a.1",
        "x-y",
        "2.0.0+b",
        "aé\n",
    )


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"\t\n\r\"\'\\"', "\t\n\r\"'\\"),
        (r'"\41\e2\98\83"', "A☃"),
        (r'"\u{1F600}\u{1_0}"', "😀\x10"),
        ('"☃ plain"', "☃ plain"),
        ('""', ""),
    ],
)
def test_string_literals(literal: str, text: str) -> None:
    (function,) = interface(f"@external-id({literal}) f: func();").items
    assert isinstance(function, ast.Function)
    (external,) = function.attributes
    assert isinstance(external, ast.ExternalId)
    assert external.text == text


@pytest.mark.parametrize(
    "version", ["1.0.0", "1.0.0-rc", "1.0.0-rc.1", "1.0.0-lists", "1.0.0-a-1.b+c.d", "0.2.0-rc-2023-11-10"]
)
def test_a_version_ends_before_the_dot_of_a_use(version: str) -> None:
    (use,) = interface(f"use a:b/c@{version}.{{t}};").items
    assert isinstance(use, ast.Use)
    assert use.path.package is not None
    assert use.path.package.name.version == version


def test_a_version_ends_at_a_space() -> None:
    (use,) = tree("use a:b/c@1.0.0-rc as d;").items
    assert isinstance(use, ast.TopLevelUse)
    assert use.local.text == "d"


# --- going on -------------------------------------------------------------------------------------------------------
def test_names_before_a_fault_are_known() -> None:
    file, messages = faulty(
        "interface i { record r { a u8 } f: func( ; g: func(); }\ninterface j [\nworld w (\ninterface k {}"
    )
    first, second, third, fourth = file.items
    assert isinstance(first, ast.Interface)
    assert isinstance(second, ast.Interface)
    assert isinstance(third, ast.World)
    assert isinstance(fourth, ast.Interface)
    record, function, fine = first.items
    assert isinstance(record, ast.TypeDeclaration)
    assert isinstance(function, ast.Function)
    assert isinstance(fine, ast.Function)
    assert (record.body, function.faulty, fine.faulty) == (ast.Faulty(), True, False)
    assert (first.broken, second.broken, third.broken) == (False, True, True)
    assert len(messages) == 5


def test_a_body_with_a_nameless_fault_is_broken() -> None:
    file, messages = faulty("interface i { 12; f: func(); }\nworld w { nonsense }")
    first, second = file.items
    assert isinstance(first, ast.Interface)
    assert isinstance(second, ast.World)
    assert (first.broken, len(first.items), second.broken, file.broken) == (True, 1, True, True)
    assert len(messages) == 2


@pytest.mark.parametrize(
    "text",
    [
        "interface a {\n  f: func();\n\ninterface b {}",
        "interface a {\n  resource r {\n    m: func();\n\ninterface b {}",
        "interface a {\n  record r {\n    m: u32,\n\ninterface b {}",
        "interface a {\n  f: func(\n\ninterface b {}",
    ],
)
def test_a_missing_brace_ends_at_the_next_item(text: str) -> None:
    file, messages = faulty(text)
    assert [item.name.text for item in file.items if isinstance(item, ast.Interface)] == ["a", "b"]
    assert 1 <= len(messages) <= 2


def test_closing_braces_too_many_are_one_fault() -> None:
    file, messages = faulty("interface a {} }}}} interface b {}")
    assert len(file.items) == 2
    assert len(messages) == 1


def test_a_fault_in_the_header_hides_the_package() -> None:
    file, messages = faulty("package a;\ninterface b {}")
    assert (file.header, file.broken, len(file.items), len(messages)) == (None, True, 1, 1)


def test_a_keyword_as_a_name_is_explained() -> None:
    collector = Collector()
    parse(SourceFile("t.wit", "interface i { stream: func(); f: func(list: u8); type %fine = u8; }"), collector)
    assert [d.hint for d in collector.ordered()] == [
        "write `%stream` to use a keyword as a name",
        "write `%list` to use a keyword as a name",
    ]


def test_errors_stop_at_the_limit() -> None:
    file, messages = faulty("x\n;" * 5000)
    assert file.items == ()
    assert len(messages) == 200
