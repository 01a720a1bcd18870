"""Use cases that steer executions that exist: cancel, pause, go on, give a result.

All are recorded whatever the execution does at that moment, answered only after the commit, and idempotent: asking
for what is so already changes nothing and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from obelisk.codegen.model.problems import Problem
from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.errors import (
    Conflict,
    ExecutionNotFound,
    NotAStub,
    NotCancellable,
    ObeliskError,
    ResultConflict,
    ResultInvalid,
    ValueTooLarge,
)
from obelisk.runtime.external.serving import External
from obelisk.runtime.log.events import (
    CancellationRequested,
    DelayFinished,
    DelayRequest,
    Failed,
    FailureKind,
    Locked,
    Outcome,
    Paused,
    Response,
    Unpaused,
)
from obelisk.runtime.log.state import Cancelling, ExecutionState, FinishedState, PausedState, PendingAt
from obelisk.runtime.observe.metrics import Family
from obelisk.runtime.ports.completions import commit, enqueue
from obelisk.runtime.ports.store import Clock, Create, DropDelay, Intervene, Intervention, Respond, Store
from obelisk.runtime.usecases.effects import Effect, Intervened
from obelisk.runtime.workers import typechecking
from obelisk.runtime.workers.stubs import TYPE_CHECK, Decision, decide, takes_result

MAX_TRIES = 100


class Placement(Protocol):
    """The executor of this process, as far as the use cases are concerned."""

    @property
    def workers(self) -> External | None:
        """Serves workers outside the engine, in a process that does."""
        ...

    def reserve(self, function: DeployedFunction) -> Locked | None:
        """Take a place for one more execution now and give the lock to record, or None when there is none."""
        ...

    def begin(self, new: Create) -> None:
        """What creates the execution is queued: run it as far as that may be."""
        ...

    def launch(self, new: Create) -> None:
        """The execution is on record: run it."""
        ...

    def withdraw(self, new: Create) -> None:
        """The execution was not recorded: free the place."""
        ...

    def is_running(self, execution_id: str) -> bool:
        """Whether a run of the execution is here: then its end is heard of here."""
        ...

    def wake(self) -> None:
        """Something became pending: claim soon."""
        ...

    def intervened(self, executions: Sequence[str]) -> None:
        """Executions were paused or are being cancelled, which is on record: stop what runs here, drive the rest."""
        ...

    def answered(self, execution_id: str, response: Response) -> None:
        """An execution got a response, which is on record."""
        ...

    def supplied(self, decision: Decision) -> None:
        """A stub got its result, which is on record."""
        ...

    def concluded(self, execution_id: str, outcome: Outcome, respond: Respond | None) -> None:
        """An execution was finished without a run, which is on record, with what its parent got."""
        ...

    def gauges(self) -> Sequence[Family]:
        """What is running here now."""
        ...

    async def flush_lines(self) -> None:
        """Write what guests have said so far to the store."""
        ...


async def begin(store: Store, placement: Placement, new: Create) -> None:
    """Create an execution that is locked here, and run it; returns after the commit. Conflict, StoreError."""

    def recorded(error: ObeliskError | None) -> None:
        if error is None:
            placement.launch(new)
        else:
            placement.withdraw(new)

    committed = enqueue(store, (new,), recorded)
    placement.begin(new)
    await committed


class Control:
    """Use cases over one store; `registry` gives what is deployed now."""

    def __init__(
        self, *, store: Store, registry: Callable[[], Registry], clock: Clock, placement: Placement | None
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._placement = placement

    async def cancel(self, wanted: str) -> Intervened:
        """Cancel an execution with all its children, or a delay.

        An execution ends as `cancelled` once its children have ended; that may take as long as a child that is not
        cancellable. A cancelled delay answers ``err`` to the workflow that awaits it. ExecutionNotFound,
        NotCancellable.
        """
        if wanted.startswith(ids.DELAY):
            return await self._cancel_delay(wanted)
        state = await self._state(wanted)
        match state.status:
            case FinishedState():
                return Intervened(id=wanted, effect=Effect.FINISHED)
            case Cancelling():
                return Intervened(id=wanted, effect=Effect.ALREADY)
            case _:
                pass
        function = self._registry().functions.get(state.ffqn)
        if function is not None and not function.cancellable:
            raise NotCancellable(f"{state.ffqn} is not cancellable", execution_id=wanted, ffqn=state.ffqn)
        after = await self._intervene(wanted, CancellationRequested())
        return Intervened(id=wanted, effect=_effect(after, Cancelling))

    async def pause(self, execution_id: str) -> Intervened:
        """Stop an execution until it is unpaused: its run is dropped, an attempt of an activity is given up.

        Its children go on. ExecutionNotFound.
        """
        before = await self._state(execution_id)
        if isinstance(before.status, PausedState):
            return Intervened(id=execution_id, effect=Effect.ALREADY)
        after = await self._intervene(execution_id, Paused())
        return Intervened(id=execution_id, effect=_effect(after, PausedState))

    async def unpause(self, execution_id: str) -> Intervened:
        """Let a paused execution go on; ALREADY when it is not paused. ExecutionNotFound."""
        before = await self._state(execution_id)
        if not isinstance(before.status, PausedState):
            effect = _too_late(before) or Effect.ALREADY
            return Intervened(id=execution_id, effect=effect)
        after = await self._intervene(execution_id, Unpaused())
        if self._placement is not None:
            self._placement.wake()
        return Intervened(id=execution_id, effect=_too_late(after) or Effect.DONE)

    async def retry(self, execution_id: str) -> Intervened:
        """Let the next attempt of an execution be made now instead of at its instant; ALREADY where none is awaited: it
        runs, waits for others or is due. What is paused goes on. ExecutionNotFound."""
        state, now_us = await self._state(execution_id), self._clock.now_us()
        match state.status:
            case PendingAt(at_us=at_us) if at_us > now_us:
                state = await self._intervene(execution_id, Paused())
            case _:
                pass
        if not isinstance(state.status, PausedState):
            return Intervened(id=execution_id, effect=_too_late(state) or Effect.ALREADY)
        after = await self._intervene(execution_id, Unpaused(pending_at_us=now_us))
        if self._placement is not None:
            self._placement.wake()
        return Intervened(id=execution_id, effect=_too_late(after) or Effect.DONE)

    async def stub(self, execution_id: str, result: object) -> Intervened:
        """Give the result of a stub, as JSON of its function's result type; ALREADY for the same result again.

        ExecutionNotFound, NotAStub, ResultInvalid, ValueTooLarge, ResultConflict.
        """
        state = await self._state(execution_id)
        function = self._registry().functions.get(state.ffqn)
        if function is None or not takes_result(state, function):
            raise NotAStub(f"{state.ffqn} is not a stub", execution_id=execution_id, ffqn=state.ffqn)
        _, problems = await typechecking.result_of(function, result)
        if problems:
            raise ResultInvalid(f"the result does not have the type of {state.ffqn}", problems)
        for _ in range(MAX_TRIES):
            decision = await decide(
                self._store, self._registry(), execution_id, state.ffqn, result, self._clock.now_us()
            )
            if decision.unfit:
                raise ResultInvalid(
                    decision.detail, (Problem(pointer="", expected="another type", detail=decision.detail),)
                )
            if decision.error == TYPE_CHECK:  # its type was right a moment ago
                raise ValueTooLarge(decision.detail, execution_id=execution_id)
            if decision.error:
                raise ResultConflict(
                    f"{execution_id} has ended, or is being cancelled, without this result", execution_id=execution_id
                )
            if not decision.writes:
                return Intervened(id=execution_id, effect=Effect.ALREADY)
            try:
                await commit(self._store, decision.writes)
            except Conflict:
                continue  # it has changed meanwhile
            if self._placement is not None:
                self._placement.supplied(decision)
            return Intervened(id=execution_id, effect=Effect.DONE)
        raise Conflict(f"{execution_id} changed again and again; try again", execution_id=execution_id)

    async def _state(self, execution_id: str) -> ExecutionState:
        state = await self._store.state(execution_id)
        if state is None:
            raise ExecutionNotFound(f"no execution {execution_id}", execution_id=execution_id)
        return state

    async def _intervene(self, execution_id: str, event: Intervention) -> ExecutionState:
        """Record it if it is legal by then; the state after that."""
        write = Intervene(execution_id=execution_id, event=event, at_us=self._clock.now_us())
        await commit(self._store, (write,))
        if self._placement is not None and not isinstance(event, Unpaused):
            self._placement.intervened((execution_id,))
        return await self._state(execution_id)

    async def _cancel_delay(self, delay: str) -> Intervened:
        request = ids.EXECUTION + delay.removeprefix(ids.DELAY)
        execution_id, join_set = ids.parent_of(request), ids.join_set_of(request)
        if execution_id is None or join_set is None or not ids.is_execution_id(request):
            raise ExecutionNotFound(f"no delay {delay}", execution_id=delay)
        response = DelayFinished(join_set=join_set, delay=delay, cancelled=True)
        respond = Respond(execution_id=execution_id, response=response, at_us=self._clock.now_us())
        try:
            await commit(self._store, (DropDelay(delay=delay), respond))
        except Conflict:
            return await self._delay_over(execution_id, delay)
        if self._placement is not None:
            self._placement.answered(execution_id, response)
        return Intervened(id=delay, effect=Effect.DONE)

    async def _delay_over(self, execution_id: str, delay: str) -> Intervened:
        """A delay that is not open: it was answered or given up, or there was none."""
        stored = await self._store.load(execution_id)
        events = stored.events if stored is not None else ()
        if not any(isinstance(event, DelayRequest) and event.delay == delay for event in events):
            raise ExecutionNotFound(f"no delay {delay}", execution_id=delay)
        answers = stored.responses if stored is not None else ()
        cancelled = any(isinstance(r, DelayFinished) and r.delay == delay and r.cancelled for r in answers)
        return Intervened(id=delay, effect=Effect.ALREADY if cancelled else Effect.FINISHED)


def _too_late(state: ExecutionState) -> Effect | None:
    match state.status:
        case FinishedState():
            return Effect.FINISHED
        case Cancelling():
            return Effect.CANCELLING
        case _:
            return None


def _effect(after: ExecutionState, wanted: type[Cancelling | PausedState]) -> Effect:
    """DONE unless something else came first. An execution that has ended as cancelled meanwhile was cancelled."""
    status = after.status
    if isinstance(status, FinishedState) and wanted is Cancelling and _is_cancelled(status.outcome):
        return Effect.DONE
    return Effect.DONE if isinstance(status, wanted) else _too_late(after) or Effect.DONE


def _is_cancelled(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed) and outcome.kind is FailureKind.CANCELLED
