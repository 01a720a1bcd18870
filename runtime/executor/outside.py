"""Work that others do: executions whose results come from outside, and attempts that workers outside the engine run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial

from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.executor import breaking
from obelisk.runtime.executor.crowded import Crowded
from obelisk.runtime.executor.fatal import fatal
from obelisk.runtime.executor.reloading import Reloading
from obelisk.runtime.executor.runs import Ended
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.executor.timers import Timers
from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.serving import External
from obelisk.runtime.log import events as log
from obelisk.runtime.observe.health import Health
from obelisk.runtime.observe.metrics import Family, Metrics
from obelisk.runtime.observe.tracing import Tracer
from obelisk.runtime.ports.guest import Room
from obelisk.runtime.ports.store import Clock, Entropy, Respond, Store
from obelisk.runtime.workers.stubs import Decision


class Outside(Crowded):
    """The part of an executor that locks executions for workers and records what they answer. Workers have leases of
    their own: what they hold is theirs, whatever becomes of this executor."""

    reloading: Reloading
    _timers: Timers

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        store: Store,
        settings: ExecutorSettings,
        metrics: Metrics,
        tracer: Tracer | None,
        health: Health,
        guests: Room,
    ) -> None:
        super().__init__(clock, entropy, store, settings, metrics, tracer, health, guests)
        self._ending = set[str]()  # executions whose last attempt has ended, which is not on record yet
        self.workers = External(self, settings.poll_ms / 1000)

    def reserve_outside(self, function: DeployedFunction) -> log.Locked | None:
        """Of a function that workers run, a place with one that waits."""
        return self.workers.matching.reserve(function) if function.kind is ComponentKind.EXTERNAL else None

    def wake(self) -> None:
        """Claim soon, for this executor and for workers that wait."""
        super().wake()
        self.workers.matching.wake()

    def gauges(self) -> tuple[Family, ...]:
        """What is running here now, and with workers."""
        return (*super().gauges(), *self.workers.gauges())

    def cannot_begin(self, error: Exception, execution_id: str, run: str, ffqn: str) -> None:
        """Pause an execution that is locked for `run` and cannot begin."""
        breaking.not_begun(error, execution_id, run, ffqn, self)

    @abstractmethod
    def is_running(self, execution_id: str) -> bool:
        """Whether an execution is run in this process."""

    def set_aside(self, execution_id: str, reason: str) -> None:
        """Pause an execution whose log cannot be read."""
        self.reloading.set_aside(execution_id, reason)

    def record_end(self, attempt: ExternalAttempt, told: Callable[[ObeliskError | None], None]) -> None:
        """Record what a concluded attempt writes; its parent hears of it before the commit, as of any other.

        It hears of it first: then it goes on before the store begins to commit, and what it asks for next is committed
        together with the end.
        """
        self._ending.add(attempt.execution_id)
        self._tell_parent(attempt)
        self.store.enqueue(attempt.writes, partial(self._end_committed, attempt, told))

    @fatal
    def _end_committed(
        self, attempt: ExternalAttempt, told: Callable[[ObeliskError | None], None], error: ObeliskError | None
    ) -> None:
        if not attempt.function.stays_hot:
            self.wake()  # its lock counted towards a limit
        self._ending.discard(attempt.execution_id)
        if error is not None:
            self._drop_parent(attempt, error)
        elif attempt.outcome is not None:
            self._finished(attempt)
        elif attempt.retry_at_us is not None:
            self._timers.at(attempt.retry_at_us, self.wake)
        told(error)

    def supplied(self, decision: Decision) -> None:
        """A stub got its result, which is on record."""
        if decision.outcome is not None:
            self.concluded(decision.execution_id, decision.outcome, decision.respond)

    @abstractmethod
    def concluded(self, execution_id: str, outcome: log.Outcome, respond: Respond | None) -> None:
        """An execution was finished without a run, which is on record, with what its parent got."""

    @abstractmethod
    def _tell_parent(self, run: Ended) -> None: ...

    @abstractmethod
    def _finished(self, run: Ended) -> None: ...

    @abstractmethod
    def _drop_parent(self, run: Ended, error: ObeliskError) -> None: ...
