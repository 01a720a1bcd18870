"""Messages of the compiler: values that are collected, ordered and rendered, never raised.

A `Diagnostic` has a stable kebab-case code, the span it is about, other spans that explain it ("first declared here")
and perhaps a hint. `render` shows them for people, `to_json` for tools. `Collector` gathers them, drops exact
duplicates and stops at a limit, so that garbage of any size yields a readable answer in linear time.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from obelisk.codegen.source import SourceFile, Span

MAX_DIAGNOSTICS: Final = 200
MAX_RELATED: Final = 10
_MAX_CANDIDATES: Final = 500
_MAX_HINTS: Final = 50
_SNIPPET_WIDTH: Final = 160
# Shown as they are, these would rearrange or hide the line around them.
_UNSHOWN: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u2028-\u202e\u2066-\u2069]")


class Severity(enum.Enum):
    """Whether a result can still be used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that explains a diagnostic."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One message; `span` is None when it is about no place in a text (a missing file, say)."""

    code: str
    severity: Severity = Severity.ERROR
    span: Span | None = None
    message: str
    hint: str = ""
    related: tuple[Related, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether it makes the result unusable."""
        return self.severity is Severity.ERROR


@dataclass(slots=True)
class Collector:
    """Gathers diagnostics. Past `limit` further ones are counted, not kept, and `is_full` is true."""

    limit: int = MAX_DIAGNOSTICS
    dropped: int = 0
    _kept: dict[tuple[str, int, str, str], Diagnostic] = field(
        default_factory=dict[tuple[str, int, str, str], Diagnostic]
    )
    _hints_left: int = _MAX_HINTS

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep `diagnostic`, unless the same message at the same place is there or the limit is reached."""
        span = diagnostic.span
        key = (span.file.path if span else "", span.start if span else -1, diagnostic.code, diagnostic.message)
        if key in self._kept:
            return
        if len(self._kept) >= self.limit:
            self.dropped += 1
            return
        self._kept[key] = diagnostic

    def error(
        self, code: str, span: Span | None, message: str, *, hint: str = "", related: Iterable[Related] = ()
    ) -> None:
        """Keep an error."""
        self.add(Diagnostic(code=code, span=span, message=message, hint=hint, related=tuple(related)))

    def did_you_mean(self, name: str, candidates: Iterable[str]) -> str:
        """``did you mean `x`?`` for the candidate nearest to `name`, or ``""``. The work is bounded."""
        if self._hints_left <= 0:
            return ""
        self._hints_left -= 1
        near = [c for _, c in zip(range(_MAX_CANDIDATES), candidates, strict=False) if abs(len(c) - len(name)) <= 3]
        matches = difflib.get_close_matches(name, near, n=1, cutoff=0.6) if len(name) <= 100 else []
        return f"did you mean `{matches[0]}`?" if matches else ""

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._kept) >= self.limit

    @property
    def has_errors(self) -> bool:
        """Whether any kept diagnostic is an error."""
        return any(d.is_error for d in self._kept.values())

    def ordered(self) -> tuple[Diagnostic, ...]:
        """What was kept, by file and place; a last one tells how many were dropped."""
        kept = sorted(self._kept.values(), key=_place)
        if self.dropped:
            message = f"too many errors: {self.dropped} more are not shown"
            kept.append(Diagnostic(code="too-many-errors", message=message))
        return tuple(kept)


def _place(diagnostic: Diagnostic) -> tuple[str, int]:
    span = diagnostic.span
    return (span.file.path, span.start) if span else ("", -1)


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """The messages as text: ``file:line:col: error[code]: message``, the line, a caret, related places, the hint."""
    return "\n".join(_render_one(diagnostic) for diagnostic in diagnostics)


def _render_one(diagnostic: Diagnostic) -> str:
    head = f"{diagnostic.severity.value}[{diagnostic.code}]: {diagnostic.message}"
    lines = [f"{diagnostic.span}: {head}" if diagnostic.span else head]
    if diagnostic.span:
        lines += _snippet(diagnostic.span)
    for related in diagnostic.related:
        lines.append(f"  {related.span}: note: {related.message}")
        lines += _snippet(related.span)
    if diagnostic.hint:
        lines.append(f"  hint: {diagnostic.hint}")
    return "\n".join(lines) + "\n"


def _snippet(span: Span) -> list[str]:
    number, column = span.location
    text = _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", span.file.line(number))
    start = column - 1
    width = max(1, min(span.end - span.start, len(text) - start))
    left = 0
    if len(text) > _SNIPPET_WIDTH:
        left = max(0, start - _SNIPPET_WIDTH // 2)
        text = text[left : left + _SNIPPET_WIDTH]
        width = min(width, _SNIPPET_WIDTH // 2)
    # A tab before the caret stays a tab, so that both lines shift alike in any terminal.
    padding = "".join("\t" if char == "\t" else " " for char in text[: start - left])
    return [f" {number:>4} | {text}", f"      | {padding}{'^' * width}"]


def to_json(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic as plain JSON values: code, severity, message, hint, place, related places."""
    result: dict[str, object] = {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
    }
    if diagnostic.hint:
        result["hint"] = diagnostic.hint
    if diagnostic.span:
        result.update(_json_place(diagnostic.span))
    if diagnostic.related:
        result["related"] = [{"message": r.message, **_json_place(r.span)} for r in diagnostic.related]
    return result


def _json_place(span: Span) -> dict[str, object]:
    line, column = span.location
    end_line, end_column = span.file.location(span.end)
    return {"file": span.file.path, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


def errors(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Only the errors."""
    return tuple(d for d in diagnostics if d.is_error)


__all__ = [
    "MAX_DIAGNOSTICS",
    "MAX_RELATED",
    "Collector",
    "Diagnostic",
    "Related",
    "Severity",
    "SourceFile",
    "Span",
    "errors",
    "render",
    "to_json",
]
