"""What this process counts of its own work, and how that is shown: families of samples, named for Prometheus. Pure.

Counting is an integer add in a dictionary or a list; nothing is read, formatted or locked before it is asked for. All
counts begin at 0 with the process.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

SECONDS: Final = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
REQUEST_SECONDS: Final = (0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LENGTHS: Final = (1, 10, 100, 1_000, 10_000, 100_000)


class Counts:
    """A counter for each combination of labels."""

    __slots__ = ("by_labels",)

    def __init__(self) -> None:
        self.by_labels: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str, count: int = 1) -> None:
        """Count something."""
        self.by_labels[labels] = self.by_labels.get(labels, 0) + count


class Distribution:
    """How often a value lay up to each of `bounds`, which ascend."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Distributions:
    """A distribution for each combination of labels, of which there are few."""

    __slots__ = ("_bounds", "by_labels")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.by_labels: dict[tuple[str, ...], Distribution] = {}

    def add(self, value: float, *labels: str) -> None:
        """Count a value."""
        found = self.by_labels.get(labels)
        if found is None:
            found = self.by_labels[labels] = Distribution(self._bounds)
        found.add(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A metric: its name without suffixes, and its value for each combination of the labels; a histogram has
    `distributions` instead of `samples`."""

    name: str
    help: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    samples: Mapping[tuple[str, ...], float] = field(default_factory=dict[tuple[str, ...], float])
    distributions: Mapping[tuple[str, ...], Distribution] = field(default_factory=dict[tuple[str, ...], Distribution])


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The counts of one process; it is handed to all parts that count."""

    submitted: Counts = field(default_factory=Counts)
    """Calls recorded by the use cases: function."""
    finished: Counts = field(default_factory=Counts)
    """Executions that ended here, in a run or without one: function, outcome (``ok``, ``err`` or a failure kind)."""
    attempts: Counts = field(default_factory=Counts)
    """Attempts of activities that ended here: function, end (``finished``, ``retried``, ``paused``)."""
    engine_errors: Counts = field(default_factory=Counts)
    """Runs in which the engine failed, which is a bug of it: function."""
    divergences: Counts = field(default_factory=Counts)
    """Runs of workflows that were paused because their build does not fit the history: function."""
    unfit: Counts = field(default_factory=Counts)
    """Executions that were paused because they have other types than the function that is deployed: function."""
    crashing: Counts = field(default_factory=Counts)
    """Workflows that were paused because their executors were gone whenever they ran: function."""
    claims: Counts = field(default_factory=Counts)
    """Executions claimed: kind of component."""
    leases_lost: Counts = field(default_factory=Counts)
    """How often the executor lost its lease and went on as another one."""
    cut_off: Counts = field(default_factory=Counts)
    """Runs of executors that were gone, taken from them here."""
    retries: Counts = field(default_factory=Counts)
    """What was tried again after it had failed: what it is."""
    refused_guests: Counts = field(default_factory=Counts)
    """Guests for which the process had no room, and that were to be started again later: kind of component."""
    worker_results: Counts = field(default_factory=Counts)
    """Results of workers outside the engine: what became of them."""
    replays: Distribution = field(default_factory=lambda: Distribution(LENGTHS))
    """History events that runs of workflows began with, of those that had any."""
    group_sizes: Distribution = field(default_factory=lambda: Distribution(SIZES))
    """Transactions and operations of a group commit."""
    commit_seconds: Distribution = field(default_factory=lambda: Distribution(SECONDS))
    """What the commits of groups took."""
    lines: Counts = field(default_factory=Counts)
    """Lines of guests: what became of them (``kept``, ``lost``)."""

    def families(self) -> tuple[Family, ...]:
        """All that is counted."""
        function = ("function",)
        return (
            counter("executions_submitted", "Calls recorded.", self.submitted, *function),
            counter("executions_finished", "Executions that ended here.", self.finished, *function, "outcome"),
            counter("attempts", "Attempts of activities that ended here.", self.attempts, *function, "end"),
            counter("engine_errors", "Runs in which the engine failed.", self.engine_errors, *function),
            counter(
                "divergences", "Workflows paused: their build does not fit the history.", self.divergences, *function
            ),
            counter("unfit", "Executions paused: their function has other types by now.", self.unfit, *function),
            counter("crashing", "Workflows paused: their server was gone whenever they ran.", self.crashing, *function),
            counter("executions_claimed", "Pending executions locked here.", self.claims, "kind"),
            counter("leases_lost", "Leases not renewed in time: all runs were dropped.", self.leases_lost),
            counter("runs_cut_off", "Runs taken here from executors that were gone.", self.cut_off),
            counter("retries", "Tries after something had failed, each after a longer pause.", self.retries, "what"),
            counter("worker_results", "Results that workers outside the engine gave.", self.worker_results, "state"),
            counter("guests_refused", "Guests that the process had no room for.", self.refused_guests, "kind"),
            histogram("replay_events", "Events of history that a workflow was replayed from.", {(): self.replays}),
            histogram("commit_group_size", "Transactions that shared a commit.", {(): self.group_sizes}),
            histogram("commit_seconds", "Time that commits took.", {(): self.commit_seconds}),
            counter("guest_lines", "Lines that guests said.", self.lines, "fate"),
        )


PREFIX: Final = "obelisk_"


def gauge(name: str, help_: str, samples: Mapping[tuple[str, ...], float], *labels: str) -> Family:
    """Something that goes up and down."""
    return Family(name=PREFIX + name, help=help_, kind="gauge", labels=labels, samples=samples)


def counter(name: str, help_: str, counts: Counts, *labels: str) -> Family:
    """Something that only grows."""
    return Family(name=PREFIX + name, help=help_, kind="counter", labels=labels, samples=dict(counts.by_labels))


def histogram(name: str, help_: str, distributions: Mapping[tuple[str, ...], Distribution], *labels: str) -> Family:
    """How values are distributed."""
    return Family(name=PREFIX + name, help=help_, kind="histogram", labels=labels, distributions=dict(distributions))
