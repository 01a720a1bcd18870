"""Lines, columns and spans."""

from __future__ import annotations

import pytest

from obelisk.codegen.source import SourceFile, Span

TEXT = "one\r\ntwo é\n\nlast"


@pytest.mark.parametrize(
    ("offset", "place"),
    [(0, (1, 1)), (3, (1, 4)), (4, (1, 5)), (5, (2, 1)), (9, (2, 5)), (11, (3, 1)), (12, (4, 1)), (16, (4, 5))],
)
def test_location(offset: int, place: tuple[int, int]) -> None:
    assert SourceFile("f", TEXT).location(offset) == place


def test_offsets_outside_are_clamped() -> None:
    file = SourceFile("f", "ab")
    assert file.location(-5) == (1, 1)
    assert file.location(99) == (1, 3)


def test_lines_are_shown_without_their_end() -> None:
    file = SourceFile("f", TEXT)
    assert [file.line(number) for number in range(1, 6)] == ["one", "two é", "", "last", ""]


def test_an_empty_file_has_one_line() -> None:
    file = SourceFile("f", "")
    assert file.location(0) == (1, 1)
    assert file.line(1) == ""


def test_span() -> None:
    file = SourceFile("dir/f.wit", TEXT)
    span = Span(file, 5, 8)
    assert (span.text, str(span), span.location) == ("two", "dir/f.wit:2:1", (2, 1))
    assert span.to(Span(file, 9, 10)).text == "two é"
    assert Span(file, 5, 10).to(Span(file, 6, 7)).text == "two é"
