"""Adding anything to a package renames nothing that was there: names are what a published package is used by.

C has one space of names, in which it keeps them short: there a name that two things would have goes to neither. So what
is added never makes a name stand for something else, in C and in the modules of Rust.
"""

from __future__ import annotations

import ast
import json
import os
import re
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from obelisk.cli import at_hand
from obelisk.codegen.emit.c import bindings as c
from obelisk.codegen.emit.c import types as c_types
from obelisk.codegen.emit.package import ALL_PARTS, Part
from obelisk.codegen.model.items import WorldInterface
from obelisk.codegen.model.names import sameness
from obelisk.codegen.pipeline import generate
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile

ENGINE = at_hand.engine_types()
# The package for guests has the names that componentize-py gives: what is built must find them.
PARTS = frozenset({*ALL_PARTS} - {Part.MODELS, Part.WIT, Part.GUEST})
# Few words, so that joined ones often meet: `a-b` `c` and `a` `b-c`, `foo` `foo-resource`, `x` `async-x`.
WORDS = (
    "a b c a-b b-c a-b-c foo foo-resource resource async-a params error flag a-params a-error a-b-params client "
    "a-client ok none bare v1 api to-json then ab v-1 worker a-worker caller w-a"
)
LABEL = st.sampled_from(WORDS.split())


def bodies(label: str) -> st.SearchStrategy[str]:
    cases = st.lists(LABEL, min_size=1, max_size=3, unique_by=sameness)
    return st.one_of(
        cases.map(lambda names: f"record {e(label)} {{ {', '.join(f'{e(n)}: u8' for n in names)} }}"),
        cases.map(lambda names: f"variant {e(label)} {{ {', '.join(f'{e(n)}(u8)' for n in names)}, zz }}"),
        cases.map(lambda names: f"enum {e(label)} {{ {', '.join(map(e, names))} }}"),
        cases.map(lambda names: f"flags {e(label)} {{ {', '.join(map(e, names))} }}"),
        st.just(f"{e(label)}: func(p: u8) -> result<u8, string>;"),
        st.just(f"resource {e(label)} {{ constructor(); zz: func(); yy: static func(); }}"),
    )


def e(label: str) -> str:
    return f"%{label}"


@st.composite
def items(draw: st.DrawFn) -> list[str]:
    labels = draw(st.lists(LABEL, min_size=1, max_size=6, unique_by=sameness))
    return [draw(bodies(label)) for label in labels]


@st.composite
def packages(draw: st.DrawFn) -> tuple[str, str]:
    """The text of a package, and of the same with more in it: items, interfaces, worlds, other packages.

    Names of interfaces and worlds may differ in dashes only, those of items may not.
    """
    names = draw(st.lists(LABEL, min_size=1, max_size=4, unique=True))
    worlds = [name for name in names[1:] if draw(st.booleans())]
    names = [name for name in names if name not in worlds]
    more: list[str] = []
    less: list[str] = []
    for index, name in enumerate(names):
        members = draw(items())
        kept = [member for member in members if index == 0 or draw(st.booleans())]
        few = [member for member in kept if draw(st.booleans())]
        more.append(f"interface {e(name)} {{ {' '.join(members)} }}")
        if few:
            less.append(f"interface {e(name)} {{ {' '.join(few)} }}")
    shown = [name for name in names if any(f"interface {e(name)} " in line for line in less)]
    for world in worlds:
        lines = draw(st.lists(world_items(names), max_size=4, unique_by=lambda line: sameness(line.split(":")[0])))
        used = [line for line in lines if not line.endswith(";") or line.split("%")[1].rstrip(";") in shown]
        few = [line for line in used if draw(st.booleans())]
        more.append(f"world {e(world)} {{ {' '.join(lines)} }}")
        if draw(st.booleans()):
            less.append(f"world {e(world)} {{ {' '.join(few)} }}")
    others = draw(st.lists(st.sampled_from(OTHERS), max_size=3, unique=True))
    more += others
    less += [other for other in others if draw(st.booleans())]
    head = "package t-p:q@1.2.0;\n"
    return head + "\n".join(less), head + "\n".join(more)


