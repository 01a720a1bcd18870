"""Regular expressions that are matched against text of strangers: in linear time, always. Operators write some of them.

A backtracking matcher takes years for some expressions and texts (``(?:a+)+`` and thirty letters): the author of the
text would choose how long. RE2 takes time in proportion to the text, whatever the expression is; in return it has no
back-references, no look-around and no atomic groups. Its syntax: https://github.com/google/re2/wiki/Syntax. Pure.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, cast

import re2  # type: ignore[import-untyped]

_re2 = cast("Any", re2)  # it comes without types
_FINDER_BYTES: Final = 1 << 26
"""What looking for one expression may take of memory."""


class PatternInvalid(ValueError):
    """A text is no expression that can be matched in linear time; says why."""


class Pattern(Protocol):
    """An expression."""

    def matches(self, text: str) -> bool:
        """Whether the whole text is of it."""
        ...


class _Linear:
    """One of RE2."""

    __slots__ = ("_compiled",)

    def __init__(self, text: str) -> None:
        options = _re2.Options()
        options.log_errors = False  # what is wrong is raised; RE2 would write it to stderr, too
        try:
            self._compiled = _re2.compile(text, options)
        except _re2.error as error:
            reason = error.args[0] if error.args else "not understood"
            raise PatternInvalid(
                reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
            ) from None
        except UnicodeEncodeError:
            raise PatternInvalid("a lone surrogate is no character") from None

    def matches(self, text: str) -> bool:
        """See `Pattern`."""
        return self._compiled.fullmatch(text) is not None


class _Nothing:
    """No text is of it."""

    __slots__ = ()

    def matches(self, text: str) -> bool:
        """See `Pattern`."""
        return False


NOTHING: Final[Pattern] = _Nothing()


def compiled(text: str) -> Pattern:
    """The expression that `text` writes. PatternInvalid."""
    return _Linear(text)


class Finder(Protocol):
    """An expression that is looked for in bytes."""

    def find(self, data: bytes, start: int) -> tuple[int, int] | None:
        """Where the first that begins at `start` or later begins and ends."""
        ...

    def is_whole(self, data: bytes) -> bool:
        """Whether all of `data` is of it."""
        ...


class _LinearFinder:
    __slots__ = ("_compiled",)

    def __init__(self, expression: bytes) -> None:
        options = _re2.Options()
        options.log_errors, options.max_mem = False, _FINDER_BYTES
        options.encoding = _re2.Options.Encoding.LATIN1
        try:
            self._compiled = _re2.compile(expression, options)
        except _re2.error:
            raise PatternInvalid("the expression is too large") from None

    def find(self, data: bytes, start: int) -> tuple[int, int] | None:
        """See `Finder`."""
        found = self._compiled.search(data, start)
        return None if found is None else found.span()

    def is_whole(self, data: bytes) -> bool:
        """See `Finder`."""
        return self._compiled.fullmatch(data) is not None


def finder(expression: bytes) -> Finder:
    """What looks for an expression, written byte by byte; of two that begin at one place the one written first.

    PatternInvalid.
    """
    return _LinearFinder(expression)
