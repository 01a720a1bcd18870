"""What a benchmark is made of: workloads, the arms that do the same work, targets, and the figures of their rounds.

A *round* measures every arm of a workload once, in turn. The disk and the neighbours of a shared machine drift by more
than the arms differ, so figures of different rounds are never compared: a ratio is one of a round, and the table shows
the median and the spread of such ratios.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from stage import Stage

Figures: TypeAlias = dict[str, float]
"""Of one arm in one round, by unit; the first is the one that tables and charts show."""
Round: TypeAlias = Mapping[str, Figures]
"""Of all arms of a workload."""
Arm: TypeAlias = Callable[["Stage"], Figures]

OBELISK, DBOS, RESTATE = "Obelisk", "DBOS", "Restate"
PEERS = (DBOS, RESTATE)
CEILING_1, CEILING_128 = "SQLite, 1 call per commit", "SQLite, 128 calls per commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure of a round, and the bounds it should keep. `of` raises KeyError for a round without the arms."""

    text: str
    of: Callable[[Round], float]
    at_least: float = -math.inf
    at_most: float = math.inf

    def is_met(self, value: float) -> bool:
        """Whether a value is within the bounds."""
        return self.at_least <= value <= self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One row of the issue: the same work for all `arms`, which are measured in turn. `work` says what it is."""

    name: str
    work: str
    arms: Mapping[str, Arm]
    targets: Sequence[Target] = ()
    rounds: int | None = None
    """At most so many rounds, where one takes long."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of the rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.lowest == self.highest:
            return short(self.median)
        return f"{short(self.median)} ({short(self.lowest)}–{short(self.highest)})"


def spreads(rounds: Sequence[Round]) -> dict[str, dict[str, Spread]]:
    """Arm → unit → spread over the rounds."""
    table: dict[str, dict[str, Spread]] = {}
    for arm in {name: None for figures in rounds for name in figures}:
        units = {unit: None for figures in rounds for unit in figures.get(arm, {})}
        table[arm] = {
            unit: Spread.of([figures[arm][unit] for figures in rounds if unit in figures.get(arm, {})])
            for unit in units
        }
    return table


def reached(target: Target, rounds: Sequence[Round]) -> Spread | None:
    """A target's figure over the rounds that have its arms; None when none has."""
    values: list[float] = []
    for figures in rounds:
        try:
            values.append(target.of(figures))
        except KeyError:
            continue
    return Spread.of(values) if values else None


def ratio(unit: str, arm: str, other: str) -> Callable[[Round], float]:
    """One arm's figure over another's, in the same round."""
    return lambda figures: figures[arm][unit] / figures[other][unit]


def times(unit: str, factor: float, peer: str) -> Target:
    """At least `factor` times a peer."""
    return Target(text=f"≥ {short(factor)} × {peer}", of=ratio(unit, OBELISK, peer), at_least=factor)


def short(value: float) -> str:
    """Three digits that count; whole numbers from 100 on, with a separator of thousands."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
