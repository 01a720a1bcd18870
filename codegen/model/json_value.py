"""JSON values, and the facts about them that even the lightest generated code needs; imports nothing of the model."""

from __future__ import annotations

from typing import Final, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

NON_FINITE: Final = ("NaN", "Infinity", "-Infinity")
"""The strings that stand for the floats that JSON numbers cannot write."""

RANGES: Final[dict[str, tuple[int, int]]] = {
    **{f"s{bits}": (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
}
"""The least and the greatest value of every integer type, by its WIT name."""

WIDE: Final = ("s64", "u64")
"""The integer types whose values may also be given as decimal strings: many JSON readers keep fewer bits."""
