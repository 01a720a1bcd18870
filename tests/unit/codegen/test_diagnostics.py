"""Collecting and rendering of diagnostics."""

from __future__ import annotations

from obelisk.codegen.diagnostics import Collector, Diagnostic, Related, Severity, errors, render, to_json
from obelisk.codegen.source import SourceFile, Span

FILE = SourceFile("a.wit", "package a:b;\n\tinterface x {\n}\n")


def span(text: str) -> Span:
    start = FILE.text.index(text)
    return Span(FILE, start, start + len(text))


def test_render_shows_place_caret_notes_and_hint() -> None:
    diagnostic = Diagnostic(
        code="some-code",
        span=span("x"),
        message="it is wrong",
        hint="do it right",
        related=(Related(span("a:b"), "because of this"),),
    )
    assert render([diagnostic]) == (
        "a.wit:2:12: error[some-code]: it is wrong\n"
        "    2 | \tinterface x {\n"
        "      | \t          ^\n"
        "  a.wit:1:9: note: because of this\n"
        "    1 | package a:b;\n"
        "      |         ^^^\n"
        "  hint: do it right\n"
    )


def test_render_without_a_place() -> None:
    warning = Diagnostic(code="c", severity=Severity.WARNING, message="no place")
    assert render([warning, warning]) == "warning[c]: no place\n\nwarning[c]: no place\n"
    assert errors([warning]) == ()
    assert not warning.is_error


def test_long_lines_are_cut_around_the_caret() -> None:
    file = SourceFile("long.wit", "a" * 1000 + "here" + "b" * 1000)
    shown = render([Diagnostic(code="c", span=Span(file, 1000, 1004), message="m")]).splitlines()
    assert shown[0].startswith("long.wit:1:1001:")
    assert len(shown[1]) < 180
    assert shown[1][shown[2].index("^") :].startswith("herebbb")
    assert shown[2].strip(" |") == "^^^^"


def test_characters_that_would_disturb_the_line_are_not_shown() -> None:
    file = SourceFile("f", "a \u202e\x1b[31m b")
    shown = render([Diagnostic(code="c", span=Span(file, 2, 3), message="m")])
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_a_span_at_the_end_of_the_file_has_a_caret() -> None:
    end = Span(FILE, len(FILE.text), len(FILE.text))
    assert render([Diagnostic(code="c", span=end, message="m")]).endswith("    4 | \n      | ^\n")


def test_to_json() -> None:
    diagnostic = Diagnostic(code="c", span=span("a:b"), message="m", hint="h", related=(Related(span("x"), "r"),))
    assert to_json(diagnostic) == {
        "code": "c",
        "severity": "error",
        "message": "m",
        "hint": "h",
        "file": "a.wit",
        "line": 1,
        "column": 9,
        "end_line": 1,
        "end_column": 12,
        "related": [{"message": "r", "file": "a.wit", "line": 2, "column": 12, "end_line": 2, "end_column": 13}],
    }
    assert to_json(Diagnostic(code="c", message="m")) == {"code": "c", "severity": "error", "message": "m"}


def test_the_collector_orders_and_drops_repetitions() -> None:
    collector = Collector()
    collector.error("b", span("x"), "second")
    collector.error("a", span("a:b"), "first")
    collector.error("b", span("x"), "second")
    collector.add(Diagnostic(code="w", severity=Severity.WARNING, message="about the whole"))
    assert [d.message for d in collector.ordered()] == ["about the whole", "first", "second"]
    assert collector.has_errors


def test_the_collector_stops_at_its_limit() -> None:
    collector = Collector(limit=3)
    for number in range(10):
        collector.error("c", None, f"message {number}")
    assert collector.is_full
    assert [d.code for d in collector.ordered()] == ["c", "c", "c", "too-many-errors"]
    assert collector.ordered()[-1].message == "too many errors: 7 more are not shown"


def test_warnings_alone_are_no_errors() -> None:
    collector = Collector()
    collector.add(Diagnostic(code="w", severity=Severity.WARNING, message="m"))
    assert not collector.has_errors


def test_hints() -> None:
    collector = Collector()
    assert collector.did_you_mean("strng", ["u32", "string", "strings"]) == "did you mean `string`?"
    assert collector.did_you_mean("zzz", ["string"]) == ""
    assert collector.did_you_mean("a" * 101, ["a" * 100]) == ""


def test_hints_are_rationed() -> None:
    collector = Collector()
    given = [collector.did_you_mean("strng", ["string"]) for _ in range(1000)]
    assert given[0] != ""
    assert given[-1] == ""
