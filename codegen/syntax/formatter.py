"""Lays out a WIT text anew: indentation, spacing, line breaks; every token and every comment stays where it was.

Only separators may come or go: a comma after the last member of a block is added, one before ``)``, ``>`` or the brace
of a short list is dropped, and so is a semicolon after ``with { … }``. Therefore the syntax tree of the result equals
that of the input but for its spans, and laying out twice changes nothing more. A statement goes on one line of at most
`WIDTH` characters if it can, else its parameters or names get a line each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax import lexer, tokens
from obelisk.codegen.syntax.parser import parse

WIDTH: Final = 100
_INDENT: Final = "  "
_MEMBER_BLOCKS: Final = frozenset({"record", "variant", "enum", "flags"})
_ITEM_BLOCKS: Final = frozenset({"interface", "world", "package", "resource"})
_CLOSERS: Final = frozenset({")", "}", ">"})
_TIGHT: Final = frozenset({".", "/", "@", "-", "+"})
_NO_SPACE_BEFORE: Final = frozenset({",", ";", ":", ")", ">", "<", "("}) | _TIGHT
_NO_SPACE_AFTER: Final = frozenset({"(", "<"}) | _TIGHT


def format_text(file: SourceFile, collector: Collector) -> str | None:
    """The text of `file` laid out anew; None when it has syntax errors, which go to `collector`."""
    syntax = Collector()
    parse(file, syntax)
    for diagnostic in syntax.ordered():
        collector.add(diagnostic)
    if syntax.has_errors:
        return None
    formatter = _Formatter(lexer.tokenize(file, Collector()))
    formatter.items()
    return formatter.text()


@dataclass(slots=True)
class _Formatter:
    """Writes tokens from `pos` on as lines; `lines` are finished but for a trailing comment."""

    stream: lexer.TokenStream
    pos: int = 0
    level: int = 0
    lines: list[str] = field(default_factory=list[str])

    @property
    def kind(self) -> str:
        return self.stream.kinds[self.pos]

    def word(self, index: int) -> str:
        return self.stream.file.text[self.stream.starts[index] : self.stream.ends[index]]

    def text(self) -> str:
        return "\n".join(self.lines).strip("\n") + "\n" if self.lines else ""

    def write(self, text: str) -> None:
        self.lines.append(_INDENT * self.level + text)

    # --- comments and blank lines -------------------------------------------------------------------------------------
    def lead(self, *, first: bool, apart: bool = False) -> None:
        """Write the comments before the next token; single blank lines are kept, but for a block's start and end.

        With `apart` a blank line comes before what is not on the line that is written already.
        """
        source = self.stream.file.text
        at = self.stream.ends[self.pos - 1] if self.pos else 0
        for start, end in self.stream.comments.get(self.pos, ()):
            gap = source[at:start].count("\n")
            comment = source[start:end].rstrip()
            if gap == 0 and self.pos and self.lines:
                self.lines[-1] += " " + comment
            else:
                self.blank((gap > 1 or apart) and not first)
                self.write(comment)
                apart = False
            first, at = False, end
        gap = source[at : self.stream.starts[self.pos]].count("\n")
        self.blank((gap > 1 or apart) and not first and self.kind not in ("}", tokens.EOF))

    def blank(self, wanted: bool) -> None:
        if wanted and self.lines and self.lines[-1]:
            self.lines.append("")

    # --- structure ----------------------------------------------------------------------------------------------------
    def items(self) -> None:
        """Statements up to the closing brace or the end."""
        first, after_block = True, False
        while True:
            is_block = self.level == 0 and self.begins_block()
            self.lead(first=first, apart=after_block or is_block)
            if self.kind in ("}", tokens.EOF):
                return
            self.statement()
            first, after_block = False, is_block

    def begins_block(self) -> bool:
        """Whether the statement at the next token ends with a block and not with a semicolon."""
        kinds = self.stream.kinds
        at = self.pos
        while kinds[at] not in ("{", ";", tokens.EOF):
            at += 1
        return kinds[at] == "{"

    def statement(self) -> None:
        """A statement with its attributes, and its block when it has one."""
        while self.kind == "@":
            start = self.pos
            self.pos = self.stream.kinds.index(")", start) + 1
            self.write(self.flat(start, self.pos))
            self.lead(first=True)
        start = self.pos
        opener = self.kind
        while self.kind not in (";", "{") or self._is_list():
            if self._is_list():
                self._skip_list()
                if self.stream.kinds[self.pos - 1] == "}" and opener == "include":
                    self._list_statement(start)
                    return
                continue
            self.pos += 1
        if self.kind == ";":
            self.pos += 1
            self.line(start, self.pos)
        else:
            self.block(start, opener)

    def _is_list(self) -> bool:
        """Whether the next token opens the names of a `use` or a `with`."""
        return self.kind == "{" and self.stream.kinds[self.pos - 1] in (".", "with")

    def _skip_list(self) -> None:
        while self.kind != "}":
            self.pos += 1
        self.pos += 1

    def _list_statement(self, start: int) -> None:
        end = self.pos
        if self.kind == ";" and self.pos not in self.stream.comments:
            self.pos += 1
        elif self.kind == ";":
            end = self.pos = self.pos + 1
        self.line(start, end)

    def block(self, start: int, opener: str) -> None:
        """The block of a statement whose head begins at `start`; the next token is its brace."""
        self.pos += 1
        head = self.flat(start, self.pos)
        if self.kind == "}" and self.pos not in self.stream.comments:
            self.pos += 1
            self.write(head + "}")
            return
        self.write(head)
        # An inline interface of a world is opened by `import` or `export`.
        is_members = opener in _MEMBER_BLOCKS
        self.level += 1
        if is_members:
            self.members()
        else:
            self.items()
        self.level -= 1
        self.pos += 1
        self.write("}")

    def members(self) -> None:
        """The members of a record, variant, enum or flags, each on its line with a comma."""
        first = True
        while True:
            self.lead(first=first)
            if self.kind == "}":
                return
            start = self.pos
            depth = 0
            while depth or self.kind not in (",", "}"):
                depth += (self.kind in "(<") - (self.kind in ")>")
                self.pos += 1
            end = self.pos
            if self.kind == ",":
                end = self.pos = self.pos + 1
                self.write(self.flat(start, end))
            else:
                self.write(self.flat(start, end) + ",")
            first = False

    # --- lines --------------------------------------------------------------------------------------------------------
    def line(self, start: int, end: int) -> None:
        """Write tokens as one line, or, when that is too long, with a line for each parameter or name."""
        flat = self.flat(start, end)
        opening = self._opening(start, end)
        if len(_INDENT) * self.level + len(flat) <= WIDTH or "\n" in flat or opening < 0:
            self.write(flat)
            return
        self.write(self.flat(start, opening + 1).rstrip())
        self.level += 1
        at = opening + 1
        depth = 0
        closing = at
        while depth or self.stream.kinds[closing] not in (")", "}"):
            kind = self.stream.kinds[closing]
            depth += (kind in "(<") - (kind in ")>")
            closing += 1
            if kind == "," and depth == 0:
                self.write(self.flat(at, closing))
                at = closing
        if at < closing:
            self.write(self.flat(at, closing) + ",")
        self.level -= 1
        self.write(self.flat(closing, end))

    def _opening(self, start: int, end: int) -> int:
        """The token that opens the parameters or names of a statement; -1 when there are none to break."""
        for index in range(start, end):
            if index + 1 in self.stream.comments:
                return -1
            kind, behind = self.stream.kinds[index], self.stream.kinds[index + 1]
            if kind in ("(", "{") and behind not in _CLOSERS and not self._has_comments(index, end):
                return index
        return -1

    def _has_comments(self, start: int, end: int) -> bool:
        return any(index in self.stream.comments for index in range(start + 1, end))

    def flat(self, start: int, end: int) -> str:
        """The tokens as one line; a line comment among them goes on in a further one."""
        out: list[str] = []
        kinds = self.stream.kinds
        last = start
        for index in range(start, end):
            kind = kinds[index]
            dropped = kind == "," and kinds[index + 1] in _CLOSERS and end > index + 1
            if dropped and index not in self.stream.comments:
                continue
            text = self.word(index)
            comments = self.stream.comments.get(index, ()) if index > start else ()
            if comments:
                between = self._inline(comments)
                out.append(between.rstrip(" ") if kind in _NO_SPACE_BEFORE and "\n" not in between else between)
                out.append(text)
            elif index > start and self._spaced(last, index):
                out.append(" " + text)
            else:
                out.append(text)
            last = index
        return "".join(out)

    def _inline(self, comments: list[tuple[int, int]] | tuple[()]) -> str:
        """Comments in the middle of a line; what follows a line comment begins a further line."""
        continued = "\n" + _INDENT * (self.level + 2)
        out = ""
        for start, end in comments:
            comment = self.stream.file.text[start:end].rstrip()
            out += ("" if out.endswith(continued) else " ") + comment
            if comment.startswith("//"):
                out += continued
        return out if out.endswith(continued) else out + " "

    def _spaced(self, left: int, right: int) -> bool:
        """Whether a space stands between two neighbouring tokens."""
        kinds = self.stream.kinds
        before, behind = kinds[left], kinds[right]
        if before == ",":
            return True
        if before == ":":
            return not self._is_path(left)
        if behind == "{" or before == "{" or behind == "}":
            opening = right if behind == "{" else left if before == "{" else self._list_start(right)
            return kinds[opening - 1] != "."
        if self.stream.ends[left] == self.stream.starts[right] and _is_word(before) and _is_word(behind):
            return False  # two words touch only inside a version
        return before not in _NO_SPACE_AFTER and behind not in _NO_SPACE_BEFORE

    def _list_start(self, closing: int) -> int:
        while self.stream.kinds[closing] != "{":
            closing -= 1
        return closing

    def _is_path(self, colon: int) -> bool:
        """Whether a colon joins a namespace and a package."""
        kinds = self.stream.kinds
        return kinds[colon + 2] == "/" or (colon >= 2 and kinds[colon - 2] == "package")


def _is_word(kind: str) -> bool:
    return kind in (tokens.ID, tokens.INTEGER) or kind in tokens.KEYWORDS
