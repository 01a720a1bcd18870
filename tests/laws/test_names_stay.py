"""Adding anything to a package renames nothing that was there: names are what a published package is used by."""

from __future__ import annotations

import ast
import json
import os
import re
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from obelisk.cli import at_hand
from obelisk.codegen.emit.package import ALL_PARTS, Part
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