# Neighbours whose names come close to those of the package: a dash elsewhere, another version, the same interfaces.
OTHERS = [
    "package t:p-q { interface a { enum a { b } f: func(); } }",
    "package t-p:q@0.9.0 { interface a { enum a { b } f: func(); } }",
    "package t-p:q1 { interface a { enum a { b } f: func(); } }",
    "package t-p:q-1 { interface a { enum a { b } f: func(); } }",
    "package t:p { interface q { enum a { b } f: func(); } }",
]


@st.composite
def world_items(draw: st.DrawFn, names: list[str]) -> str:
    """An import or export of an interface of the package, of an inline one, or of a function."""
    word, label = draw(st.sampled_from(["import", "export"])), e(draw(LABEL))
    match draw(st.integers(0, 2)):
        case 0:
            return f"{word} {e(draw(st.sampled_from(names)))};"
        case 1:
            return f"{word} {label}-in: interface {{ enum b {{ c }} f: func(p: b); }}"
        case _:
            return f"{word} {label}-fn: func(p: u8) -> u8; "


def names(text: str) -> dict[str, Any]:
    """What the generated tree declares, each with what it says of itself."""
    loaded = resolve_sources([SourceFile("a.wit", text)])
    assert loaded.resolution is not None, loaded.diagnostics
    found: dict[str, Any] = {}
    for path, source in generate(loaded.resolution, ENGINE, PARTS).files.items():
        if path.endswith("openapi.json"):
            document = json.loads(source)
            found |= {f"schema {name}": schema for name, schema in document["components"]["schemas"].items()}
            found |= {f"path {name}": path["post"]["operationId"] for name, path in document["paths"].items()}
        elif path.endswith(".ts") and not path.startswith("obelisk/"):
            found |= typescript_names(path, source)
        elif path.endswith(".py") and "/validators" not in path:
            for node in ast.parse(source).body:
                match node:
                    case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                        found[f"{path} {name}"] = ast.get_docstring(node)
                        if isinstance(node, ast.ClassDef):
                            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
                            found |= {f"{path} {name}.{item.name}": ast.get_docstring(item) for item in methods}
                    case ast.AnnAssign(target=ast.Name(id=name)):
                        found[f"{path} {name}"] = ast.unparse(node.annotation)
                    case _:
                        pass
    return found


def typescript_names(path: str, source: str) -> dict[str, str]:
    """The exported declarations, whole; of classes, which grow, the members one by one."""
    found: dict[str, str] = {}
    for kind, name, rest in re.findall(
        r"^export (interface|type|const|class) (\w+)(.*?)(?=\n\n/\*|\Z)", source, re.M | re.S
    ):
        if kind == "class":
            found |= {
                f"{path} {name}.{member}": of
                for member, of in re.findall(r"^  readonly (\w+): obelisk.Callable<(\w+)", rest, re.M)
            }
        else:
            found[f"{path} {kind} {name}"] = rest.strip()
    assert found, source
    return found


