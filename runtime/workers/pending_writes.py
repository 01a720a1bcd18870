"""What a run of a workflow adds to the store: events of its log and the writes that belong to them.

New history brings its writes with it, in the same transaction: a request its child or delay, a taken response that is
not known to be committed the demand that it is on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

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
from obelisk.runtime.workers.history_bound import HistoryBound
from obelisk.runtime.workers.stubs import Decision


class _Added(msgspec.Struct):
    """What was added since the last `take`. `moment_us`: the instant of it, once there is history."""

    events: list[log.Event] = msgspec.field(default_factory=list[log.Event])
    writes: list[Write] = msgspec.field(default_factory=list[Write])
    requires: list[log.Response] = msgspec.field(default_factory=list[log.Response])
    children: list[Create] = msgspec.field(default_factory=list[Create])
    delays: list[AddDelay] = msgspec.field(default_factory=list[AddDelay])
    given_up: list[str] = msgspec.field(default_factory=list[str])
    cancels: list[str] = msgspec.field(default_factory=list[str])
    supply: Supply | None = None
    decision: Decision | None = None
    moment_us: int | None = None


class PendingWrites:
    """See the module's text. `committed` holds the requests whose responses are on record; `created` is the
    first event of the execution; `bound` counts its history. `upgrade` is the build that the log goes on with, if it
    is another than the log was made with: the first thing that is added behind the replay says so."""

    def __init__(
        self,
        execution_id: str,
        machine: Machine,
        context: RunContext,
        committed: set[str],
        created: log.Created,
        bound: HistoryBound,
        upgrade: str = "",
    ) -> None:
        self.execution_id = execution_id
        self.machine = machine
        self.context = context
        self.committed = committed
        self.bound = bound
        self.upgrade = upgrade
        self._trace = tracing.below(created.trace, execution_id)
        self._inherited, self._family = created.family, created.family or ids.root_of(execution_id)
        self._new = _Added()
        self._relied: set[str] = set()
        self._cancelled: set[str] = set()
        self.last_us = 0
        """The instant of the newest history that was added here; it is the one that stands in the log, too."""
        self.steps = 0
        """How many events of history were added here."""

    def made(self) -> int:
        """How many steps the guest has made in this run, recorded ones and new ones."""
        return self.machine.facts.position + self.steps

    def event(self, event: log.Event) -> None:
        """An event that brings nothing with it."""
        self._new.events.append(event)

    def history(self, events: Sequence[log.HistoryEvent]) -> None:
        """New history, and what belongs to it."""
        self.bound.add(events)
        new = self._new
        if new.moment_us is None:
            new.moment_us = self.context.now_us()
        self.last_us = new.moment_us
        self.steps += len(events)
        for event in events:
            new.events.append(event)
            match event:
                case log.JoinSetRequest(child=child):
                    self._create(child, event, self.last_us, parent=self.execution_id)
                case log.Schedule(execution_id=execution_id, scheduled_at_us=at_us):
                    self._create(execution_id, event, at_us, parent=None)
                case log.DelayRequest(join_set=join_set, delay=delay, expires_at_us=expires_at_us):
                    add = AddDelay(
                        execution_id=self.execution_id, join_set=join_set, delay=delay, expires_at_us=expires_at_us
                    )
                    new.writes.append(add)
                    new.delays.append(add)
                case log.JoinNext(response=str(response)) | log.JoinNextTry(response=str(response)):
                    self.require((response,))
                case log.JoinSetClose(join_set=join_set):
                    self.require(self.machine.facts.children(join_set))
                    given_up = self.machine.facts.open_delays(join_set)
                    new.writes += [DropDelay(delay=d) for d in given_up]
                    new.given_up += given_up
                case _:
                    pass

    def supply(self, supply: Supply) -> None:
        """Ask for a decision, once all that was added before is on record."""
        self._new.supply = supply

    def decided(self, decision: Decision) -> None:
        """The result of a stub is accepted or not: what accepts it is part of the same transaction."""
        self._new.decision = decision
        self._new.writes += decision.writes

    def require(self, requests: Iterable[str]) -> None:
        """The progress rests on the responses to these requests."""
        for request in requests:
            response = self.machine.facts.response(request) if request not in self.committed else None
            if response is not None:
                self._new.requires.append(response)
                self._relied.add(request)

    @property
    def seen_on_record(self) -> int:
        """How many of the responses that the run was told are on record for sure when what was added is. One that it
        was told early and has not used may come later than another, which it has not seen."""
        return len(self.committed | self._relied)

    def give_up(self) -> None:
        """Nothing of the execution is left but its end: every answer counts, and no delay."""
        self.require(self.machine.facts.submitted())
        self._new.writes.append(DropDelays(execution_id=self.execution_id))

    def cancel(self, children: Iterable[str]) -> None:
        """Ask for the cancellation of those of the children that may be cancelled, once in a run."""
        functions = self.machine.facts.submitted()
        for child in children:
            if child not in self._cancelled:
                self._cancelled.add(child)
                function = self.context.registry.functions.get(functions[child])
                if function is None or function.cancellable:
                    self._new.cancels.append(child)
                    event, at_us = log.CancellationRequested(), self.context.now_us()
                    self._new.writes.append(Intervene(execution_id=child, event=event, at_us=at_us))

    def drop(self) -> tuple[Create, ...]:
        """Forget what was added since the last call of `take`; the children that will not be created."""
        children, self._new, self.upgrade = tuple(self._new.children), _Added(), ""
        return children

    def take(
        self, state: ExecutionState, locked: log.Locked, waits_for: str | None, response: log.ChildFinished | None
    ) -> Batch | None:
        """What was added since the last call, as one transaction, or None. `response` tells the parent of the end."""
        new = self._new
        if not new.events and not new.writes and new.supply is None:
            return None
        self._new = _Added()
        if self.upgrade and not self.machine.facts.recorded.is_replaying:
            new.events.insert(0, log.ComponentUpgraded(digest=self.upgrade))
            self.upgrade = ""
        at_us = self.context.now_us() if new.moment_us is None else new.moment_us
        version = state.version
        for event in new.events:
            state = fold.apply(state, event)
        last = new.events[-1] if new.events else None
        append = Append(
            execution_id=self.execution_id,
            version=version,
            events=tuple(new.events),
            state=state,
            at_us=at_us,
            waits_for=waits_for,
            responses_seen=self.seen_on_record if isinstance(last, log.Unlocked) else None,
            requires=tuple(new.requires),
            run=locked.run,
        )
        writes: list[Write] = [append, *new.writes]
        if response is not None and state.parent is not None:
            writes.append(Respond(execution_id=state.parent, response=response, at_us=at_us))
        return Batch(
            tuple(writes),
            state,
            tuple(new.children),
            tuple(new.delays),
            tuple(new.given_up),
            tuple(new.cancels),
            new.supply,
            new.decision,
            isinstance(last, log.Finished),
        )

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
        self._new.writes.append(create)
        self._new.children.append(create)


def response_to_parent(execution_id: str, outcome: log.Outcome) -> log.ChildFinished | None:
    """What the parent of an execution is told of its outcome; None for one at the top level."""
    join_set = ids.join_set_of(execution_id)
    if join_set is None:
        return None
    return log.ChildFinished(join_set=join_set, child=execution_id, outcome=outcome)
