"""The law of records: what is on record replays to the same answers whatever is deployed and however it is set.

A *script* is a list of numbers, which a guest turns into host calls over a workflow's real handlers; it notes what it
is answered. It runs once, live. Then a new run replays its log with nothing deployed, with every function of other
types, and with the narrowest settings: the guest has to hear the same, and nothing may be added to the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.codegen.model.items import Function, Interface
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import ResultType
from obelisk.runtime.catalog.registry import Component, DeployedFunction, Registry
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.lines import Line
from obelisk.runtime.observe import tracing
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.ports.guest import JsonValue
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.workers.batch import Progress
from obelisk.runtime.workers.families import Families
from obelisk.runtime.workers.host_calls import Sink
from obelisk.runtime.workers.workflow import WorkflowRun
from recorded_guests import DEPLOYED, FLOW, ME, NAMES, RIGHT, STRING, U64, VALUES, ScriptedFlow, component, handlers

WIDE, NARROW = 1 << 20, 1 << 10
CREATED = log.Created(ffqn=f"{FLOW}.run", params=msgspec.Raw(b"[]"), scheduled_at_us=0)
LOCKED = log.Locked(executor="Exr_1", run="Run_1", digest="sha256:flow")


@dataclass
class Around:
    """A RunContext; `registry` is what is deployed."""

    registry: Registry
    max_depth: int = 64
    metrics: Metrics = field(default_factory=Metrics)
    families: Families = field(default_factory=lambda: Families(1_000))
    engine: str = "0"
    drawn: int = 0

    def now_us(self) -> int:
        return 1_000_000

    def ulid(self) -> str:
        self.drawn += 1
        return f"01ARZ3NDEKTSV4RRFFQ7{self.drawn:06}"

    def bits(self, count: int) -> int:
        self.drawn += 1
        return self.drawn * 7_919

    def reserve(self, function: DeployedFunction) -> log.Locked | None:
        return None

    def is_taken(self, execution_id: str, wanted: str) -> bool:
        return False

    def guest_line(self, execution_id: str, line: Line) -> None:
        raise AssertionError("it says nothing")

    def trace(self, span: tracing.Span) -> None:
        raise AssertionError("it is not traced")


def new_run(
    events: Sequence[log.Event],
    responses: Sequence[log.Response],
    prepared: ScriptedFlow,
    context: Around,
    limit: int,
    sink: Sink | None = None,
) -> WorkflowRun:
    """A run of the workflow with that log; `limit` is its `max_value_bytes`."""
    function = Function(name="run", result=ResultType(U64, STRING))
    flow = component("flow", ComponentKind.WORKFLOW, Interface(name=InterfaceName.parse(FLOW), functions=(function,)))
    settings = msgspec.structs.replace(flow.settings, max_value_bytes=limit)
    flow = Component(name="flow", kind=flow.kind, settings=settings, description=flow.description)
    (deployed,) = Registry((flow,)).functions.values()
    stored = Stored(execution_id=ME, state=fold.fold(events), events=tuple(events), responses=tuple(responses))
    return WorkflowRun(stored=stored, locked=LOCKED, function=deployed, prepared=prepared, context=context, sink=sink)


@dataclass
class Live:
    """A workflow that has run to its end, or to where it waits for ever."""

    numbers: list[int]
    seed: int
    events: list[log.Event] = field(default_factory=lambda: [CREATED, LOCKED])
    responses: list[log.Response] = field(default_factory=list[log.Response])
    heard: list[JsonValue] = field(default_factory=list[JsonValue])
    out: list[log.Response] = field(default_factory=list[log.Response])

    def go(self) -> None:
        prepared = ScriptedFlow(self.numbers, handlers("the same"))
        run = new_run(self.events, (), prepared, Around(RIGHT), WIDE)
        while True:
            progress = run.advance()
            batch = run.take()
            for write in batch.writes if batch is not None else ():
                self.events += getattr(write, "events", ())
                self.expect([e for e in getattr(write, "events", ()) if isinstance(e, log.HistoryEvent)])
            if progress is Progress.OVER or not self.out:
                break
            while self.out:
                response = self.out.pop(self.next() % len(self.out))
                self.responses.append(response)
                if run.deliver(response, committed=True):
                    break
        assert prepared.guest is not None
        self.heard = prepared.guest.heard

    def expect(self, events: Sequence[log.HistoryEvent]) -> None:
        """The answers that will come: results of the functions' types, and failures."""
        for event in events:
            if isinstance(event, log.DelayRequest):
                self.out.append(log.DelayFinished(join_set=event.join_set, delay=event.delay))
            if isinstance(event, log.JoinSetRequest):
                outcome = self.outcome(event.ffqn)
                self.out.append(log.ChildFinished(join_set=event.join_set, child=event.child, outcome=outcome))

    def outcome(self, ffqn: str) -> log.Outcome:
        if self.next() % 3 == 0:
            return log.Failed(kind=log.FailureKind.TRAPPED, error_id="Err_1", reason="trap")
        function = RIGHT.functions[ffqn]
        values = VALUES[NAMES.index(function.function.name)]
        value = msgspec.Raw(msgspec.json.encode(values[self.next() % len(values)]))
        return log.Returned(value=value, shape=function.shape)

    def next(self) -> int:
        self.seed = (self.seed * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.seed >> 33


def quiet(events: Sequence[log.HistoryEvent]) -> None:
    """The sink of a run that may add nothing but what ends it."""
    raise AssertionError(f"a replay adds {events}")


def replayed(live: Live, name: str, context: Around, limit: int) -> list[JsonValue]:
    """What the guest hears when the log is replayed."""
    prepared = ScriptedFlow(live.numbers, handlers(name))
    events = live.events[:-1] if isinstance(live.events[-1], log.Finished) else live.events
    run = new_run(events, live.responses, prepared, context, limit, quiet)
    run.advance()
    assert run.paused is None, run.paused
    assert not run.calls.is_replaying
    assert prepared.guest is not None
    return prepared.guest.heard


@pytest.mark.parametrize("name", DEPLOYED)
@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 16 * 70), max_size=25), st.integers(0, 2**32))
def test_what_is_on_record_is_answered_as_it_was_whatever_is_deployed(name: str, numbers: list[int], seed: int) -> None:
    live = Live(numbers, seed)
    live.go()
    assert replayed(live, name, Around(DEPLOYED[name]), WIDE) == live.heard


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 16 * 70), max_size=25), st.integers(0, 2**32))
def test_what_is_on_record_is_answered_as_it_was_under_the_narrowest_settings(numbers: list[int], seed: int) -> None:
    live = Live(numbers, seed)
    live.go()
    assert replayed(live, "the same", Around(RIGHT, max_depth=0), NARROW) == live.heard
