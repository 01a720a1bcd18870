"""How many submissions may wait for an executor, and what one too many does: it is refused, or the oldest is evicted.

There is a limit for all and one for each component that sets one; the component's own decides first. Executions of
stubs wait for people and count for nothing but the limit of their own component. Children of workflows and what these
schedule count, but are always taken: a workflow cannot be told to come back later. The counts are read before the
commit, so that submissions through several processes at one time may exceed a limit by a few.

Evicted is what has been due the longest and was never begun, in the transaction that records what takes its place. It
ends as `uncategorized`, its parent hears of it, and nothing of it is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.catalog.settings import EVICT_OLDEST, ComponentKind
from obelisk.runtime.errors import QueueFull
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import is_unbegun
from obelisk.runtime.ports.store import Append, Clock, Query, Respond, Store, Write

CANDIDATES = 32
RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLimit:
    """At most `most` executions are pending; `when_full` as in `settings.WHEN_FULL`."""

    most: int
    when_full: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """The end of a pending execution: its writes, the outcome, what its parent gets."""

    execution_id: str
    outcome: log.Failed
    respond: Respond | None
    writes: tuple[Write, ...]


class Admission:
    """See the module's text. `registry` gives what is deployed now, `ulid` a fresh ULID."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Callable[[], Registry],
        clock: Clock,
        ulid: Callable[[], str],
        limit: PendingLimit,
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._ulid = ulid
        self._limit = limit
        self._under_way: dict[str, int] = {}
        self._evicting: set[str] = set()

    def enter(self, function: DeployedFunction) -> None:
        """A submission that is going to wait is under way, until `leave`."""
        name = function.component.name
        self._under_way[name] = self._under_way.get(name, 0) + 1

    def leave(self, function: DeployedFunction, eviction: Eviction | None) -> None:
        """It is on record, or was refused, and with it the eviction that was to make room."""
        self._under_way[function.component.name] -= 1
        if eviction is not None:
            self._evicting.discard(eviction.execution_id)

    async def room_for(self, function: DeployedFunction) -> Eviction | None:
        """What has to go before one more execution of `function`, which has entered, may wait. QueueFull."""
        settings = function.component.settings
        own = [name for name, f in self._registry().functions.items() if f.component.name == function.component.name]
        if settings.max_pending:
            before_us = self._under_way[function.component.name] - 1
            waiting = await self._store.count_pending(own)
            if function.kind is ComponentKind.STUB:
                waiting += await self._store.count(Query(status="awaiting_result", ffqns=tuple(own)))
            if waiting + before_us >= settings.max_pending:
                limit = PendingLimit(most=settings.max_pending, when_full=settings.when_full)
                return await self._full(limit, own, f"of the component {function.component.name}")
        if function.kind is ComponentKind.STUB:
            return None
        stubs = [name for name, f in self._registry().functions.items() if f.kind is ComponentKind.STUB]
        waiting = await self._store.count_pending() + sum(self._under_way.values()) - 1
        if waiting < self._limit.most:
            return None
        if stubs:
            waiting -= await self._store.count_pending(stubs)
        if waiting < self._limit.most:
            return None
        runnable = [name for name, f in self._registry().functions.items() if f.kind is not ComponentKind.STUB]
        return await self._full(self._limit, runnable, "in this database")

    async def _full(self, limit: PendingLimit, ffqns: Sequence[str], where: str) -> Eviction:
        if limit.when_full == EVICT_OLDEST:
            for execution_id in await self._store.oldest_unbegun(ffqns, CANDIDATES):
                eviction = await self._evict(execution_id, f"evicted: more than {limit.most} executions {where} waited")
                if eviction is not None and execution_id not in self._evicting:
                    self._evicting.add(execution_id)
                    return eviction
        message = f"too many executions {where} are waiting: {limit.most}"
        raise QueueFull(message, retry_after_s=RETRY_AFTER_S)

    async def _evict(self, execution_id: str, reason: str) -> Eviction | None:
        """The end of an execution that has not begun; None when it has by now."""
        state = await self._store.state(execution_id)
        if state is None or not is_unbegun(state):
            return None
        now_us = self._clock.now_us()
        outcome = log.Failed(kind=log.FailureKind.UNCATEGORIZED, error_id=f"Err_{self._ulid()}", reason=reason)
        finished = log.Finished(outcome=outcome)
        append = Append(
            execution_id=execution_id,
            version=state.version,
            events=(finished,),
            state=fold.apply(state, finished),
            at_us=now_us,
        )
        join_set = ids.join_set_of(execution_id)
        if state.parent is None or join_set is None:
            return Eviction(execution_id=execution_id, outcome=outcome, respond=None, writes=(append,))
        response = log.ChildFinished(join_set=join_set, child=execution_id, outcome=outcome)
        respond = Respond(execution_id=state.parent, response=response, at_us=now_us)
        return Eviction(execution_id=execution_id, outcome=outcome, respond=respond, writes=(append, respond))
