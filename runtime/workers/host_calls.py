"""The host calls of one run of a workflow: what host functions need, from a guest's call to a command for the machine.

Handlers get a `HostCalls` as their context. What a call adds to the log goes to the sink. A call that has to wait
leaves the run in another phase, which `WorkflowRun` goes on from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import MOST_VALUE_BYTES, PENDING, GuestTrap, HostMemory, JsonValue, Pending
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.replay.commands import Appended, Command, Diverged, Record, Replayed, Step, SupplyResult, Suspended
from obelisk.runtime.replay.machine import Machine, MachineMisuse
from obelisk.runtime.workers import answers
from obelisk.runtime.workers.answers import ChildFailed
from obelisk.runtime.workers.batch import Supply
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.guest_output import GuestOutput
from obelisk.runtime.workers.join_set_handles import JoinSetHandles
from obelisk.runtime.workers.pending_writes import PendingWrites
from obelisk.runtime.workers.phases import Awaiting, Convert, Deciding, Phase

Sink: TypeAlias = Callable[[Sequence[log.HistoryEvent]], None]
"""Where new history goes."""


class Stopped(Exception):
    """Unwinds a host call of a guest that left its history; never leaves the run."""

    def __init__(self, report: log.Divergence) -> None:
        super().__init__()
        self.report = report


class HostCalls:
    """See the module's text. `run`: its id; `phase`: where it is; `asked`: how many calls there were; `judged`: what
    was found of the arguments of the call under way, see `guest.ImportFunction`."""

    def __init__(
        self,
        *,
        stored: Stored,
        run: str,
        family: str,
        function: DeployedFunction,
        context: RunContext,
        machine: Machine,
        added: PendingWrites,
        sink: Sink,
        phase: Phase,
    ) -> None:
        self.stored, self.run = stored, run
        self.family, self.depth = family, ids.depth(stored.execution_id)
        self.function = function
        self.context = context
        self.machine = machine
        self.added = added
        self.sink = sink
        self.phase = phase
        self.memory = HostMemory(function.component.settings.max_host_bytes)
        """What is kept here for the guest, and by its WASI."""
        self.handles = JoinSetHandles(self.memory)
        self.asked = 0
        self.judged: object = None
        self.said: GuestOutput | None = None
        """See `output`; None while the guest has said nothing."""

    def ask(self, command: Command, convert: Convert) -> JsonValue | Pending:
        """Give a command to the machine: the guest's answer, or PENDING until a response comes."""
        self.asked += 1
        if self.added.bound.is_due and not self.machine.facts.recorded.is_replaying:
            self.added.bound.require_room()
        try:
            return self.settle(self.machine.step(command), convert)
        except (MachineMisuse, ChildFailed) as error:
            raise GuestTrap(error.message) from None

    def settle(self, step: Step, convert: Convert) -> JsonValue | Pending:
        """What the machine's answer means for the guest; see `ask`. ChildFailed, Stopped."""
        match step:
            case Replayed(value):
                return convert(value)
            case Appended(events, value):
                self.sink(events)
                return convert(value)
            case Suspended(join_set, events):
                if events:
                    self.sink(events)
                self.phase = Awaiting(join_set, convert)
                if closing := self.machine.closing:
                    self.added.cancel(closing)
                return PENDING
            case Diverged(report):
                raise Stopped(report)

    def record(self, request: JsonValue, proposed: JsonValue) -> JsonValue:
        """Persist a value from outside; the recorded one on replay."""
        answer = self.ask(Record(answers.raw(request), answers.raw(proposed)), answers.recorded)
        assert not isinstance(answer, Pending)
        return answer

    def supply(self, execution_id: str, ffqn: str, result: msgspec.Raw, convert: Convert) -> JsonValue | Pending:
        """Set the result of a stub: the recorded answer on replay, else PENDING until it is decided."""
        if self.machine.facts.is_replaying:
            return self.ask(SupplyResult(execution_id, ffqn, result, ""), convert)
        self.asked += 1
        self.added.bound.require_room()
        self.phase = Deciding(Supply(execution_id, ffqn, result), convert)
        self.added.supply(self.phase.supply)
        return PENDING

    @property
    def value_bytes(self) -> int:
        """See `guest.Bounded`: a value on record is replayed, whatever the bound is by now."""
        return MOST_VALUE_BYTES if self.is_replaying else self.function.component.settings.max_value_bytes

    @property
    def output_bytes(self) -> int:
        """See `guest.Bounded`."""
        return MOST_VALUE_BYTES if self.is_replaying else self.function.component.settings.max_output_bytes

    @property
    def output(self) -> GuestOutput:
        """Where its messages and its standard streams go; `asked` counts its host calls."""
        if self.said is None:
            limit = self.function.component.settings.max_output_bytes
            self.said = GuestOutput(self.stored.execution_id, self.run, self.context, limit=limit, replayed=self)
        return self.said

    @property
    def is_replaying(self) -> bool:
        """Whether recorded history is left."""
        return self.machine.facts.recorded.is_replaying

    @property
    def last_us(self) -> int:
        """The instant of the newest history that this run has added; 0 before it has added any."""
        return self.added.last_us
