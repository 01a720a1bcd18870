"""Laws of the WIT text front end over the texts of all cases and damaged versions of them.

No text raises; a diagnostic points into its file; a resolution and errors exclude one another; laying a text out keeps
its syntax tree and is done once; faults in one place do not hide those far away.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from obelisk.codegen.diagnostics import Collector, render, to_json
from obelisk.codegen.model.items import FunctionKind
from obelisk.codegen.resolve.resolver import Loaded, resolve_sources
from obelisk.codegen.source import SourceFile, Span
from obelisk.codegen.syntax import ast
from obelisk.codegen.syntax.formatter import format_text
from obelisk.codegen.syntax.lexer import tokenize
from obelisk.codegen.syntax.parser import parse
from obelisk.codegen.syntax.tokens import KEYWORDS

CASES = Path(__file__).resolve().parents[1] / "cases"
TEXTS = sorted({p.read_bytes().decode() for folder in ("wit", "wit_errors") for p in (CASES / folder).rglob("*.wit")})
SMALL = [text for text in TEXTS if len(text) < 4000]
SNIPPETS = [*sorted(KEYWORDS), *"{}()<>,;:.@/=*-+%", "->", "//", "/*", "*/", '"', "\\", "\r", "\n", "\0", "é", "1.0.0"]
ALPHABET = st.characters(codec="utf-8")


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A text of a case after a few random edits between tokens or anywhere."""
    text = draw(st.sampled_from(SMALL))
    for _ in range(draw(st.integers(1, 4))):
        stream = tokenize(SourceFile("t", text), Collector())
        index = draw(st.integers(0, len(stream.kinds) - 1))
        start, end = stream.starts[index], stream.ends[index]
        other = draw(st.integers(0, len(stream.kinds) - 1))
        insert = draw(
            st.sampled_from(["", text[stream.starts[other] : stream.ends[other]], text[start:end] * 2])
            | st.sampled_from(SNIPPETS)
            | st.text(ALPHABET, max_size=5)
        )
        cut = draw(st.integers(start, end))
        text = text[:cut] + insert + text[draw(st.sampled_from([cut, end])) :]
    return text


def resolve(text: str) -> Loaded:
    return resolve_sources([SourceFile("t.wit", text)], features=frozenset({"on"}))


def check(loaded: Loaded) -> None:
    errors = [d for d in loaded.diagnostics if d.is_error]
    assert (loaded.resolution is None) == bool(errors)
    for diagnostic in loaded.diagnostics:
        for span in [diagnostic.span, *(related.span for related in diagnostic.related)]:
            if span is not None:
                assert 0 <= span.start <= span.end <= len(span.file.text)
        assert diagnostic.message
        assert to_json(diagnostic)["code"] == diagnostic.code
    assert len(render(loaded.diagnostics)) >= len(loaded.diagnostics)


@given(damaged())
@settings(max_examples=400, deadline=None)
def test_damaged_texts(text: str) -> None:
    check(resolve(text))


@given(st.text(ALPHABET, max_size=200) | st.lists(st.sampled_from(SNIPPETS), max_size=60).map(" ".join))
@settings(max_examples=300, deadline=None)
@example("")
@example("\ufeff")
@example("package a:b@")
@example('@external-id("\\')
@example("interface\ninterface\ninterface")
@example("package a:b; package a:b")
def test_any_text(text: str) -> None:
    check(resolve(text))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes(data: bytes) -> None:
    check(resolve(data.decode("utf-8", "replace")))
    check(resolve(data.decode("latin-1")))


@given(st.sampled_from(TEXTS) | damaged())
@settings(max_examples=300, deadline=None)
def test_layout_keeps_the_tree_and_is_done_once(text: str) -> None:
    collector = Collector()
    file = SourceFile("t.wit", text)
    laid_out = format_text(file, collector)
    assert (laid_out is None) == collector.has_errors
    if laid_out is None:
        return
    again = SourceFile("t.wit", laid_out)
    assert without_places(parse(again, Collector())) == without_places(parse(file, Collector()))
    assert format_text(again, Collector()) == laid_out


def without_places(node: object) -> object:
    """A syntax tree as plain tuples, without spans and files."""
    if isinstance(node, Span | SourceFile):
        return None
    if isinstance(node, tuple):
        return tuple(map(without_places, cast("tuple[object, ...]", node)))
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return (type(node).__name__, *(without_places(getattr(node, f.name)) for f in dataclasses.fields(node)))
    return node


FAULTS = {
    "unknown-type": "  a: func() -> nothing-of-that-name;",
    "unexpected-token": "  b func();",
    "borrow-in-result": "  c: func() -> borrow<r>;",
    "invalid-map-key": "  type d = map<f32, u8>;",
    "empty-type": "  record e {}",
    "unreleased-gate": "  @since(version = 9.0.0) f: func();",
    "type-cycle": "  type g = list<g>;",
    "not-a-resource": "  type h = own<fine>;",
    "invalid-constructor": "  resource j { constructor() -> u8; }",
}


@given(st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, unique=True), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_every_fault_is_reported_and_nothing_else(codes: list[str], gap: int) -> None:
    lines = ["package a:b@1.0.0;", "interface i {", "  resource r;", "  type fine = u8;"]
    for code in codes:
        lines += [FAULTS[code], *["  // nothing"] * gap]
    loaded = resolve("\n".join([*lines, "  last: func(x: fine);", "}"]))
    assert sorted(d.code for d in loaded.diagnostics) == sorted(codes)


def test_the_tree_knows_all_functions_of_the_cases() -> None:
    """The comparison above sees real trees."""
    kinds = {
        function.kind
        for text in TEXTS
        for item in parse(SourceFile("t", text), Collector()).items
        if isinstance(item, ast.Interface)
        for member in item.items
        if isinstance(member, ast.TypeDeclaration) and isinstance(member.body, ast.Resource)
        for function in member.body.functions
    }
    assert kinds == set(FunctionKind) - {FunctionKind.FREE}
