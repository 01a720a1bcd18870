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
# White space goes with the token behind it: half as many matches. Possessive repeats keep every failure linear.
_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*+(?:
    ([^\W\d][\w-]*+)
    |(//[^\n]*+)
    |(/\*)
    |(->|[=,:;(){}<>*/.@+-])
    |([0-9]++)
    |(%(?:(?:[^\W\d]|-)[\w-]*+)?)
    |("(?:[^"\\\n]|\\[^\n])*+("?))
    |([^\s\w=,:;(){}<>*/.@+%"-]++|.)
    |\Z)""",
    re.VERBOSE | re.DOTALL,
)
_WORD, _LINE, _BLOCK, _OPERATOR, _INTEGER, _EXPLICIT, _STRING, _QUOTE, _BAD = range(1, 10)
_KINDS: Final = {_INTEGER: tokens.INTEGER, _EXPLICIT: tokens.EXPLICIT_ID, _STRING: tokens.STRING}
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

    def run(self, at: int) -> None:
        """Read all tokens from `at`; only a block comment, which can nest, ends one round of the expression."""
        text = self.file.text
        kinds, starts, ends = self.stream.kinds, self.stream.starts, self.stream.ends
        keywords = tokens.KEYWORDS
        while at < len(text):
            for match in _TOKEN.finditer(text, at):
                group = match.lastindex
                if group is None:
                    return
                start, at = match.span(group)
                if group == _WORD:
                    word = match[group]
                    kinds.append(word if word in keywords else tokens.ID)
                elif group == _OPERATOR:
                    kinds.append(match[group])
                elif group == _LINE:
                    self.comment(start, at)
                    continue
                elif group == _BLOCK:
                    at = self.block_comment(start)
                    self.comment(start, at)
                    break
                elif group == _BAD:
                    self.bad(start, at)
                    continue
                else:
                    kinds.append(_KINDS[group])
                    if group == _STRING and not match[_QUOTE]:
                        message = "this string literal never ends on its line"
                        self.report("unterminated-string", start, start + 1, message)
                starts.append(start)
                ends.append(at)

    def comment(self, start: int, end: int) -> None:
        self.stream.comments.setdefault(len(self.stream.kinds), []).append((start, end))

    def block_comment(self, start: int) -> int:
        """Where the block comment at `start` ends."""
        depth = 0
        for edge in _COMMENT_EDGE.finditer(self.file.text, start):
            depth += 1 if edge[0] == "/*" else -1
            if depth == 0:
                return edge.end()
        self.report("unterminated-comment", start, start + 2, "this comment never ends", "close it with `*/`")
        return len(self.file.text)

    def bad(self, start: int, end: int) -> None:
        text = self.file.text
        if self.collector.is_full or _FORBIDDEN.search(text, start, end):
            return
        shown = text[start : min(end, start + 20)]
        shown = f"`{shown}`" if shown.isprintable() and not shown.isspace() else f"the character U+{ord(shown[0]):04X}"
        self.report("bad-character", start, end, f"{shown} is no part of the WIT language")


def tokenize(file: SourceFile, collector: Collector) -> TokenStream:
    """The tokens of `file`; faults go to `collector`."""
    stream = TokenStream(file=file, kinds=[], starts=[], ends=[], comments={})
    lexer = _Lexer(file, collector, stream)
    for found in _FORBIDDEN.finditer(file.text):
        if collector.is_full:
            break
        lexer.report("forbidden-character", *found.span(), f"the character U+{ord(found[0]):04X} is not allowed")
    lexer.run(1 if file.text.startswith(_BYTE_ORDER_MARK) else 0)
    stream.kinds.append(tokens.EOF)
    stream.starts.append(len(file.text))
    stream.ends.append(len(file.text))
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
        if comment.startswith("/**"):
            part = comment[3:].removesuffix("*/") if len(comment) > 4 else ""
        else:
            part = comment.lstrip("/")
        parts.append(part.rstrip().replace("\r\n", "\n"))
    indents = [len(part) - len(part.lstrip(" \t\n")) for part in parts if part]
    indent = " " * min(indents, default=0)
    lines = [line.rstrip("\r") for part in parts for line in part.removeprefix(indent).split("\n")]
    return "\n".join(lines).rstrip("\n")
