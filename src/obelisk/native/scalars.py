"""Scalars of WIT in Python, checked as the ABI checks them, and how a refused value is told."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeAlias

from obelisk.codegen.model import json_form
from obelisk.codegen.model.types import Primitive

Lower: TypeAlias = Callable[[Any, str], Any]
"""Called with the value and its place, as ``order.items[2]``."""
_SHOWN: Final = 80


class Unfit(TypeError):
    """A value is not of its WIT type."""


def shown(value: object) -> str:
    """A value in a message."""
    text = repr(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return text if is_dataclass(value) and not fields(value) else f"{text} ({type(value).__name__})"


def unfit(at: str, expected: str, value: object) -> Unfit:
    """The refusal of a value."""
    return Unfit(f"{at}: expected {expected}, found {shown(value)}")


def as_is(value: Any) -> Any:
    """Lifts what is the same in Python."""
    return value


def nothing(value: Any, at: str) -> Any:
    """Lowers the side of a result that carries nothing."""
    if value is not None:
        raise unfit(at, "None", value)


def _bool(value: Any, at: str) -> Any:
    if not isinstance(value, bool):
        raise unfit(at, "bool", value)
    return value


def _text(value: Any, at: str) -> Any:
    if not isinstance(value, str):
        raise unfit(at, "str for string", value)
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise unfit(at, "text without lone surrogates", value)
    return value


def _char(value: Any, at: str) -> Any:
    if not isinstance(value, str) or len(value) != 1 or "\ud800" <= value <= "\udfff":
        raise unfit(at, "one character", value)
    return value


def _integer(type_: Primitive) -> Lower:
    least, most = json_form.INTEGER_RANGES[type_]

    def apply(value: Any, at: str) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise unfit(at, f"{type_.value} ({least} to {most})", value)
        return value

    return apply


def _float(type_: Primitive) -> Lower:
    def apply(value: Any, at: str) -> Any:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise unfit(at, f"float for {type_.value}", value)
        try:
            number = float(value)
            number = struct.unpack("<f", struct.pack("<f", number))[0] if type_ is Primitive.F32 else number
        except OverflowError:
            raise unfit(at, f"a number within {type_.value}", value) from None
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"

    return apply


SCALARS: Final[dict[Primitive, Lower]] = {
    Primitive.BOOL: _bool,
    Primitive.STRING: _text,
    Primitive.CHAR: _char,
    Primitive.F32: _float(Primitive.F32),
    Primitive.F64: _float(Primitive.F64),
    **{type_: _integer(type_) for type_ in json_form.INTEGER_RANGES},
}
"""How the types without parts are lowered."""