@settings(
    max_examples=int(os.environ.get("EXAMPLES", "150")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(packages())
@example(
    (
        "package t:p;\ninterface a { record p { x: u8 } f: func(a: p); }",
        "package t:p;\ninterface b { record p { y: u8 } f: func(a: p); }\n"
        "interface a { record p { x: u8 } f: func(a: p); }",
    )
)
@example(
    (
        "package t:p;\ninterface a { variant v { b(u8) } f: func(a: v); }",
        "package t:p;\ninterface a { record v-b { y: u8 } variant v { b(u8) } f: func(a: v) -> v-b; }",
    )
)
@example(
    (
        "package t:p;\ninterface a { f: func(a: u8); }",
        "package t:p;\ninterface async-a { f: func(a: u8); }\ninterface a { f: func(a: u8); f-params: func(); }",
    )
)
def test_what_was_declared_keeps_its_name(texts: tuple[str, str]) -> None:
    less, more = map(names, texts)
    for name, said in less.items():
        assert name in more, (name, texts)
        assert more[name] == said, (name, texts)


# --- C and Rust ------------------------------------------------------------------------------------------------------
WORLD = """package t-p:q@1.2.0;
world w { %s }
%s"""
SIGNED: tuple[str, ...] = (
    "a",
    "b",
    "a-b",
    "a-b-t",
    "b-c",
    "c",
    "t",
    "a-new",
    "new",
    "drop",
    "wit",
    "wit-list",
    "exports",
    "u8",
)
NAME: st.SearchStrategy[str] = st.sampled_from(SIGNED)
PLACES: tuple[str, ...] = ("a:b", "a-b:c", "a:b-c", "a:b@1.0.0", "a:b@1.10.0", "a:b@11.0.0", "wit:x", "exports:a")


@st.composite
def c_items(draw: st.DrawFn) -> tuple[str, ...]:
    """Lines of one interface: what shares C's names, in which types are used by functions of their own names."""
    lines: list[str] = []
    for label in draw(st.lists(NAME, min_size=1, max_size=4, unique_by=sameness)):
        name, cases = e(label), ", ".join(map(e, draw(st.lists(NAME, min_size=1, max_size=2, unique_by=sameness))))
        # A resource's constructor and a function of the resource's own name are one name in WIT.
        methods = " ".join(f"{e(method)}: func();" for method in ("new", "drop", "b") if method != label)
        lines.append(
            draw(
                st.sampled_from(
                    [
                        f"enum {name} {{ {cases} }}",
                        f"type {name} = u64; %z-{label}: func(p: list<{name}>, q: option<{name}>);",
                        f"resource {name} {{ constructor(); {methods} }}",
                        f"{name}: func() -> result<u8, string>;",
                    ]
                )
            )
        )
    return tuple(lines)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[str, str]:
    """The text of a world, and that of the same with more imported."""
    chosen = draw(st.lists(st.tuples(st.sampled_from(PLACES), NAME), min_size=1, max_size=5, unique=True))
    more: dict[tuple[str, str], tuple[str, ...]] = {place: draw(c_items()) for place in chosen}
    less = {place: tuple(line for line in lines if draw(st.booleans())) for place, lines in more.items()}
    return c_world({place: lines for place, lines in less.items() if lines}), c_world(more)


def c_world(interfaces: dict[tuple[str, str], tuple[str, ...]]) -> str:
    imports, packages = list[str](), dict[str, list[str]]()
    for (package, label), lines in interfaces.items():
        name, at, version = package.partition("@")
        imports.append(f"import {name}/{e(label)}{at}{version};")
        packages.setdefault(package, []).append(f"interface {e(label)} {{ {' '.join(lines)} }}")
    nested = [f"package {name} {{ {' '.join(body)} }}" for name, body in packages.items()]
    return WORLD % (" ".join(imports), "\n".join(nested))


def c_names(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """What each name of C's functions, and of Rust's modules, stands for; that every name of C is declared once."""
    loaded = resolve_sources([SourceFile("a.wit", text)])
    assert loaded.resolution is not None, (loaded.diagnostics, text)
    (world,) = (world for package in loaded.resolution.packages for world in package.worlds)
    made = c.bindings(world)
    functions = {function.name: f"{interface} {name}" for (interface, name), function in made.imports.items()}
    assert len(functions) == len(made.imports), text
    declared = re.findall(r"^typedef \w+ (\w+);|^} (\w+);|^#define (\w+)|^\w+ (\w+)\(", made.header, re.MULTILINE)
    flat = ["".join(groups) for groups in declared]
    assert sorted({*flat}) == sorted(flat), text
    interfaces = [item.interface.name for item in world.imports if isinstance(item, WorldInterface)]
    prefixes = c_types.Prefixes(interfaces)
    modules = {prefixes.of(interface): str(interface) for interface in interfaces}
    assert len(modules) == len(interfaces), text
    return functions, modules


@settings(max_examples=int(os.environ.get("EXAMPLES", "150")), deadline=None)
@given(worlds())
@example(
    (
        c_world({("a:b", "a-b"): ("%c: func();",)}),
        c_world({("a:b", "a"): ("%b-c: func();",), ("a:b", "a-b"): ("%c: func();",)}),
    )
)
def test_a_name_in_c_and_rust_never_comes_to_stand_for_something_else(texts: tuple[str, str]) -> None:
    for less, more in zip(*map(c_names, texts), strict=True):
        for name in less.keys() & more.keys():
            assert less[name] == more[name], (name, texts)
