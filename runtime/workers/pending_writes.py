"""What a run of a workflow adds to the store: events of its log and the writes that belong to them.

New history brings its writes with it, in the same transaction: a request its child or delay, a taken response that is
not known to be committed the demand that it is on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from obelisk.runtime import ids
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.observe import tracing
from obelisk.runtime.ports.store import AddDelay, Append, Create, DropDelay, DropDelays, Intervene, Respond, Write
from obelisk.runtime.replay.machine import Machine
from obelisk.runtime.workers.batch import Batch, Supply
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.stubs import Decision


class PendingWrites:
    """See the module's text. `committed` holds the requests whose responses are on record; `created` is the
    first event of the execution."""

    def __init__(
        self, execution_id: str, machine: Machine, context: RunContext, committed: set[str], created: log.Created
    ) -> None:
        self.execution_id = execution_id
        self.machine = machine
        self.context = context
        self.committed = committed
        self._trace = tracing.below(created.trace, execution_id)
        self._inherited, self._family = created.family, created.family or ids.root_of(execution_id)
        self._events: list[log.Event] = []
        self._writes: list[Write] = []
        self._requires: list[log.Response] = []
        self._relied: set[str] = set()
        self._children: list[Create] = []
        self._delays: list[AddDelay] = []
        self._given_up: list[str] = []
        self._cancels: list[str] = []
        self._cancelled: set[str] = set()
        self._supply: Supply | None = None
        self._decision: Decision | None = None
        self._moment_us: int | None = None
        self.last_us = 0
        """The instant of the newest history that was added here; it is the one that stands in the log, too."""
        self.steps = 0
        """How many events of history were added here."""

    def made(self) -> int:
        """How many steps the guest has made in this run, recorded ones and new ones."""
        return self.machine.position + self.steps

    def event(self, event: log.Event) -> None:
        """An event that brings nothing with it."""
        self._events.append(event)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._events and not self._writes and self._supply is None

    def upgraded(self, digest: str) -> None:
        """The log was replayed whole with another build, which everything that was added comes from."""
        self._events.insert(0, log.ComponentUpgraded(digest=digest))

    def history(self, events: Sequence[log.HistoryEvent]) -> None:
        """New history, and what belongs to it."""
        if not events:
            return
        if self._moment_us is None:
            self._moment_us = self.context.now_us()
        self.last_us = self._moment_us
        self.steps += len(events)
        for event in events:
            self._events.append(event)
            match event:
                case log.JoinSetRequest(child=child):
                    self._create(child, event, self.last_us, parent=self.execution_id)
                case log.Schedule(execution_id=execution_id, scheduled_at_us=at_us):
                    self._create(execution_id, event, at_us, parent=None)
                case log.DelayRequest(join_set=join_set, delay=delay, expires_at_us=expires_at_us):
                    add = AddDelay(
                        execution_id=self.execution_id, join_set=join_set, delay=delay, expires_at_us=expires_at_us
                    )
                    self._writes.append(add)
                    self._delays.append(add)
                case log.JoinNext(response=str(response)) | log.JoinNextTry(response=str(response)):
                    self.require((response,))
                case log.JoinSetClose(join_set=join_set):
                    self.require(self.machine.children(join_set))
                    given_up = self.machine.open_delays(join_set)
                    self._writes += [DropDelay(delay=d) for d in given_up]
                    self._given_up += given_up
                case _:
                    pass

    def supply(self, supply: Supply) -> None:
        """Ask for a decision, once all that was added before is on record."""
        self._supply = supply

    def decided(self, decision: Decision) -> None:
        """The result of a stub is accepted or not: what accepts it is part of the same transaction."""
        self._decision = decision
        self._writes += decision.writes

    def require(self, requests: Iterable[str]) -> None:
        """The progress rests on the responses to these requests."""
        for request in requests:
            response = self.machine.response(request) if request not in self.committed else None
            if response is not None:
                self._requires.append(response)
                self._relied.add(request)

    @property
    def seen_on_record(self) -> int:
        """How many of the responses that the run was told are on record for sure when what was added is. One that it
        was told early and has not used may come later than another, which it has not seen."""
        return len(self.committed | self._relied)

    def give_up(self) -> None:
        """Nothing of the execution is left but its end: every answer counts, and no delay."""
        self.require(self.machine.submitted())
        self._writes.append(DropDelays(execution_id=self.execution_id))

    def cancel(self, children: Iterable[str]) -> None:
        """Ask for the cancellation of those of the children that may be cancelled, once in a run."""
        functions = self.machine.submitted()
        for child in children:
            if child not in self._cancelled:
                self._cancelled.add(child)
                function = self.context.registry.functions.get(functions[child])
                if function is None or function.cancellable:
                    self._cancels.append(child)
                    at_us = self.context.now_us()
                    self._writes.append(Intervene(execution_id=child, event=log.CancellationRequested(), at_us=at_us))

    def drop(self) -> tuple[Create, ...]:
        """Forget what was added since the last call of `take`; the children that will not be created."""
        children = tuple(self._children)
        self._clear()
        return children

    def _clear(self) -> None:
        self._events, self._writes, self._requires = [], [], []
        self._children, self._delays, self._given_up, self._cancels = [], [], [], []
        self._supply = self._decision = self._moment_us = None

    def take(
        self, state: ExecutionState, locked: log.Locked, waits_for: str | None, response: log.ChildFinished | None
    ) -> Batch | None:
        """What was added since the last call, as one transaction, or None. `response` tells the parent of the end."""
        if not self._events and self.is_empty:
            return None
        at_us = self.context.now_us() if self._moment_us is None else self._moment_us
        version = state.version
        for event in self._events:
            state = fold.apply(state, event)
        last = self._events[-1] if self._events else None
        append = Append(
            execution_id=self.execution_id,
            version=version,
            events=tuple(self._events),
            state=state,
            at_us=at_us,
            waits_for=waits_for,
            responses_seen=self.seen_on_record if isinstance(last, log.Unlocked) else None,
            requires=tuple(self._requires),
            run=locked.run,
        )
        writes: list[Write] = [append, *self._writes]
        if response is not None and state.parent is not None:
            writes.append(Respond(execution_id=state.parent, response=response, at_us=at_us))
        batch = Batch(
            tuple(writes),
            state,
            tuple(self._children),
            tuple(self._delays),
            tuple(self._given_up),
            tuple(self._cancels),
            self._supply,
            self._decision,
            isinstance(last, log.Finished),
        )
        self._clear()
        return batch

    def _create(
        self, execution_id: str, request: log.JoinSetRequest | log.Schedule, at_us: int, *, parent: str | None
    ) -> None:
        now_us = self.last_us
        function = self.context.registry.functions.get(request.ffqn)
        families = self.context.families
        lane = families.lane(self._family)
        families.grows(self._family)
        created = log.Created(
            ffqn=request.ffqn,
            params=request.params,
            scheduled_at_us=at_us,
            parent=parent,
            trace=self._trace,
            signature=request.signature,
            awaits_result=function is not None and function.kind is ComponentKind.STUB,
            total_timeout_ms=None if function is None else function.total_timeout_ms,
            family=self._family if parent is None else self._inherited,
        )
        locked = self.context.reserve(function) if function is not None and at_us <= now_us else None
        state = fold.start(created, locked)
        create = Create(execution_id=execution_id, created=created, locked=locked, state=state, at_us=now_us, lane=lane)
        self._writes.append(create)
        self._children.append(create)


def response_to_parent(execution_id: str, outcome: log.Outcome) -> log.ChildFinished | None:
    """What the parent of an execution is told of its outcome; None for one at the top level."""
    join_set = ids.join_set_of(execution_id)
    if join_set is None:
        return None
    return log.ChildFinished(join_set=join_set, child=execution_id, outcome=outcome)
