"""Semantic Versions 2.0.0 in text form: validity and order (semver.org, items 2, 9, 10, 11)."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD = r"[0-9A-Za-z-]+"
_VERSION: Final = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?(?:\+({_BUILD}(?:\.{_BUILD})*))?\Z"
)
_MAX_NUMBER: Final = (1 << 64) - 1

Identifiers: TypeAlias = tuple[tuple[int, int, str], ...]
VersionKey: TypeAlias = tuple[int, int, int, int, Identifiers, Identifiers]


def is_version(text: str) -> bool:
    """Whether `text` is a Semantic Version whose three numbers fit in 64 bits."""
    match = _VERSION.match(text)
    # Twenty digits at most: longer ones cannot fit, and reading them would cost more than linear time.
    return match is not None and all(len(n) <= 20 and int(n) <= _MAX_NUMBER for n in match.group(1, 2, 3))


def version_key(text: str) -> VersionKey:
    """A key that orders versions totally (build metadata breaks ties); ``ValueError`` when `text` is no version."""
    match = _VERSION.match(text)
    if match is None or not is_version(text):
        raise ValueError(f"not a version: {text!r}")
    major, minor, patch, pre, build = match.groups()
    return (int(major), int(minor), int(patch), 0 if pre else 1, _identifiers(pre), _identifiers(build))


def _identifiers(text: str | None) -> Identifiers:
    # Numbers come before words; a longer number is larger, so no big integer is needed.
    if not text:
        return ()
    return tuple(
        (0, len(part.lstrip("0")), part.lstrip("0")) if part.isdigit() else (1, 0, part) for part in text.split(".")
    )
