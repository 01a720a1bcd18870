"""Tokens, comments and documentation; what is refused is in `tests/cases/wit_errors`."""

from __future__ import annotations

import pytest

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax import tokens
from obelisk.codegen.syntax.lexer import TokenStream, clean_docs, docs_of, tokenize


def lex(text: str) -> tuple[TokenStream, Collector]:
    collector = Collector()
    return tokenize(SourceFile("t.wit", text), collector), collector


def words(text: str) -> list[str]:
    stream, collector = lex(text)
    assert not collector.has_errors
    return [text[a:b] for a, b in zip(stream.starts, stream.ends, strict=True)][:-1]


def test_kinds() -> None:
    stream, _ = lex('package a-b %func f32 f33 12 "x\\"y" -> - > error-context _ _a')
    assert stream.kinds == [
        "package",
        tokens.ID,
        tokens.EXPLICIT_ID,
        "f32",
        tokens.ID,
        tokens.INTEGER,
        tokens.STRING,
        "->",
        "-",
        ">",
        "error-context",
        "_",
        tokens.ID,
        tokens.EOF,
    ]


def test_tokens_need_no_space() -> None:
    assert words("a:b/c@1.0.0-rc1.{d}") == [
        "a",
        ":",
        "b",
        "/",
        "c",
        "@",
        "1",
        ".",
        "0",
        ".",
        "0",
        "-",
        "rc1",
        ".",
        *"{d}",
    ]
    assert words("f:func(%a:list<u8>)->x;") == [
        "f",
        ":",
        "func",
        "(",
        "%a",
        ":",
        "list",
        "<",
        "u8",
        ">",
        ")",
        "->",
        *"x;",
    ]


@pytest.mark.parametrize("text", ["", " \t\r\n ", "\ufeff", "// only\r\n/* c */", "/* /* */ */ //"])
def test_texts_without_tokens(text: str) -> None:
    stream, collector = lex(text)
    assert stream.kinds == [tokens.EOF]
    assert stream.starts == [len(text)]
    assert not collector.has_errors


@pytest.mark.parametrize("text", ["a é b", "a - - é_1 x"])
def test_words_of_any_script_are_one_token(text: str) -> None:
    assert words(text) == text.split()


def test_bad_characters_are_reported_by_the_run() -> None:
    _, collector = lex("a $$$ b ?! c $")
    assert [(d.span.start, d.span.end) for d in collector.ordered() if d.span] == [(2, 5), (8, 10), (13, 14)]


def test_bad_characters_do_not_flood() -> None:
    stream, collector = lex("$ a " * 5000)
    assert len(collector.ordered()) == 200
    assert len(stream.kinds) == 5001


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ('"a"', True),
        ('"a\\""', True),
        ('"a\\\\"', True),
        ('"a', False),
        ('"a\\"', False),
        ('"', False),
        ('"a\nb"', False),
    ],
)
def test_strings_end_on_their_line(text: str, fine: bool) -> None:
    _, collector = lex(text)
    assert {d.code for d in collector.ordered()} == (set() if fine else {"unterminated-string"})


def test_comments_belong_to_the_next_token() -> None:
    text = "// one\n/* two */ a // three\n// four\nb /// five"
    stream, _ = lex(text)
    assert docs_of(stream, 0) == " one\n* two */"
    assert docs_of(stream, 1) == "three\nfour"
    assert docs_of(stream, 2) == "five"
    assert docs_of(stream, 3) == ""


@pytest.mark.parametrize(
    ("comments", "docs"),
    [
        ([], ""),
        (["/// a"], "a"),
        (["/// a", "///   b", "///", "/// c  "], "a\n  b\n\nc"),
        (["///a", "/// b"], "a\n b"),
        (["/** a\n  * b\r\n */"], "a\n  * b"),
        (["/**/"], ""),
        (["/***/"], ""),
        (["//", "//"], ""),
        (["/// a", "///", "///"], "a"),
        (["////a"], "a"),
        (["///\ta", "/// b"], "\ta\nb"),
        (["/// \ra", "///   b"], "\ra\n  b"),
        (["/** a\r\r\n b*/"], "a\n b"),
        (["/**\r\n * a*/"], "\n * a"),
        (["/**\n * a*/"], "\n * a"),
    ],
)
def test_clean_docs(comments: list[str], docs: str) -> None:
    assert clean_docs(comments) == docs


def test_words_for_messages() -> None:
    assert [tokens.describe(kind) for kind in (tokens.ID, tokens.EOF, "use", "->")] == [
        "an identifier",
        "the end of the file",
        "keyword `use`",
        "`->`",
    ]
