"""Text to tokens, in one pass and linear time; white space and comments are taken out, comments kept as documentation.

`tokenize` always succeeds: what is no token is reported (``bad-character``, ``forbidden-character``,
``unterminated-comment``, ``unterminated-string``) and skipped. Source: WIT.md "Lexical structure".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.source import SourceFile, Span
from obelisk.codegen.syntax import tokens

# Bidirectional overrides, code points that Unicode deprecates, control codes: text must look like what it means.
_FORBIDDEN: Final = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069\u0149\u0673\u0f77\u0f79\u17a3\u17a4\u17b4\u17b5]"
)
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
    |(?P<word>[^\W\d][\w-]*)
    |(?P<operator>->|//|/\*|[=,:;(){}<>*/.@+-])
    |(?P<integer>[0-9]+)
    |(?P<explicit>%(?:(?:[^\W\d]|-)[\w-]*)?)
    |(?P<string>"(?:[^"\\\n]|\\[^\n])*"?)
    """,
    re.VERBOSE,
)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_BYTE_ORDER_MARK: Final = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStream:
    """The tokens of a file as parallel lists, the last of kind `tokens.EOF`; `comments` by index of the next token."""

    file: SourceFile
    kinds: list[str]
    starts: list[int]
    ends: list[int]
    comments: dict[int, list[tuple[int, int]]]


@dataclass(slots=True)
class _Lexer:
    file: SourceFile
    collector: Collector
    stream: TokenStream

    def report(self, code: str, start: int, end: int, message: str, hint: str = "") -> None:
        self.collector.error(code, Span(self.file, start, end), message, hint=hint)

    def push(self, kind: str, start: int, end: int) -> None:
        self.stream.kinds.append(kind)
        self.stream.starts.append(start)
        self.stream.ends.append(end)

    def comment(self, start: int) -> int:
        """Take the comment at `start`; where the text goes on after it."""
        text = self.file.text
        if text[start + 1] == "/":
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
        else:
            end = self.block_comment(start)
        self.stream.comments.setdefault(len(self.stream.kinds), []).append((start, end))
        return end

    def block_comment(self, start: int) -> int:
        depth = 0
        for edge in _COMMENT_EDGE.finditer(self.file.text, start):
            depth += 1 if edge[0] == "/*" else -1
            if depth == 0:
                return edge.end()
        self.report("unterminated-comment", start, start + 2, "this comment never ends", "close it with `*/`")
        return len(self.file.text)

    def string(self, start: int, end: int) -> None:
        text = self.file.text
        if end - start < 2 or text[end - 1] != '"' or _is_escaped(text, start, end - 1):
            self.report("unterminated-string", start, start + 1, "this string literal never ends on its line")
        self.push(tokens.STRING, start, end)

    def bad(self, start: int) -> int:
        """Report the run of characters at `start` that begin no token; where the text goes on."""
        text = self.file.text
        end = start + 1
        while end < len(text) and _TOKEN.match(text, end) is None:
            end += 1
        if _FORBIDDEN.search(text, start, end) is None:
            shown = text[start] if end == start + 1 else text[start : min(end, start + 20)]
            self.report("bad-character", start, end, f"`{shown}` is no part of the WIT language")
        return end


def _is_escaped(text: str, start: int, at: int) -> bool:
    """Whether the quote at `at` is escaped by an odd number of backslashes before it."""
    count = 0
    while at - 1 - count > start and text[at - 1 - count] == "\\":
        count += 1
    return count % 2 == 1


def tokenize(file: SourceFile, collector: Collector) -> TokenStream:
    """The tokens of `file`; faults go to `collector`."""
    stream = TokenStream(file=file, kinds=[], starts=[], ends=[], comments={})
    lexer = _Lexer(file, collector, stream)
    text = file.text
    for found in _FORBIDDEN.finditer(text):
        if collector.is_full:
            break
        lexer.report("forbidden-character", *found.span(), f"the character U+{ord(found[0]):04X} is not allowed")
    at = 1 if text.startswith(_BYTE_ORDER_MARK) else 0
    match_token, keywords = _TOKEN.match, tokens.KEYWORDS
    while at < len(text):
        match = match_token(text, at)
        if match is None:
            at = lexer.bad(at)
            continue
        start, at = at, match.end()
        group = match.lastgroup
        if group == "word":
            word = match[0]
            lexer.push(word if word in keywords else tokens.ID, start, at)
        elif group == "operator":
            if match[0] in ("//", "/*"):
                at = lexer.comment(start)
            else:
                lexer.push(match[0], start, at)
        elif group == "integer":
            lexer.push(tokens.INTEGER, start, at)
        elif group == "explicit":
            lexer.push(tokens.EXPLICIT_ID, start, at)
        elif group == "string":
            lexer.string(start, at)
    lexer.push(tokens.EOF, len(text), len(text))
    return stream


def docs_of(stream: TokenStream, index: int) -> str:
    """The documentation that stands before token `index`: its comments, without their marks and common indentation.

    Every comment counts, ``//`` and ``/* */`` too, as in the reference implementation.
    """
    comments = stream.comments.get(index)
    if not comments:
        return ""
    text = stream.file.text
    return clean_docs([text[start:end] for start, end in comments])


def clean_docs(comments: list[str]) -> str:
    """The text of `comments`: marks, common indentation and trailing blank lines removed, line ends ``\\n``."""
    parts: list[str] = []
    for comment in comments:
        part = comment[3:].removesuffix("*/") if comment.startswith("/**") else comment.lstrip("/")
        parts.append(part.rstrip())
    indents = [len(part) - len(part.lstrip(" \t\n\r")) for part in parts if part]
    indent = " " * min(indents, default=0)
    lines = [line.removesuffix("\r") for part in parts for line in part.removeprefix(indent).split("\n")]
    return "\n".join(lines).rstrip("\n")
