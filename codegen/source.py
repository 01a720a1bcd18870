"""Source texts and places in them: a file's text, a span of it, line and column, the line to show.

Offsets and columns count Unicode code points of the text; lines and columns start at 1. A line ends at ``\\n``; a
carriage return before it belongs to the line but is not shown. Nothing here reads a file.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A WIT text under the name that messages show for it."""

    path: str
    text: str
    _line_starts: list[int] = field(default_factory=list[int], init=False, repr=False, compare=False)

    def line_starts(self) -> list[int]:
        """The offset of every line's first character; computed once, on first use."""
        if not self._line_starts:
            starts = [0]
            at = self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._line_starts.extend(starts)
        return self._line_starts

    def location(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`; an offset past the end is the end's."""
        offset = min(max(offset, 0), len(self.text))
        starts = self.line_starts()
        line = bisect.bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` without its end; ``""`` past the last line."""
        starts = self.line_starts()
        if number > len(starts):
            return ""
        start = starts[number - 1]
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[start:end].removesuffix("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """The characters ``[start, end)`` of a file."""

    file: SourceFile
    start: int
    end: int

    @property
    def location(self) -> tuple[int, int]:
        """Line and column where the span starts."""
        return self.file.location(self.start)

    @property
    def text(self) -> str:
        """The characters themselves."""
        return self.file.text[self.start : self.end]

    def __str__(self) -> str:
        line, column = self.location
        return f"{self.file.path}:{line}:{column}"

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of `other`, of the same file."""
        return Span(self.file, self.start, max(self.end, other.end))
