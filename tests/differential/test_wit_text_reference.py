"""The WIT text front end beside the reference (`wasm-tools`, a development dependency) on WIT of our own.

Both must accept or refuse the same texts, an error must be on a line where the reference sees one, and accepted texts
must mean the same. Meanings are compared with references written out, because the reference numbers types in the order
in which it happens to create them.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obelisk.codegen.diagnostics import render
from obelisk.codegen.emit import wit_json
from obelisk.codegen.resolve.load import load

Json = Any  # what json.loads gives; its shape is the reference's

ROOT = Path(__file__).resolve().parents[2]
WASM_TOOLS = Path(sysconfig.get_path("scripts")) / "wasm-tools"
PLACE = re.compile(r"\.wit:(\d+):\d+")


def reference(path: Path) -> tuple[Json | None, int | None]:
    """The reference's JSON, or the line of its error (None when it tells none)."""
    command = [str(WASM_TOOLS), "component", "wit", "--json", "--features", "on", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout), None
    place = PLACE.search(done.stderr)
    return None, int(place[1]) if place else None


def compare(path: Path) -> bool:
    """Load `path` in both ways and compare; whether it was accepted."""
    expected, line = reference(path)
    loaded = load([path], features=frozenset({"on"}))
    if expected is None:
        assert loaded.resolution is None
        lines = {d.span.location[0] for d in loaded.diagnostics if d.span}
        assert line is None or line in lines, render(loaded.diagnostics)
        return False
    assert loaded.resolution is not None, render(loaded.diagnostics)
    assert meaning(wit_json.to_json(loaded.resolution)) == meaning(expected)
    return True


# --- meanings -------------------------------------------------------------------------------------------------------
def meaning(document: Json) -> list[Json]:
    """The packages with everything they refer to by index written out. Order counts where WIT gives it one."""
    meanings = Meanings(document)
    return [
        {
            **without(package, "interfaces", "worlds"),
            "interfaces": [meanings.interface(index) for index in package["interfaces"].values()],
            "worlds": [meanings.world(index) for index in package["worlds"].values()],
        }
        for package in document["packages"]
    ]


def without(entry: Json, *keys: str) -> dict[str, Json]:
    return {key: value for key, value in entry.items() if key not in keys}


