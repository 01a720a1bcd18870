"""Documentation and names of a stranger's WIT stand in generated code and never become part of it.

Whatever is written in doc comments (a binary can hold any text there), each generated file is the same but for its
comments, docstrings and descriptions.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from obelisk.cli import at_hand
from obelisk.codegen.emit.c import bindings as c
from obelisk.codegen.emit.package import ALL_PARTS, Part
from obelisk.codegen.emit.rust import bindings as rust
from obelisk.codegen.model.items import Function, Interface, Package, Resolution, World, WorldInterface
from obelisk.codegen.model.types import Case, EnumType, Field, FlagsType, Label, RecordType, Type, TypeDef, VariantType
from obelisk.codegen.pipeline import generate
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile

ENGINE = at_hand.engine_types()
PARTS = frozenset({*ALL_PARTS} - {Part.MODELS})
WIT = """package evil:docs;
interface api {
  record point { x: u32, y: u32 }
  variant shape { none, at(point), far(string) }
  enum level { low, high }
  flags can { read, write }
  f: func(p: point, s: shape) -> result<level, can>;
  g: func();
}
world w { import api; }
world v { export api; }
"""
PIECES = [
    "@",
    "\\",
    '"',
    '"""',
    "'''",
    "*/",
    "/*",
    "//",
    "\n",
    "\r",
    "\t",
    "\x0c",
    "\u2028",
    "\x00",
    "\u202e",
    "}",
    "{{",
    "{%",
]
WORDS = ["import os", "C:\\Users", "#define f(", "??/", "`", "a", " ", "\\N{DASH}", "\\", "-->", "%s", "${x}", "\n}"]
DOCS = st.lists(st.sampled_from([*PIECES, *WORDS]) | st.text(max_size=3), max_size=8).map("".join)


@cache
def plain() -> Resolution:
    loaded = resolve_sources([SourceFile("a.wit", WIT)])
    assert loaded.resolution is not None, loaded.diagnostics
    return loaded.resolution


class Documented:
    """A copy of the resolution with documentation at every place that has one."""

    def __init__(self, docs: str) -> None:
        self.docs = docs
        self.known: dict[int, TypeDef] = {}

    def resolution(self, resolution: Resolution) -> Resolution:
        return replace(resolution, packages=tuple(map(self.package, resolution.packages)))

    def package(self, package: Package) -> Package:
        interfaces = {interface.name: self.interface(interface) for interface in package.interfaces}
        worlds = tuple(self.world(world, interfaces) for world in package.worlds)
        return replace(package, docs=self.docs, interfaces=tuple(interfaces.values()), worlds=worlds)

    def world(self, world: World, interfaces: dict[Any, Interface]) -> World:
        def item(item: Any) -> Any:
            assert isinstance(item, WorldInterface)
            return replace(item, interface=interfaces[item.interface.name], docs=self.docs)

        return replace(
            world, docs=self.docs, imports=tuple(map(item, world.imports)), exports=tuple(map(item, world.exports))
        )

    def interface(self, interface: Interface) -> Interface:
        types = tuple(map(self.typedef, interface.types))
        return replace(interface, docs=self.docs, types=types, functions=tuple(map(self.function, interface.functions)))

    def function(self, function: Function) -> Function:
        params = tuple(replace(param, type=self.type(param.type)) for param in function.params)
        result = None if function.result is None else self.type(function.result)
        return replace(function, docs=self.docs, params=params, result=result)

    def typedef(self, typedef: TypeDef) -> TypeDef:
        if id(typedef) not in self.known:
            self.known[id(typedef)] = replace(typedef, docs=self.docs, body=self.type(typedef.body))
        return self.known[id(typedef)]

    def type(self, type_: Type) -> Type:
        match type_:
            case TypeDef():
                return self.typedef(type_)
            case RecordType(fields):
                return RecordType(tuple(Field(f.name, self.type(f.type), self.docs) for f in fields))
            case VariantType(cases):
                return VariantType(tuple(Case(x.name, x.payload and self.type(x.payload), self.docs) for x in cases))
            case EnumType(cases):
                return EnumType(tuple(Label(case.name, self.docs) for case in cases))
            case FlagsType(flags):
                return FlagsType(tuple(Label(flag.name, self.docs) for flag in flags))
            case _:
                ok, err = getattr(type_, "ok", None), getattr(type_, "err", None)
                return replace(type_, ok=self.type(ok), err=self.type(err)) if ok and err else type_  # type: ignore[type-var]


# --- what is left of a file without what is said in it ----------------------------------------------------------------
class _Silent(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A JSON Schema stands as text in the forms of types, with its descriptions."""
        if isinstance(node.value, str) and node.value.startswith("{"):
            return ast.Constant(json.dumps(_without(json.loads(node.value))))
        return node


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {key: _without(item) for key, item in members.items() if key not in ("description", "summary")}
    if isinstance(value, list):
        return [_without(item) for item in cast("Sequence[Any]", value)]
    return value


def meaning(path: str, text: str) -> object:
    text.encode()
    if path.endswith(".py"):
        return ast.dump(_Silent().visit(ast.parse(text)))
    if path.endswith(".json"):
        return _without(json.loads(text))
    if path.endswith(".wit"):
        loaded = resolve_sources([SourceFile(path, text)], [[SourceFile("dep.wit", WIT)], *engine_sources()])
        assert loaded.resolution is not None, (loaded.diagnostics, text)
        return loaded.resolution
    if path.endswith(".ts"):
        code = re.sub(r"/\*.*?\*/|^//[^\n]*$", "", text, flags=re.DOTALL | re.MULTILINE)
        return [line for line in code.splitlines() if line.strip()]
    # C and Rust: a backslash at the end of a line joins the next one to it, also in a comment.
    spliced = re.sub(r"(?:\\|\?\?/)[ \t]*\n", "", text) if path.endswith((".c", ".h")) else text
    return [line for line in spliced.splitlines() if line.strip() and not line.lstrip().startswith("//")]


@cache
def engine_sources() -> list[list[SourceFile]]:
    folder = Path(__file__).resolve().parents[2] / "wit"
    groups = {
        path.parent: [SourceFile(str(p), p.read_text()) for p in path.parent.glob("*.wit")]
        for path in folder.rglob("*.wit")
    }
    return list(groups.values())


def files(resolution: Resolution) -> dict[str, object]:
    texts = dict(generate(resolution, ENGINE, PARTS).files)
    for world in next(p for p in resolution.packages if str(p.name) == "evil:docs").worlds:
        made = rust.bindings(world)
        texts[f"{world.name.name}.h"] = c.bindings(world).header
        texts[f"{world.name.name}.c"] = c.bindings(world).source
        texts[f"{world.name.name}.rs"] = made.crate
    return {path: meaning(path, text) for path, text in texts.items()}


@cache
def expected() -> dict[str, object]:
    return files(plain())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(docs=DOCS)
@example(docs='Harmless.\n"""\nimport os\n"""')
@example(docs="Reads files below C:\\Users.")
@example(docs="Ends with a backslash \\")
@example(docs='Four """" and a quote "')
@example(docs="*/ int x; /*")
@example(docs="a\n*/ export const evil = 1; /*\n@internal {@link x}")
@example(docs="\x00\u202e")
def test_generated_files_differ_in_what_they_say_alone(docs: str) -> None:
    made = files(Documented(docs).resolution(plain()))
    assert made.keys() == expected().keys()
    for path, found in made.items():
        assert found == expected()[path], path
