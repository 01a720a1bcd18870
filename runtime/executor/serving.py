"""What an executor runs, and the places it has for that: the part of it that knows no run."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine

from obelisk.runtime import ids
from obelisk.runtime.catalog.eligibility import Eligible, eligible
from obelisk.runtime.catalog.registry import DeployedFunction, Registry, deployed
from obelisk.runtime.catalog.settings import RUNNABLE, ComponentKind
from obelisk.runtime.executor.environment import Environment
from obelisk.runtime.executor.resuming import why_over
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.log.events import Locked, Paused
from obelisk.runtime.log.state import PausedState
from obelisk.runtime.observe.health import Health
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.observe.tracing import Tracer
from obelisk.runtime.ports.guest import Prepared, Room
from obelisk.runtime.ports.store import Clock, Entropy, Store
from obelisk.runtime.workers.batch import Batch

logger = logging.getLogger(__name__)


class Serving(Environment, ABC):
    """`stopping`: takes no more work; `absent`: has no lease for the moment; `failure`: why it has ended by itself, if
    it has. `served`: there may be paused executions that can go on with what is deployed now."""

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
        super().__init__(clock, entropy, store, settings, metrics, tracer)
        self.store = store
        self.health = health
        self.guests = guests
        self.registry = Registry()
        self.eligible = Eligible()
        self.prepared: dict[str, Prepared] = {}
        self._functions: dict[tuple[str, str], DeployedFunction] = {}
        self.stopping = False
        self.absent = False
        self.failure = ""
        self.wake_event = asyncio.Event()
        self.served = asyncio.Event()
        self.id = ids.EXECUTOR + self.ulid()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def takes_work(self) -> bool:
        """Whether executions may be locked. Without a lease none may: no other executor would ever free them."""
        return not (self.stopping or self.absent or self.health.trouble)

    def can_run(self, ffqn: str, digest: str) -> bool:
        """Whether a function is deployed, and that build of its component is at hand."""
        return ffqn in self.registry.functions and digest in self.prepared

    def function_of(self, ffqn: str, digest: str) -> DeployedFunction | None:
        """A function as the build of a lock has it, which may have been replaced since it was locked; None when it is
        not deployed any more. A build is run with its own types, never with those of another."""
        now = self.registry.functions.get(ffqn)
        if now is not None and now.component.digest == digest and not self.registry.builds:
            return now
        found = self.registry.built(ffqn, digest)
        is_replaced = found is not None and found.component.digest != digest
        return self._functions.get((ffqn, digest), found) if is_replaced else found

    def rename(self) -> None:
        """Be another executor, which has no lease yet."""
        self.absent = True
        self.id = ids.EXECUTOR + self.ulid()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine as long as the executor lives."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel_spawned(self) -> None:
        """End what was spawned."""
        for task in tuple(self._tasks):
            task.cancel()

    def serve(self, registry: Registry, prepared: dict[str, Prepared]) -> None:
        """From now on run the components of `registry`; `prepared` by digest.

        What was served just before stays usable, since something may be locked for it that has no run here yet, and
        so does what runs here. What is locked for an older build is given back.
        """
        before = {component.digest for component in (*self.registry.components, *self.registry.builds)}
        kept = before | self.places.digests() | prepared.keys()
        self.prepared = {digest: code for digest, code in (self.prepared | prepared).items() if digest in kept}
        self._functions = {key: function for key, function in self._functions.items() if key[1] in kept}
        for component in (*registry.components, *registry.builds):
            self._functions.update({(function.ffqn, component.digest): function for function in deployed(component)})
        self.registry = registry
        self.eligible = eligible(registry, self.settings.labels, self.prepared)
        self.served.set()
        self.wake()

    def wake(self) -> None:
        """Claim soon."""
        self.wake_event.set()

    def progressed(self, function: DeployedFunction, locked: Locked, batch: Batch) -> None:
        """What a run of a workflow has added is on record."""
        if not function.stays_hot and not batch.keeps_lock:
            self.wake()  # its lock may be free for another now
        if isinstance(batch.state.status, PausedState):
            now = self.registry.functions.get(function.ffqn)
            if now is None or now.component.digest != locked.digest:
                self.served.set()  # it was paused after it had been looked for what can go on with another build

    def paused(self, ffqn: str, event: Paused) -> None:
        """An execution is paused, which is on record: look for it once more if it can go on with what was deployed
        while it was being paused."""
        if why_over(event, ffqn, self.registry, self.engine):
            self.served.set()

    def reserve(self, function: DeployedFunction) -> Locked | None:
        """A place and the lock to record for one more execution of `function`, or None."""
        digest = function.component.digest
        if function.kind not in RUNNABLE:
            return self.reserve_outside(function)
        if not self.takes_work or digest not in self.eligible.at_once:
            return None
        if self.places.free(function.kind) == 0 and not self.make_room(function.kind):
            return None
        if not self.make_guest_room():
            return None
        locked = Locked(executor=self.id, run=ids.RUN + self.ulid(), digest=digest)
        self.places.take(function.kind, locked.run, digest)
        return locked

    @abstractmethod
    def reserve_outside(self, function: DeployedFunction) -> Locked | None:
        """The same, of a function that no executor runs."""

    @abstractmethod
    def make_guest_room(self) -> bool:
        """Whether the process has room for another guest, perhaps in the place of one that does nothing urgent."""

    @abstractmethod
    def make_room(self, kind: ComponentKind) -> bool:
        """Free a place of `kind` that is held for nothing urgent, if there is one."""

    def broke(self, where: str, error: Exception) -> None:
        """A callback failed, which is a bug: the executor has ended; `failure` tells who watches it."""
        logger.critical("%s broke: dropping all runs", where, exc_info=error)
        self.failure = f"{where} broke: {type(error).__name__}: {error}"
        self.abandon()

    @abstractmethod
    def abandon(self) -> None:
        """End: drop everything at once, write nothing."""