class Meanings:
    """Writes out the entries of one document."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.named = functools.cache(self.named_once)

    def interface_name(self, index: int) -> list[str | None]:
        interface = self.document["interfaces"][index]
        return [self.document["packages"][interface["package"]]["name"], interface["name"]]

    def owner(self, place: Json) -> Json:
        if place is None:
            return None
        if "interface" in place:
            return self.interface_name(place["interface"])
        world = self.document["worlds"][place["world"]]
        return [self.document["packages"][world["package"]]["name"], world["name"], "world"]

    def named_once(self, index: int) -> Json:
        """A use of a type: one with a name is not written out again."""
        type_ = self.document["types"][index]
        if type_["name"] is not None:
            return {"name": type_["name"], "owner": self.owner(type_["owner"])}
        return {"kind": self.written_out(type_["kind"])}

    def declared(self, index: int) -> Json:
        type_ = self.document["types"][index]
        kind = self.written_out(type_["kind"])
        return {**without(type_, "kind", "owner"), "kind": kind, "owner": self.owner(type_["owner"])}

    def written_out(self, value: Json) -> Json:
        if isinstance(value, int):
            return self.named(value)
        if isinstance(value, list):
            return [self.written_out(item) for item in cast(Sequence[Json], value)]
        if isinstance(value, dict):
            parts = cast(Mapping[str, Json], value)
            if "fixed-length-list" in parts:
                element, length = parts["fixed-length-list"]
                return {"list": [self.written_out(element), f"{length}"]}
            plain = ("docs", "stability", "name")
            return {key: item if key in plain else self.written_out(item) for key, item in parts.items()}
        return value

    def interface(self, index: int) -> Json:
        interface = self.document["interfaces"][index]
        types = [self.declared(i) for i in interface["types"].values()]
        functions = [self.written_out(function) for function in interface["functions"].values()]
        return {
            **without(interface, "types", "functions", "package", "clone_of"),
            "types": types,
            "functions": functions,
        }

    def item(self, key: str, value: Json) -> Json:
        if "function" in value:
            return [key, self.written_out(value["function"])]
        if "type" in value:
            return [key, self.declared(value["type"])]
        index = value["interface"]["id"]
        name = self.interface_name(index) if re.match(r"interface-\d", key) else key
        return [name, self.interface(index), without(value["interface"], "id")]

    def world(self, index: int) -> Json:
        world = self.document["worlds"][index]
        sides = {side: [self.item(*pair) for pair in world[side].items()] for side in ("imports", "exports")}
        return {**without(world, "imports", "exports", "package"), **sides}


# --- texts of the cases ---------------------------------------------------------------------------------------------
def cases(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / "tests" / "cases" / folder).iterdir() if p.is_dir() or p.suffix == ".wit")


@pytest.mark.parametrize("path", cases("wit"), ids=lambda path: path.name)
def test_accepted_cases(path: Path) -> None:
    assert compare(path)


MORE_THAN_THE_REFERENCE = {"too-deep.wit", "include-gates.wit"}
"""Ours limits how large a type can grow by name; the other is refused by both, at different statements."""


@pytest.mark.parametrize(
    "path", [p for p in cases("wit_errors") if p.name not in MORE_THAN_THE_REFERENCE], ids=lambda path: path.name
)
def test_refused_cases(path: Path) -> None:
    assert not compare(path)


# --- generated texts ------------------------------------------------------------------------------------------------
WORDS = ["a", "b-c", "d1", "X", "%list", "%use"]


@st.composite
def packages(draw: st.DrawFn) -> str:
    """A package of a few interfaces that use one another and worlds that import, export and include them.

    Most are right; some break a rule, a borrow in a result for example.
    """
    types: list[tuple[str, list[str]]] = []
    lines = ["package demo:generated@1.0.0;"]
    for index in range(draw(st.integers(1, 3))):
        body, names = draw(interface_bodies(types))
        lines += [f"interface i{index} {{", *body, "}"]
        types.append((f"i{index}", names))
    for index in range(draw(st.integers(0, 2))):
        body = draw(st.lists(world_items(types), max_size=5, unique=True))
        lines += [f"world w{index} {{", *body, *draw(st.sampled_from([[], [f"  include w{1 - index};"]])), "}"]
    return "\n".join(lines) + "\n"


@st.composite
def interface_bodies(draw: st.DrawFn, earlier: list[tuple[str, list[str]]]) -> tuple[list[str], list[str]]:
    names: list[str] = []
    lines: list[str] = []
    for source, found in draw(st.lists(st.sampled_from(earlier), max_size=2, unique_by=str)) if earlier else []:
        if found:
            used = draw(st.sampled_from(found))
            lines.append(f"  use {source}.{{{used} as {used}-of-{source}}};")
            names.append(f"{used}-of-{source}")
    for index in range(draw(st.integers(0, 4))):
        name = f"t{index}"
        declaration = draw(declarations(name, names))
        lines.insert(draw(st.integers(0, len(lines))), draw(gated(declaration)))
        names.append(name)
    for index in range(draw(st.integers(0, 3))):
        lines.append(draw(gated(f"  f{index}: {draw(functions(names))}")))
    return lines, names


def gated(line: str) -> st.SearchStrategy[str]:
    gates = ["", "", "", "", "  @since(version = 1.0.0)\n", "  @unstable(feature = on)\n", "  /// Docs.\n"]
    return st.sampled_from(gates).map(lambda gate: gate + line)


@st.composite
def declarations(draw: st.DrawFn, name: str, names: list[str]) -> str:
    member = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
    match draw(st.integers(0, 5)):
        case 0:
            return f"  record {name} {{ {', '.join(f'{m}: {draw(type_texts(names))}' for m in member)} }}"
        case 1:
            return f"  variant {name} {{ {', '.join(f'{m}({draw(type_texts(names))})' for m in member)}, none }}"
        case 2:
            return f"  {draw(st.sampled_from(['enum', 'flags']))} {name} {{ {', '.join(member)} }}"
        case 3:
            method, static = draw(functions(names)), draw(functions(names)).replace("async", "")
            return f"  resource {name} {{ constructor(); m: {method} s: static {static} }}"
        case _:
            return f"  type {name} = {draw(type_texts(names))};"


def type_texts(names: list[str]) -> st.SearchStrategy[str]:
    leaves = st.sampled_from(
        ["u8", "s64", "f32", "string", "char", "bool", "result", "stream", "future", *names, *names]
    )
    if names:
        leaves |= st.sampled_from(names).map(lambda name: f"borrow<{name}>")
    wraps = ["list<{}>", "option<{}>", "list<{}, 4>", "result<{}>", "result<_, {}>", "tuple<{}, u8>", "map<u8, {}>"]
    return st.recursive(leaves, lambda inner: st.builds(str.format, st.sampled_from([*wraps, "future<{}>"]), inner))


@st.composite
def functions(draw: st.DrawFn, names: list[str]) -> str:
    params = ", ".join(f"p{n}: {draw(type_texts(names))}" for n in range(draw(st.integers(0, 2))))
    result = draw(st.just("") | type_texts(names).map(lambda text: f" -> {text}"))
    return f"{draw(st.sampled_from(['', '', 'async ']))}func({params}){result};"


@st.composite
def world_items(draw: st.DrawFn, types: list[tuple[str, list[str]]]) -> str:
    name, found = draw(st.sampled_from(types))
    word = draw(st.sampled_from(["import", "export"]))
    match draw(st.integers(0, 5)):
        case 0:
            return f"  {word} f{draw(st.integers(0, 9))}: {draw(functions([]))}"
        case 1 if found:
            used = draw(st.sampled_from(found))
            return f"  {word} x{draw(st.integers(0, 9))}: interface {{ use {name}.{{{used}}}; g: func(a: {used}); }}"
        case 2 if found:
            used = draw(st.sampled_from(found))
            return f"  use {name}.{{{used} as u{draw(st.integers(0, 9))}}};"
        case 3:
            return f"  {word} label{draw(st.integers(0, 9))}: {name};"
        case _:
            return f"  {word} {name};"


@given(text=packages())
@settings(
    max_examples=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_generated_packages(tmp_path: Path, text: str) -> None:
    path = tmp_path / "generated.wit"
    path.write_text(text, encoding="utf-8")
    compare(path)
