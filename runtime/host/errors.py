"""What the host refuses by itself, apart from the runtime's own errors (`runtime.errors`)."""

from __future__ import annotations

from typing import Final

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.ports.guest import AnswerUnfit

_SHOWN: Final = 80


class AbiError(ObeliskError):
    """A value does not have the canonical JSON form of its WIT type, or a component gave another type than declared."""

    code = "abi_mismatch"


class UnfitAnswer(AbiError, AnswerUnfit):
    """What a handler answered does not have its WIT type."""

    code = "abi_mismatch"


class Stopped(ObeliskError):
    """The fiber was used after its end, or the engine after it was closed: a mistake of the caller."""

    code = "host_stopped"


def mismatch(expected: str, found: object) -> AbiError:
    """The error for a value of the wrong form; the value is shown shortened."""
    text = repr(found)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return AbiError(f"expected {expected}, found {shown}", expected=expected)
