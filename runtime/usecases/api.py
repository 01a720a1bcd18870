"""The use cases: everything the gateway and the command line may ask of the runtime.

`Api` checks and records; it runs nothing. An answer is given only after the commit that covers it (the output-commit
rule). The executor, if one lives in this process, takes part through `Placement`: it may lock a new execution in the
very transaction that creates it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from obelisk.runtime import ids
from obelisk.runtime.catalog.eligibility import why_waiting, with_deadline
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.catalog.repeating import require_comparable, require_same
from obelisk.runtime.catalog.settings import REJECT, ComponentKind
from obelisk.runtime.catalog.unmarked import marked
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.errors import (
    Conflict,
    ExecutionNotFound,
    ParamsInvalid,
    QueueFull,
    StoreError,
    Unsupported,
    ValueTooLarge,
)
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created, Finished, Locked, Outcome
from obelisk.runtime.log.lines import LEVELS, Lines
from obelisk.runtime.observe.health import Health
from obelisk.runtime.observe.metrics import Family, Metrics, gauge
from obelisk.runtime.observe.tracing import Tracer
from obelisk.runtime.ports.completions import Completions, commit
from obelisk.runtime.ports.slices import Slice
from obelisk.runtime.ports.store import (
    Clock,
    Create,
    Entropy,
    LoggedEvent,
    LoggedResponse,
    Page,
    Query,
    Store,
    Summary,
)
from obelisk.runtime.replay.verdicts import Verdict
from obelisk.runtime.usecases.admission import Admission, Eviction, PendingLimit
from obelisk.runtime.usecases.checking import Checking
from obelisk.runtime.usecases.control import Control, Placement, begin
from obelisk.runtime.usecases.effects import Effect, Intervened
from obelisk.runtime.usecases.overview import Overview
from obelisk.runtime.usecases.replaying import Replaying
from obelisk.runtime.workers import typechecking

MAX_TRIES = 100
SHOWN_REQUESTS = 10
LINES_SETTLE_US = 1_000_000
PENDING = "pending_at"
DEFAULT_LIMIT = PendingLimit(most=100_000, when_full=REJECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A call to record. `params`: a JSON object of named parameters (snake_case) or an array in order. `trace`: the
    ``traceparent`` of the caller, ``""`` when it is not traced. `tags` as of `tags.parse`, `caller` as in `Created`."""

    ffqn: str
    params: object
    key: str | None = None
    trace: str = ""
    tags: tuple[str, ...] = ()
    caller: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A recorded call; `created` False when the idempotency key had it already."""

    execution_id: str
    created: bool


class Api:
    """Use cases over one store. `deployment` holds the current registry; `placement` None means: submit only."""

    def __init__(
        self,
        *,
        store: Store,
        deployment: Deployment,
        clock: Clock,
        entropy: Entropy,
        completions: Completions,
        placement: Placement | None = None,
        health: Health | None = None,
        pending: PendingLimit = DEFAULT_LIMIT,
        metrics: Metrics | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._store = store
        self.news = store.news
        self.workers = placement.workers if placement is not None else None
        self.deployment = deployment
        self._clock, self._entropy = clock, entropy
        self._completions = completions
        self._placement = placement
        self._health = health or Health()
        self._metrics = metrics or Metrics()
        self.tracer = tracer
        self._admission = Admission(
            store=store,
            registry=lambda: deployment.registry,
            clock=clock,
            ulid=lambda: ids.ulid(clock.now_us() // 1000, entropy.bits(80)),
            limit=pending,
        )
        self.overview = Overview(store=store, clock=clock)
        self.checking = Checking(store=store, deployment=deployment, clock=clock)
        self._replaying = Replaying(store=store, deployment=deployment, clock=clock, entropy=entropy)
        self.control = Control(store=store, registry=lambda: deployment.registry, clock=clock, placement=placement)

    @property
    def registry(self) -> Registry:
        """The current snapshot of what is deployed."""
        return self.deployment.registry

    @property
    def trouble(self) -> str:
        """Why the store takes no writes, or ``""`` when it does as far as is known."""
        return self._health.trouble

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self._clock.now_us()

    async def submit(self, submission: Submission) -> Submitted:
        """Typecheck and record a call.

        FunctionNotFound, ParamsInvalid and ValueTooLarge (nothing logged), Unsupported (no JSON form),
        IdempotencyConflict, QueueFull.
        """
        function = self.registry.function(submission.ffqn)
        if function.unsupported:
            raise Unsupported(f"{function.ffqn} cannot be submitted: {function.unsupported}", ffqn=function.ffqn)
        params, problems = await typechecking.params_of(function, submission.params)
        if params is None:
            if submission.key is not None and (found := await self._under(submission.key)) is not None:
                require_comparable(*found, function)
            raise ParamsInvalid(f"parameters of {function.ffqn} do not typecheck", problems)
        raw = msgspec.Raw(msgspec.json.encode(params))
        if len(raw) > (limit := function.component.settings.max_value_bytes):
            if submission.key is not None and await self._store.by_key(submission.key) is not None:
                return await self._existing(submission.key, function, raw)
            detail = f"the parameters have {len(raw)} bytes as JSON, at most {limit} are allowed"
            raise ValueTooLarge(detail, ffqn=function.ffqn)
        for _ in range(MAX_TRIES):
            try:
                return await self._record(function, raw, submission)
            except (Conflict, QueueFull) as error:
                if submission.key is not None and await self._store.by_key(submission.key) is not None:
                    return await self._existing(submission.key, function, raw)
                if isinstance(error, QueueFull):
                    raise
        raise Conflict("what was to make room for the execution began again and again; try again")

    async def _record(self, function: DeployedFunction, params: msgspec.Raw, submission: Submission) -> Submitted:
        """Create the execution, locked here if there is a place. Conflict: the key is taken, or another made room."""
        locked = self._placement.reserve(function) if self._placement else None
        create = self._create(function, params, submission, locked)
        try:
            if self._placement is not None and locked is not None:
                await begin(self._store, self._placement, create)
            else:
                await self._leave_pending(function, create)
        except StoreError as error:
            self._health.failed(error)
            raise
        self._metrics.submitted.add(function.ffqn)
        return Submitted(execution_id=create.execution_id, created=True)

    def _create(
        self, function: DeployedFunction, params: msgspec.Raw, submission: Submission, locked: Locked | None
    ) -> Create:
        now_us = self._clock.now_us()
        created = Created(
            ffqn=function.ffqn,
            params=params,
            scheduled_at_us=now_us,
            trace=submission.trace,
            tags=submission.tags,
            caller=submission.caller,
            signature=function.signature,
            awaits_result=function.kind is ComponentKind.STUB,
            total_timeout_ms=function.total_timeout_ms,
        )
        return Create(
            execution_id=ids.EXECUTION + ids.ulid(now_us // 1000, self._entropy.bits(80)),
            created=created,
            locked=locked,
            state=fold.start(created, locked),
            at_us=now_us,
            key=submission.key,
        )

    async def _leave_pending(self, function: DeployedFunction, create: Create) -> None:
        """Create an execution that waits to be claimed, as far as the limits allow."""
        eviction: Eviction | None = None
        self._admission.enter(function)
        try:
            eviction = await self._admission.room_for(function)
            await commit(self._store, (create, *(eviction.writes if eviction is not None else ())))
        finally:
            self._admission.leave(function, eviction)
        if self._placement is not None:
            if eviction is not None:
                self._placement.concluded(eviction.execution_id, eviction.outcome, eviction.respond)
            self._placement.wake()

    async def _existing(self, key: str, function: DeployedFunction, params: msgspec.Raw) -> Submitted:
        found = await self._under(key)
        if found is None:
            raise Conflict("the idempotency key was taken and let go at the same time; try again")
        require_same(*found, function, params)
        return Submitted(execution_id=found[0], created=False)

    async def _under(self, key: str) -> tuple[str, Created] | None:
        """The execution on record under an idempotency key, and how it began."""
        execution_id = await self._store.by_key(key)
        first = await self._store.events(execution_id, from_version=0, limit=1) if execution_id else ()
        if execution_id is None or not first or not isinstance(first[0].event, Created):
            return None
        return execution_id, first[0].event

    async def wait(self, execution_id: str, timeout_s: float, *, submitted: bool = False) -> Outcome | None:
        """The outcome once the execution has finished, or None when `timeout_s` passed first. ExecutionNotFound.

        `submitted`: by the caller, just now; it cannot have been deleted, and its end may have landed with its begin.
        """
        if submitted and (outcome := self._completions.recent(execution_id)) is not None:
            return outcome

        async def look() -> Outcome | None:
            """What runs here is heard of here; only whether it still does is looked at."""
            here = self._placement is not None and self._placement.is_running(execution_id)
            return None if here else await self.outcome(execution_id)

        return await self._completions.wait(execution_id, timeout_s, look)

    def stop_waiting(self) -> None:
        """End all waits of this process, from now on too, as if their time was up."""
        self._completions.give_up()

    async def outcome(self, execution_id: str) -> Outcome | None:
        """The outcome of a finished execution, None of one that is not. ExecutionNotFound."""
        summary = await self._summary(execution_id)
        if summary.status != "finished":
            return None
        last = await self._store.events(execution_id, from_version=summary.version - 1, limit=1)
        event = last[0].event
        assert isinstance(event, Finished)
        return marked(event.outcome, summary.ffqn, self.registry)

    async def get(self, execution_id: str) -> Summary:
        """One execution's line, with what it waits for. ExecutionNotFound."""
        (summary,) = await self._explained((await self._summary(execution_id),))
        if summary.waits_for is None:
            return summary
        waiting = await self._store.waiting(execution_id, summary.waits_for, limit=SHOWN_REQUESTS)
        requests = tuple(with_deadline(self.registry, request) for request in waiting.requests[:SHOWN_REQUESTS])
        return replace(summary, waiting=replace(waiting, requests=requests))

    async def list(self, query: Query) -> Page:
        """A page of executions, newest first."""
        page = await self._store.list(query)
        return Page(items=await self._explained(page.items), cursor=page.cursor)

    async def count(self, query: Query) -> int:
        """How many executions a query finds."""
        return await self._store.count(query)

    async def _summary(self, execution_id: str) -> Summary:
        summary = await self._store.summary(execution_id)
        if summary is None:
            raise ExecutionNotFound(f"no execution {execution_id}", execution_id=execution_id)
        return summary

    async def _explained(self, summaries: tuple[Summary, ...]) -> tuple[Summary, ...]:
        """With the reason of those that are pending and that no executor will take."""
        if not any(summary.status == PENDING for summary in summaries):
            return summaries
        leases, now_us = await self._store.leases(), self._clock.now_us()
        return tuple(
            replace(summary, reason=why_waiting(self.registry, summary.ffqn, leases, now_us, summary.build))
            if summary.status == PENDING
            else summary
            for summary in summaries
        )

    async def events(self, execution_id: str, *, from_version: int = 0, limit: int = 100) -> Slice[LoggedEvent]:
        """A slice of an execution's log. ExecutionNotFound."""
        found = await self._store.events(execution_id, from_version=from_version, limit=limit)
        if not found:
            await self._summary(execution_id)
        return found

    async def responses(self, execution_id: str, *, from_number: int = 0, limit: int = 100) -> Slice[LoggedResponse]:
        """A slice of an execution's responses. ExecutionNotFound."""
        found = await self._store.responses(execution_id, from_number=from_number, limit=limit)
        if not found:
            await self._summary(execution_id)
        return found

    async def lines(self, execution_id: str, *, from_number: int = 0, limit: int = 100, level: str = "trace") -> Lines:
        """What an execution's guest logged and wrote to its standard streams, of at least `level` (`lines.LEVELS`).

        What executors of other processes heard may be missing for a fraction of a second. ExecutionNotFound.
        """
        if self._placement is not None:
            await self._placement.flush_lines()
        number = LEVELS.index(level)
        found = await self._store.lines(execution_id, from_number=from_number, limit=limit, level=number)
        if not found.items and not found.dropped:
            await self.get(execution_id)
        return found

    async def metrics(self) -> tuple[Family, ...]:
        """What this process counted, what runs here, and what waits in the store."""
        # Those of before there was a state for them are pending in their logs.
        stubs = tuple(f.ffqn for f in self.registry.functions.values() if f.kind is ComponentKind.STUB)
        old = await self._store.count_pending(stubs)
        pending = await self._store.count_pending() - old
        awaiting = await self._store.count(Query(status="awaiting_result")) + old
        oldest_us = await self._store.next_pending_us(-1, but=stubs)
        lag_s = 0.0 if oldest_us is None else max(0, self._clock.now_us() - oldest_us) / 1e6
        return (
            *self._metrics.families(),
            *(self._placement.gauges() if self._placement is not None else ()),
            gauge("pending", "Executions that wait for an executor, of any process.", {(): pending}),
            gauge("awaiting_result", "Executions of stubs that wait for a result from outside.", {(): awaiting}),
            gauge("queue_lag_seconds", "For how long the oldest execution that is due has waited.", {(): lag_s}),
            gauge("store_writable", "Whether the store takes writes as far as is known.", {(): not self.trouble}),
        )

    async def said_all(self, execution_id: str) -> bool:
        """Whether no line will be added any more: it has finished, and long enough ago for the last to be written."""
        finished_at_us = (await self.get(execution_id)).finished_at_us
        return finished_at_us is not None and self._clock.now_us() - finished_at_us >= LINES_SETTLE_US

    async def cancel(self, wanted: str) -> Intervened:
        """See `Control.cancel`. ExecutionNotFound, NotCancellable."""
        return await self.control.cancel(wanted)

    async def pause(self, execution_id: str) -> Intervened:
        """See `Control.pause`. ExecutionNotFound."""
        return await self.control.pause(execution_id)

    async def unpause(self, execution_id: str) -> Intervened:
        """See `Control.unpause`. ExecutionNotFound."""
        return await self.control.unpause(execution_id)

    async def stub(self, execution_id: str, result: object) -> Intervened:
        """See `Control.stub`. ExecutionNotFound, NotAStub, ResultInvalid, ValueTooLarge, ResultConflict."""
        return await self.control.stub(execution_id, result)

    async def delete(self, *, finished_before_us: int, after: int, limit: int, where: Query) -> tuple[int, int | None]:
        """Delete about `limit` executions of trees that finished before an instant: see `Store.prune`."""
        return await self._store.prune(finished_before_us=finished_before_us, after=after, limit=limit, where=where)

    async def replay(self, execution_id: str, build: str | None = None) -> Verdict:
        """See `Replaying.replay`. ExecutionNotFound, NotReplayable."""
        return await self._replaying.replay(execution_id, build)

    async def fork(self, execution_id: str, at_version: int, component: str | None = None) -> str:
        """See `Replaying.fork`. ExecutionNotFound, NotReplayable, ForkInvalid, Incompatible."""
        forked = await self._replaying.fork(execution_id, at_version, component)
        if self._placement is not None:
            self._placement.wake()
        return forked

    async def upgrade(self, execution_id: str) -> Intervened:
        """See `Replaying.upgrade`. ExecutionNotFound, NotReplayable, Incompatible."""
        intervened = await self._replaying.upgrade(execution_id)
        if self._placement is not None and intervened.effect is Effect.DONE:
            self._placement.intervened((execution_id,))
            self._placement.wake()
        return intervened

    async def add_component(self, name: str, source: bytes, settings: Mapping[str, object] | None) -> str:
        """Deploy a component (binary or text) under `name`, replacing an earlier one, whose settings it keeps when
        `settings` is None; its digest. ComponentError, ImportRefused, ConfigError; nothing is written then."""
        return await self.deployment.add(name, source, settings)

    async def remove_component(self, name: str, *, force: bool = False) -> str:
        """See `Deployment.remove`. ComponentNotFound, ComponentInUse."""
        return await self.deployment.remove(name, force=force)
