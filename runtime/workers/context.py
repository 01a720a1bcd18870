"""What runs of workflows and attempts of activities may ask of their executor.

One Protocol, so that a run, what it writes and what its guest prints are all handed the same object.
"""

from __future__ import annotations

from typing import Protocol

from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.log import events as log
from obelisk.runtime.log.lines import Line
from obelisk.runtime.observe import tracing
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.workers.families import Families


class RunContext(Protocol):
    """Time, ids, randomness, what is deployed, places for children, and where lines, counts and spans go."""

    @property
    def registry(self) -> Registry:
        """What is deployed now."""
        ...

    @property
    def engine(self) -> str:
        """The version of the engine."""
        ...

    @property
    def max_depth(self) -> int:
        """How many ancestors an execution may have."""
        ...

    @property
    def families(self) -> Families:
        """How many executions belong together."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Where to count."""
        ...

    def now_us(self) -> int:
        """Microseconds since 1970."""
        ...

    def ulid(self) -> str:
        """A fresh ULID."""
        ...

    def bits(self, count: int) -> int:
        """Random bits."""
        ...

    def reserve(self, function: DeployedFunction) -> log.Locked | None:
        """A place for a child, or None when it has to wait for a claim."""
        ...

    def is_taken(self, execution_id: str, wanted: str) -> bool:
        """Whether the workflow `execution_id` cannot schedule the execution `wanted`, because that exists."""
        ...

    def guest_line(self, execution_id: str, line: Line) -> None:
        """Keep what the guest said; on any thread."""
        ...

    def trace(self, span: tracing.Span) -> None:
        """Hand a span to the tracer."""
        ...
