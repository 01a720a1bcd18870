"""One run of a workflow: a guest on a fiber, its replay machine, and what they add to the log.

`advance` moves the guest as far as it can go without waiting; `take` then gives what has to be committed. Progress is
speculative: the guest goes on over events that are not committed yet, because a later commit never lands without the
earlier one. Nothing here has effects: the owner enqueues the transaction, and launches children after its commit.

No child outlives its parent. A run that closes a join set, or whose guest is dead, asks for the cancellation of the
children that have not answered, the newest first, and goes on when all have: `_ask_to_cancel`. Those of functions that
are not cancellable are only waited for. The requests are part of the run's own transaction, so that they are made if
and only if its log has what led to them. A dead guest leaves no history behind: until the execution is finished
another run would replay it to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.guest import (
    PENDING,
    Fiber,
    GuestTrap,
    JsonValue,
    Pending,
    Poll,
    Prepared,
    Returned,
    Trapped,
    Waiting,
    Yielded,
)
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.ports import (
    AddDelay,
    Append,
    Create,
    DropDelay,
    DropDelays,
    Intervene,
    Respond,
    Stored,
    Write,
)
from obelisk.runtime.registry import DeployedFunction
from obelisk.runtime.replay.commands import Answer, Appended, Command, Diverged, Record, Replayed, Step, Suspended
from obelisk.runtime.replay.machine import Machine, MachineMisuse
from obelisk.runtime.workers.answers import ChildFailed, decode
from obelisk.runtime.workers.batch import Batch, Child, Progress, Surroundings
from obelisk.runtime.workers.failures import failed, shorten

Convert: TypeAlias = Callable[[Answer], JsonValue]


class Stopped(Exception):
    """Unwinds a host call of a guest whose run is over (divergence); never leaves the run."""


class WorkflowRun:
    """One lock of one workflow execution, from claim to unload or finish."""

    def __init__(
        self,
        *,
        stored: Stored,
        locked: log.Locked,
        function: DeployedFunction,
        prepared: Prepared,
        around: Surroundings,
    ) -> None:
        self.execution_id = stored.execution_id
        self.locked = locked
        self.function = function
        self.around = around
        self.state = stored.state
        self.outcome: log.Outcome | None = None
        self.lost = False
        self.handles: dict[int, str] = {}
        self._last_handle = 0
        created = stored.events[0]
        assert isinstance(created, log.Created)
        self.parent = created.parent
        history = [e for e in stored.events if isinstance(e, log.HistoryEvent)]
        self.machine = Machine(self.execution_id, history, stored.responses)
        self._committed = {_response_id(r) for r in stored.responses}
        self._fiber: Fiber | None = None
        self._prepared = prepared
        self._params: list[JsonValue] = msgspec.json.decode(created.params)
        self._waits_for: str | None = None
        self._convert: Convert | None = None
        self._result: msgspec.Raw | None = None
        self._divergence: log.Divergence | None = None
        self._events: list[log.Event] = []
        self._writes: list[Write] = []
        self._requires: list[log.Response] = []
        self._children: list[Child] = []
        self._delays: list[AddDelay] = []
        self._cancels: list[str] = []
        self._cancelled: set[str] = set()
        self._ending: log.Failed | None = None
        self._left: dict[str, None] = {}

    # --- what host functions call, during a poll -------------------------------------------------------------------
    def ask(self, command: Command, convert: Convert) -> JsonValue | Pending:
        """Give a command to the machine: the guest's answer, or PENDING until a response comes."""
        try:
            return self._settle(self.machine.step(command), convert)
        except (MachineMisuse, ChildFailed) as error:
            raise GuestTrap(error.message) from None

    def record(self, request: JsonValue, proposed: JsonValue) -> JsonValue:
        """Persist a value from outside; the recorded one on replay."""
        command = Record(_raw(request), _raw(proposed))
        answer = self.ask(command, _decode_raw)
        assert not isinstance(answer, Pending)
        return answer

    def handle(self, join_set: str) -> int:
        """A new handle of a join set for the guest."""
        self._last_handle += 1
        self.handles[self._last_handle] = join_set
        return self._last_handle

    def join_set(self, handle: JsonValue) -> str:
        """The join set of a guest's handle; a stale one traps the guest."""
        found = self.handles.get(handle) if isinstance(handle, int) else None
        if found is None:
            raise GuestTrap("the join set is closed")
        return found

    # --- what the executor calls -----------------------------------------------------------------------------------
    @property
    def waits_for(self) -> str | None:
        """The join set whose next response the guest waits for."""
        return self._waits_for

    def deliver(self, response: log.Response, *, committed: bool) -> bool:
        """Hand over a response; True when the run can advance now.

        `committed` False makes the progress built on it depend on it. It may come again once it is committed.
        """
        if committed:
            self._committed.add(_response_id(response))
        if self._ending is not None:
            self.machine.deliver(response)
            self._left.pop(_response_id(response), None)
            return not self._left
        return self.machine.deliver(response) and self._waits_for is not None

    def advance(self) -> Progress:
        """Run the guest until it waits, has computed for a tick, or is over."""
        if self._ending is not None:
            return self._end(self._ending)
        if self._result is not None:
            return self._close()
        if self._fiber is None:
            self._fiber = self._prepared.start(self.function.export, self._params, self)
        try:
            if self._waits_for is not None and not self._go_on(self._fiber):
                return Progress.BLOCKED
            return self._after(self._fiber.poll())
        except Stopped:
            assert self._divergence is not None
            return self._diverged(self._divergence)

    def _go_on(self, fiber: Fiber) -> bool:
        """Try to answer the host call the guest waits in; False when it still has to wait."""
        convert = self._convert
        assert convert is not None
        try:
            value = self._settle(self.machine.resume(), convert)
        except ChildFailed as error:
            self._waits_for = self._convert = None
            fiber.fail(error.message)
            return True
        if isinstance(value, Pending):
            return False
        self._waits_for = self._convert = None
        fiber.resume(value)
        return True

    def _after(self, poll: Poll) -> Progress:
        match poll:
            case Waiting():
                return Progress.BLOCKED
            case Yielded():
                return Progress.YIELDED
            case Returned(value):
                self._result = _raw(value)
                return self._close()
            case Trapped():
                return self._trapped(poll)

    def _close(self) -> Progress:
        """The guest returned: close its open join sets, then finish."""
        step = self.machine.resume() if self._waits_for is not None else self.machine.finish()
        self._waits_for = None
        match step:
            case Suspended(join_set, events):
                self._add(events)
                self._waits_for = join_set
                self._ask_to_cancel(self.machine.closing)
                return Progress.BLOCKED
            case Diverged(report):
                return self._diverged(report)
            case Appended(events, _):
                self._add(events)
            case Replayed():
                pass
        assert self._result is not None
        return self._finish(log.Returned(value=self._result))

    def _trapped(self, poll: Trapped) -> Progress:
        return self._end(failed(poll, self.around.ulid()))

    def _diverged(self, report: log.Divergence) -> Progress:
        reason = f"the guest asked for something else than history event {report.index} has"
        return self._end(
            log.Failed(
                kind=log.FailureKind.NONDETERMINISM_DETECTED,
                error_id=f"Err_{self.around.ulid()}",
                reason=reason,
                divergence=report,
            )
        )

    def _end(self, failure: log.Failed) -> Progress:
        """The guest is dead: finish once every child has answered."""
        self.close()
        submitted = self.machine.submitted()
        self._left = {child: None for child in submitted if self.machine.response(child) is None}
        if self._left:
            self._ending, self._convert = failure, None
            self._ask_to_cancel(reversed(self._left))
            self._waits_for = ids.join_set_of(next(reversed(self._left)))
            return Progress.BLOCKED
        self._waits_for = None
        self._require(submitted)
        self._writes.append(DropDelays(execution_id=self.execution_id))
        return self._finish(failure)

    def _ask_to_cancel(self, children: Iterable[str]) -> None:
        """Ask for the cancellation of those of the children that may be cancelled, once in a run."""
        functions = self.machine.submitted()
        for child in children:
            if child not in self._cancelled:
                self._cancelled.add(child)
                function = self.around.registry.functions.get(functions[child])
                if function is None or function.cancellable:
                    self._cancels.append(child)
                    at_us = self.around.now_us()
                    self._writes.append(Intervene(execution_id=child, event=log.CancellationRequested(), at_us=at_us))

    def _finish(self, outcome: log.Outcome) -> Progress:
        self.outcome = outcome
        self._events.append(log.Finished(outcome=outcome))
        self.close()
        return Progress.FINISHED

    def broken(self, error: Exception) -> Progress:
        """The run cannot go on for a reason that is not the guest's: end the execution, keep its log."""
        reason = shorten(f"{type(error).__name__}: {error}")
        kind = log.FailureKind.UNCATEGORIZED
        return self._end(log.Failed(kind=kind, error_id=f"Err_{self.around.ulid()}", reason=reason))

    def unload(self, reason: str, *, ready: bool) -> None:
        """End the run without a result: the log gets Unlocked, the guest is freed; `take` has the write.

        `ready` True when the run could go on at once: then it does not wait for a response.
        """
        if self._left:
            self._waits_for = ids.join_set_of(next(reversed(self._left)))
        join_set = None if ready else self._waits_for
        self._events.append(log.Unlocked(reason=reason, pending_at_us=self.around.now_us(), join_set=join_set))
        self.close()

    def take(self) -> Batch | None:
        """What was added since the last call, or None."""
        if not self._events and not self._writes:
            return None
        at_us, version = self.around.now_us(), self.state.version
        for event in self._events:
            self.state = fold.apply(self.state, event)
        unlocked = bool(self._events) and isinstance(self._events[-1], log.Unlocked)
        append = Append(
            execution_id=self.execution_id,
            version=version,
            events=tuple(self._events),
            state=self.state,
            at_us=at_us,
            waits_for=self._waits_for,
            responses_seen=self.machine.responses_seen if unlocked else None,
            requires=tuple(self._requires),
            run=self.locked.run,
        )
        writes: list[Write] = [append, *self._writes]
        response = self.response()
        if response is not None and self.parent is not None:
            writes.append(Respond(execution_id=self.parent, response=response, at_us=at_us))
        batch = Batch(
            tuple(writes),
            tuple(self._children),
            tuple(self._delays),
            tuple(self._cancels),
            self.outcome is not None,
        )
        self._events, self._writes, self._requires = [], [], []
        self._children, self._delays, self._cancels = [], [], []
        return batch

    def response(self) -> log.ChildFinished | None:
        """What the parent is told once there is an outcome."""
        join_set = ids.join_set_of(self.execution_id)
        if self.outcome is None or join_set is None:
            return None
        return log.ChildFinished(join_set=join_set, child=self.execution_id, outcome=self.outcome)

    def close(self) -> None:
        """Free the guest. Idempotent."""
        if self._fiber is not None:
            self._fiber.close()

    # --- inside ----------------------------------------------------------------------------------------------------
    def _settle(self, step: Step, convert: Convert) -> JsonValue | Pending:
        match step:
            case Replayed(value):
                return convert(value)
            case Appended(events, value):
                self._add(events)
                return convert(value)
            case Suspended(join_set, events):
                self._add(events)
                self._waits_for, self._convert = join_set, convert
                if closing := self.machine.closing:
                    self._ask_to_cancel(closing)
                return PENDING
            case Diverged(report):
                self._divergence = report
                raise Stopped

    def _add(self, events: Sequence[log.HistoryEvent]) -> None:
        """Take new history in: children and delays become writes of the same transaction."""
        for event in events:
            self._events.append(event)
            match event:
                case log.JoinSetRequest(child=child, ffqn=ffqn, params=params):
                    self._create(child, ffqn, params, self.around.now_us(), parent=self.execution_id)
                case log.Schedule(execution_id=execution_id, ffqn=ffqn, params=params, scheduled_at_us=at_us):
                    self._create(execution_id, ffqn, params, at_us, parent=None)
                case log.DelayRequest(join_set=join_set, delay=delay, expires_at_us=expires_at_us):
                    add = AddDelay(
                        execution_id=self.execution_id, join_set=join_set, delay=delay, expires_at_us=expires_at_us
                    )
                    self._writes.append(add)
                    self._delays.append(add)
                case log.JoinNext(response=str(response)) | log.JoinNextTry(response=str(response)):
                    self._require((response,))
                case log.JoinSetClose(join_set=join_set):
                    self._require(self.machine.children(join_set))
                    self._writes += [DropDelay(delay=d) for d in self.machine.open_delays(join_set)]
                case _:
                    pass

    def _require(self, requests: Iterable[str]) -> None:
        """The progress rests on the responses to these requests."""
        for request in requests:
            response = self.machine.response(request) if request not in self._committed else None
            if response is not None:
                self._requires.append(response)

    def _create(self, execution_id: str, ffqn: str, params: msgspec.Raw, at_us: int, *, parent: str | None) -> None:
        now_us = self.around.now_us()
        created = log.Created(ffqn=ffqn, params=params, scheduled_at_us=at_us, parent=parent)
        function = self.around.registry.functions.get(ffqn)
        locked = self.around.reserve(function) if function is not None and at_us <= now_us else None
        state = fold.start(created, locked)
        self._writes.append(
            Create(execution_id=execution_id, created=created, locked=locked, state=state, at_us=now_us)
        )
        self._children.append(Child(execution_id, created, locked, state))


def _response_id(response: log.Response) -> str:
    return response.child if isinstance(response, log.ChildFinished) else response.delay


def _raw(value: JsonValue) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _decode_raw(answer: Answer) -> JsonValue:
    assert isinstance(answer, msgspec.Raw)
    return decode(answer)
