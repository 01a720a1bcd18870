"""The WIT text front end beside the reference (`wasm-tools`, a development dependency) on WIT of our own.

Both must accept or refuse the same texts, an error must be on a line where the reference sees one, and the JSON of
accepted texts must be the same, index for index.
"""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

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
    assert json.loads(json.dumps(wit_json.to_json(loaded.resolution))) == expected
    return True


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
    for index in range(draw(st.integers(0, 4))):
        lines += [f"world w{index} {{", *draw(world_bodies(types, index)), "}"]
    return "\n".join(lines) + "\n"


@st.composite
def world_bodies(draw: st.DrawFn, types: list[tuple[str, list[str]]], index: int) -> list[str]:
    """What a world says: items of its own, with names that no other world has, and includes of other worlds."""
    names: list[str] = []
    lines = [line.replace("#", f"{index}") for line in draw(st.lists(world_items(types), max_size=4, unique=True))]
    for number in range(draw(st.integers(0, 3))):
        name = f"own{index}-{number}"
        lines.append(draw(declarations(name, names)))
        names.append(name)
    for number in range(draw(st.integers(0, 2))):
        word = draw(st.sampled_from(["import", "export"]))
        lines.append(f"  {word} call{index}-{number}: {draw(functions(names))}")
    for other in draw(st.lists(st.integers(0, max(index - 1, 0)), max_size=2, unique=True)):
        renamed = f"own{other}-0 as again{index}-{other}"
        lines.append(f"  include w{other}{draw(st.sampled_from([';', ';', ' with { ' + renamed + ' }']))}")
    return lines


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
        lines.append(draw(gated(f"  f{index}: {draw(functions(names))}", "  @unstable(feature = off)\n")))
    return lines, names


def gated(line: str, *more: str) -> st.SearchStrategy[str]:
    gates = ["", "", "", "", "  @since(version = 1.0.0)\n", "  @unstable(feature = on)\n", "  /// Docs.\n", *more]
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
            return f"  {word} f#-{draw(st.integers(0, 9))}: {draw(functions([]))}"
        case 1 if found:
            used = draw(st.sampled_from(found))
            return f"  {word} x#-{draw(st.integers(0, 9))}: interface {{ use {name}.{{{used}}}; g: func(a: {used}); }}"
        case 2 if found:
            used = draw(st.sampled_from(found))
            return f"  use {name}.{{{used} as u#-{draw(st.integers(0, 9))}}};"
        case 3:
            return f"  {word} label#-{draw(st.integers(0, 9))}: {name};"
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
