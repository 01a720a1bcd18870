"""What every run may ask of the process it is in: time, ids, randomness, a place for what its guest says."""

from __future__ import annotations

import logging
from collections.abc import Callable

from obelisk.runtime import ids
from obelisk.runtime.catalog.settings import RUNNABLE
from obelisk.runtime.executor.lines import LineKeeper
from obelisk.runtime.executor.places import Places
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.executor.taken import Taken
from obelisk.runtime.log.events import Created, Failed, Outcome
from obelisk.runtime.log.lines import LEVELS, SOURCES, Line
from obelisk.runtime.log.outcomes import result_kind
from obelisk.runtime.observe import tracing
from obelisk.runtime.observe.metrics import Family, Metrics, gauge
from obelisk.runtime.ports.store import Clock, Entropy, Store
from obelisk.runtime.workers.families import Families

_guest_logger = logging.getLogger("obelisk.guest")


class Environment:
    """The part of an executor that does not depend on what is deployed."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        store: Store,
        settings: ExecutorSettings,
        metrics: Metrics,
        tracer: tracing.Tracer | None,
    ) -> None:
        self.clock = clock
        self.now_us: Callable[[], int] = clock.now_us
        """Microseconds since 1970."""
        self._entropy = entropy
        self._logs = store
        self.settings = settings
        self.engine = settings.engine
        """The version of the engine."""
        self.metrics = metrics
        self._tracer = tracer
        self.places = Places(workflows=settings.hot_workflows, activities=settings.activities)
        self.taken = Taken(store)
        self.families = Families(settings.max_family)
        self.lines = LineKeeper(store, keep_bytes=settings.log_bytes, counts=metrics.lines)

    @property
    def max_depth(self) -> int:
        """How many ancestors an execution may have."""
        return self.settings.max_depth

    def ulid(self) -> str:
        """A fresh ULID."""
        return ids.ulid(self.clock.now_us() // 1000, self._entropy.bits(80))

    def bits(self, count: int) -> int:
        """Random bits."""
        return self._entropy.bits(count)

    def guest_line(self, execution_id: str, line: Line) -> None:
        """Keep a line; on any thread. It also goes to the process's log at DEBUG, as `obelisk.guest`."""
        self.lines.add(execution_id, line)
        if _guest_logger.isEnabledFor(logging.DEBUG):
            source, level = SOURCES[line.source], LEVELS[line.level]
            _guest_logger.debug("%s: %s %s: %r", execution_id, source, level, line.text)

    async def flush_lines(self) -> None:
        """Write what guests have said so far to the store."""
        await self.lines.flush()

    def is_taken(self, execution_id: str, wanted: str) -> bool:
        """Whether a workflow was refused the execution `wanted` that it scheduled, because that exists."""
        return self.taken.has(execution_id, wanted)

    def gauges(self) -> tuple[Family, ...]:
        """What is running here now."""
        running: dict[tuple[str, ...], float] = {(kind.value,): float(self.places.held(kind)) for kind in RUNNABLE}
        return (gauge("running", "Workflows in memory, waiting or not, and attempts of activities.", running, "kind"),)

    def trace(self, span: tracing.Span) -> None:
        """Hand a span to the tracer, if there is one."""
        if self._tracer is not None:
            self._tracer.tell(span)

    async def count_concluded(self, execution_id: str, outcome: Outcome) -> None:
        """As `count`, of one that ended without a run (it was cancelled, evicted, or a stub), if it is still there."""
        for logged in await self._logs.events(execution_id, from_version=0, limit=1):
            if isinstance(logged.event, Created):
                self.count(execution_id, logged.event, outcome)

    def count(self, execution_id: str, created: Created, outcome: Outcome) -> None:
        """An execution has ended here, which is on record."""
        kind = result_kind(outcome)
        self.metrics.finished.add(created.ffqn, kind)
        if self._tracer is None or not created.trace:
            return
        told = tracing.span(
            created.trace,
            of=execution_id,
            name=created.ffqn,
            kind="internal",
            start_us=created.scheduled_at_us,
            end_us=self.now_us(),
            attributes={"obelisk.execution_id": execution_id, "obelisk.outcome": kind},
            error=outcome.reason if isinstance(outcome, Failed) else "",
        )
        if told is not None:
            self._tracer.tell(told)
