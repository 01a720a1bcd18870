"""Long lines are folded so that Python reads the same and a formatter has nothing to add."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from obelisk.codegen.emit.folding import fold
from obelisk.codegen.emit.writer import Block, NameTable, docstring, literal, slug

LINES = [
    "return f(aaaaaaaaaaaa, bbbbbbbbbbbbbbbbbb)",
    "return f(aaaaaaaaaaaa, bbbbbbbbbbbbbb, cccccccccccccccccccc, ddddddddd)",
    'return {"aaaaaaaaaaa": bbbbbbbbbbbbbbbbbbb, "ccccccccccccccc": ddddddddddd}',
    "return [aaaaaaaaaaaaaaaa(item) for item in bbbbbbbbbbbbbbbb]",
    "return [aaaaaaaaaaaaaaaaaaaaaaa(item) for item in bbbbbbbbbbbbbbbb]",
    "return {key: aaaaaaaaaaaaaaaaa(item) for key, item in bbbbbbb.items()}",
    "return aaaaaaaaaaaaaaaaaaaa if bbbbbbbbbbbbbb is None else cccccccccccccc",
    "return f(None if aaaaaaaaaaaaa is None else bbbbbbbbbbbbbbbbbbbb(aaaaaaaaaaaaa), cc)",
    'return [{"ok": a(item)} if isinstance(item, Ok) else {"err": None} for item in value]',
    'value: int = f(a, "text, with (brackets] and \\" a quote, for the scanner", bbbbbb)',
]


@pytest.mark.parametrize("line", LINES)
def test_folded_lines_are_short_and_mean_the_same(line: str) -> None:
    folded = fold(line, 40)
    assert len(folded) > 1
    source, again = (f"def g():\n    {text}\n" for text in (line, "\n    ".join(folded)))
    assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(again))
    assert all(len(part) <= 40 or '"text, with' in part for part in folded)


def test_a_formatter_agrees() -> None:
    block = Block()
    with block.under("def g():"):
        for line in LINES[:-1]:  # it would put the last one's string in single quotes
            block.add(*fold(line, 36))
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "--line-length=40", "-"],
        input=block.text(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_what_fits_or_offers_no_place_stays() -> None:
    assert fold("f(a, b)", 7) == ["f(a, b)"]
    assert fold("f(a, b)", 7, ",") == ["f(", "    a,", "    b,", "),"]
    assert fold("a_very_long_name_without_brackets", 10) == ["a_very_long_name_without_brackets"]
    assert fold("f()", 2) == ["f()"]


def test_lists_over_several_lines() -> None:
    block = Block()
    block.listed("f(", ["a", "b"], ")")
    block.listed("x = [", ["a" * 70, "b" * 70], "]")
    block.listed("f(", ["a" * 50, "b" * 50], f") -> {'C' * 30}:", call=True)
    block.listed("return {", [], "}")
    assert block.lines == [
        "f(a, b)",
        "x = [",
        f"    {'a' * 70},",
        f"    {'b' * 70},",
        "]",
        "f(",
        f"    {'a' * 50}, {'b' * 50}",
        f") -> {'C' * 30}:",
        "return {}",
    ]


def test_a_tuple_of_one_long_item_has_one_comma() -> None:
    block = Block()
    block.listed("return (", [f"f({'a' * 60}, {'b' * 60})"], ",)")
    block.listed("return (", ["a" * 115], ",)", call=True)
    block.listed("x = f(", ["a" * 130], ",),", call=True)
    assert block.lines == [
        "return (",
        "    f(",
        f"        {'a' * 60},",
        f"        {'b' * 60},",
        "    ),",
        ")",
        "return (",
        f"    {'a' * 115},",
        ")",
        "x = f(",
        f"    {'a' * 130},",
        "),",
    ]


@pytest.mark.parametrize(
    "text", ["plain", 'with "quotes"', 'ends with a quote "', "back\\slash", '"""', "two\nlines\n", "  x \n\n y", ""]
)
def test_docstrings_say_what_was_meant(text: str) -> None:
    block = Block()
    with block.under("def f():"):
        block.add(*docstring(text))
    (function,) = ast.parse(block.text()).body
    assert isinstance(function, ast.FunctionDef)
    words = (ast.get_docstring(function) or "").split()
    assert words == text.split()


@pytest.mark.parametrize("text", ["", "a", '"', "\\", "\n", "żółw", "\U0001f600", "\u2028", "\x00"])
def test_literals_are_the_text(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text
    assert literal(text).startswith('"')


def test_names() -> None:
    table = NameTable("taken")
    assert [table.unique(name) for name in ("a", "a", "taken", "a", "a_2")] == ["a", "a_2", "taken_2", "a_3", "a_2_2"]
    assert slug("list<tuple<u8, string>>") == "list_tuple_u8_string"
    assert slug("a" * 50 + "-b", 51) == "a" * 50
