"""Regular expressions that an operator writes and that are matched against text of strangers: in linear time, always.

A backtracking matcher takes years for some expressions and texts (``(?:a+)+`` and thirty letters): whoever chooses the
text would choose how long. RE2 takes time in proportion to the text, whatever the expression is; in return it has no
back-references, no look-around and no atomic groups. Its syntax: https://github.com/google/re2/wiki/Syntax. Pure.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, cast

import re2  # type: ignore[import-untyped]

_re2 = cast("Any", re2)  # it comes without types


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
