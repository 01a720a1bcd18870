"""A position in a token stream, with the steps that all parts of the parser share.

A step that does not fit reports one diagnostic and raises `SyntaxFault`; the parser catches it where it can go on, so
it never reaches a caller of the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from obelisk.codegen.diagnostics import Collector, Related
from obelisk.codegen.model.names import is_label
from obelisk.codegen.source import Span
from obelisk.codegen.syntax import ast, lexer, semver, tokens

Item = TypeVar("Item")

_ESCAPE: Final = re.compile(r"\\(?:([\"'tnr\\])|u\{([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)\}|([0-9a-fA-F]{2}))")
_MISSING: Final = frozenset({"`;`", "`}`", "`)`", "`>`", "`{`", "`,` or `}`", "`,` or `)`", "`,` or `>`"})
_STARTS: Final = frozenset({"interface", "world", "package"})
_VERSION_WORD: Final = re.compile("[A-Za-z][0-9A-Za-z-]*")
_VERSION_TAIL: Final = re.compile(
    r"(?:-[0-9A-Za-z-]*+(?:\.[0-9A-Za-z-]++)*+)?(?:\+[0-9A-Za-z-]*+(?:\.[0-9A-Za-z-]++)*+)?"
)
_ESCAPED: Final = {'"': b'"', "'": b"'", "t": b"\t", "n": b"\n", "r": b"\r", "\\": b"\\"}


class SyntaxFault(Exception):
    """A reported syntax error, on its way to the place that can go on."""


class Cursor:
    """Reads tokens one after another; `kind` is that of the next one."""

    def __init__(self, stream: lexer.TokenStream, collector: Collector) -> None:
        self.stream = stream
        self.file = stream.file
        self.collector = collector
        self.pos = 0

    @property
    def kind(self) -> str:
        """The kind of the next token."""
        return self.stream.kinds[self.pos]

    def kind_at(self, ahead: int) -> str:
        """The kind of the token `ahead` places after the next; the end's when there is none."""
        kinds = self.stream.kinds
        return kinds[min(self.pos + ahead, len(kinds) - 1)]

    def span(self, index: int | None = None) -> Span:
        """The span of token `index`, by default the next."""
        at = self.pos if index is None else index
        return Span(self.file, self.stream.starts[at], self.stream.ends[at])

    def advance(self) -> None:
        """Pass the next token; the end stays."""
        if self.pos < len(self.stream.kinds) - 1:
            self.pos += 1

    def eat(self, kind: str) -> bool:
        """Pass the next token if it is of `kind`."""
        if self.stream.kinds[self.pos] != kind:
            return False
        self.advance()
        return True

    def expect(self, kind: str) -> Span:
        """Pass a token of `kind`; its span."""
        if self.stream.kinds[self.pos] != kind:
            raise self.unexpected(tokens.describe(kind))
        span = self.span()
        self.advance()
        return span

    def docs(self) -> str:
        """The documentation before the next token."""
        return lexer.docs_of(self.stream, self.pos) if self.pos in self.stream.comments else ""

    def fault(
        self, code: str, span: Span, message: str, hint: str = "", related: tuple[Related, ...] = ()
    ) -> SyntaxFault:
        """Report a syntax error; raise what this returns."""
        self.collector.error(code, span, message, hint=hint, related=related)
        return SyntaxFault(message)

    def unexpected(self, expected: str, hint: str = "") -> SyntaxFault:
        """Report that the next token is not what is `expected`; raise what this returns, or go on by other means."""
        related: tuple[Related, ...] = ()
        if not hint and expected in _MISSING and self.pos > 0:
            related = (Related(self.span(self.pos - 1), f"{expected} is missing after this"),)
        message = f"expected {expected}, found {tokens.describe(self.kind)}"
        return self.fault("unexpected-token", self.span(), message, hint, related)

    def name(self) -> ast.Name:
        """An identifier; one that is not kebab-case is reported and kept."""
        kind = self.stream.kinds[self.pos]
        if kind not in (tokens.ID, tokens.EXPLICIT_ID):
            word = self.span().text
            hint = f"write `%{word}` to use a keyword as a name" if kind in tokens.KEYWORDS and word != "_" else ""
            raise self.unexpected("an identifier", hint)
        span = self.span()
        self.advance()
        text = span.text.removeprefix("%")
        if not is_label(text):
            hint = "a name is words of letters and digits joined by `-`, each word all lower or all upper case"
            self.collector.error("invalid-name", span, f"`{text}` is no kebab-case name", hint=hint)
        return ast.Name(text, span)

    def word(self, expected: str) -> None:
        """Pass the identifier `expected`, one that is no keyword."""
        if self.kind != tokens.ID or self.span().text != expected:
            raise self.unexpected(f"`{expected}`")
        self.advance()

    def listed(self, close: str, item: Callable[[], Item]) -> tuple[Item, ...]:
        """Items with commas between, perhaps one after the last, up to and with `close`."""
        items: list[Item] = []
        while not self.eat(close):
            items.append(item())
            if not self.eat(","):
                if not self.eat(close):
                    raise self.unexpected(f"`,` or `{close}`")
                break
        return tuple(items)

    def version(self) -> tuple[str, Span]:
        """A Semantic Version; one that is none is reported and raised."""
        start = self.expect(tokens.INTEGER)
        for _ in range(2):
            self.expect(".")
            self.expect(tokens.INTEGER)
        # The tail is no token: `use a:b/c@1.0.0-rc.{d}` ends it before the dot, `1.0.0-lists` is one word.
        ends = self.stream.ends
        tail = _VERSION_TAIL.match(self.file.text, ends[self.pos - 1])
        end = tail.end() if tail else 0
        while ends[self.pos] <= end and self.kind != tokens.EOF:
            self.pos += 1
        span = start.to(self.span(self.pos - 1))
        if self.stream.starts[self.pos] < end:
            span = start.to(self.span())
        if not semver.is_version(span.text):
            hint = "a version is three numbers, as in `1.2.3`, perhaps followed by `-pre.1` and `+build`"
            raise self.fault("invalid-version", span, f"`{span.text}` is no Semantic Version", hint)
        keyword = next((word for word in _VERSION_WORD.findall(span.text) if word in tokens.KEYWORDS), None)
        if keyword is not None:
            hint = f"write it as part of a longer word, such as `{keyword}1`"
            message = f"other tools read the `{keyword}` of this version as a keyword"
            self.collector.error("invalid-version", span, message, hint=hint)
        return span.text, span

    def string(self) -> str:
        """A string literal, decoded (the text format's `name`)."""
        span = self.expect(tokens.STRING)
        body = span.text[1:].removesuffix('"')
        decoded = bytearray()
        at = 0
        while at < len(body):
            if body[at] != "\\":
                end = body.find("\\", at)
                end = len(body) if end < 0 else end
                decoded += body[at:end].encode("utf-8", "surrogatepass")
                at = end
                continue
            escape = _ESCAPE.match(body, at)
            code = int(escape[2].replace("_", "")[-8:], 16) if escape and escape[2] else 0
            if escape is None or code > 0x10FFFF or 0xD800 <= code < 0xE000:
                place = Span(self.file, span.start + 1 + at, span.start + 3 + at)
                raise self.fault("invalid-string", place, f"`{place.text}` begins no valid escape")
            decoded += (
                _ESCAPED[escape[1]] if escape[1] else bytes.fromhex(escape[3]) if escape[3] else chr(code).encode()
            )
            at = escape.end()
        try:
            return decoded.decode("utf-8")
        except UnicodeDecodeError:
            raise self.fault("invalid-string", span, "the string is not valid UTF-8") from None

    # --- going on after a fault ---------------------------------------------------------------------------------------
    def at_top_level(self) -> bool:
        """Whether the next token begins an interface, world or package in the first column: a `}` must be missing."""
        if self.kind not in _STARTS:
            return False
        start = self.stream.starts[self.pos]
        return start == 0 or self.file.text[start - 1] == "\n"

    def skip_item(self, start: int) -> None:
        """After a fault in the item that began at token `start`: pass the rest of it, at least one token.

        Only a token that begins a top-level item is never passed.
        """
        kinds = self.stream.kinds
        if self.pos == start and kinds[start] != "}" and not self.at_top_level():
            self.advance()
        begun = kinds[start : self.pos]
        depth = begun.count("{") - begun.count("}")
        while kinds[self.pos] not in _STARTS or not self.at_top_level():
            kind = kinds[self.pos]
            if kind == tokens.EOF or (kind == "}" and depth == 0):
                return
            self.pos += 1
            if kind == "{":
                depth += 1
            elif kind == "}":
                depth -= 1
            if depth == 0 and (kind == ";" or kind == "}"):
                return

    def skip_braces(self) -> None:
        """Pass closing braces that close nothing."""
        kinds = self.stream.kinds
        while kinds[self.pos] == "}":
            self.pos += 1
