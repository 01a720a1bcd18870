"""Replay laws over random workflows, and a small, slow model of join sets that has to agree with the machine.

A *script* is a list of numbers. `Run` turns it into commands, drives a live machine with them while responses come in
a random order, and writes down every command, answer, event and response: what a log would hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.runtime.log import events as log
from obelisk.runtime.replay import commands as to
from obelisk.runtime.replay.machine import Machine

ME = "E_01ARZ3NDEKTSV4RRFFQ69G5FAV"
WAIT = "wait"
Goal: TypeAlias = "tuple[str, str] | to.Answer"


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


# --- the model: what a guest sees, said as plainly as possible -------------------------------------------------------
class Model:
    """Everything in lists, searched from the start every time."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.closed: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.delivered: list[log.Response] = []
        self.taken: list[str] = []
        self.one_offs: list[str] = []
        self.calls: list[str] = []
        self.functions: list[tuple[str, str]] = []
        self.last: list[tuple[str, str]] = []

    def of(self, join_set: str) -> list[str]:
        return [request for owner, request in self.requests if owner == join_set]

    def response(self, request: str) -> log.Response | None:
        found = [r for r in self.delivered if identity(r) == request]
        return found[0] if found else None

    def open_sets(self) -> list[str]:
        return [s for s in self.created if s not in self.closed]

    def request(self, join_set: str, ffqn: str | None) -> str:
        number = len(self.of(join_set)) + 1
        request = f"{ME}.{join_set}_{number}" if ffqn else f"Delay_{ME[2:]}.{join_set}_{number}"
        self.requests.append((join_set, request))
        if ffqn:
            self.functions.append((request, ffqn))
        return request

    def begin(self, command: to.Command) -> Goal:
        """What happens at once; the answer, or a goal for `poll`."""
        match command:
            case to.Call(ffqn) | to.Sleep(name=ffqn):
                name = "" if isinstance(command, to.Call) or command.name is None else f"_{command.name}"
                join_set = f"o:{len(self.one_offs) + 1}{name}"
                request = self.request(join_set, ffqn if isinstance(command, to.Call) else None)
                self.one_offs.append(request)
                self.calls += [request] if isinstance(command, to.Call) else []
                return ("one-off", request)
            case to.CreateJoinSet(name):
                generated = len([s for s in self.created if s[0] == "g"])
                join_set = f"g:{generated + 1}" if name is None else f"n:{name}"
                if join_set in self.created:
                    return to.NameTaken()
                self.created.append(join_set)
                return join_set
            case to.Submit(join_set, ffqn):
                return self.request(join_set, ffqn)
            case to.SubmitDelay(join_set):
                return self.request(join_set, None)
            case to.AwaitNext(join_set) | to.TryNext(join_set):
                return ("next" if isinstance(command, to.AwaitNext) else "try", join_set)
            case to.CloseJoinSet(join_set):
                return ("close", join_set)
            case to.Record(_, proposed):
                return proposed
            case to.ScheduleExecution() | to.SupplyResult():
                return command.error if isinstance(command, to.SupplyResult) else None

    def poll(self, goal: Goal) -> to.Answer:
        match goal:
            case ("one-off", str(request)):
                response = self.response(request)
                self.taken += [] if response is None else [request]
                return WAIT if response is None else response
            case (how, str(join_set)) if how != "close":
                for response in self.delivered:
                    request = identity(response)
                    if request in self.of(join_set) and request not in self.taken:
                        self.taken.append(request)
                        self.last.append((join_set, request))
                        return response
                if all(request in self.taken for request in self.of(join_set)):
                    return to.AllProcessed()
                return WAIT if how == "next" else to.StillPending()
            case (_, str(join_set)):
                children = [r for r in self.of(join_set) if r.startswith("E_")]
                if any(self.response(child) is None for child in children):
                    return WAIT
                self.closed.append(join_set)
                self.taken += children
                return None
            case _:
                return goal

    def check(self, machine: Machine) -> None:
        """Everything that host functions ask the machine."""
        assert machine.facts.responses_seen == len(self.delivered)
        done = [r for r in self.one_offs if r in self.taken]
        assert machine.facts.last_one_off == (done[-1] if done else None)
        calls = [r for r in self.calls if r in self.taken]
        assert machine.facts.last_direct_call == (calls[-1] if calls else None)
        for _, request in self.requests:
            taken = self.response(request) if request in self.taken else None
            assert machine.facts.processed_response(request) == taken
        for child, ffqn in self.functions:
            assert machine.facts.function_of(child) == ffqn
        for join_set in self.created:
            last = [request for owner, request in self.last if owner == join_set]
            assert machine.facts.last_response(join_set) == (last[-1] if last else None)
            out = [r for r in self.of(join_set) if r.startswith("Delay") and self.response(r) is None]
            assert machine.facts.open_delays(join_set) == tuple(out)
            assert machine.facts.children(join_set) == tuple(r for r in self.of(join_set) if r.startswith("E_"))
        for name in NAMES:
            assert machine.facts.join_set_name_exists(name) == (f"n:{name}" in self.created)


def identity(response: log.Response) -> str:
    return response.child if isinstance(response, log.ChildFinished) else response.delay


# --- driving a live machine ------------------------------------------------------------------------------------------
NAMES = ("a", "b/c-1")
FFQNS = ("demo:a/i.f", "demo:a/i@1.2.3.g")
KINDS = 14


@dataclass
class Asked:
    """A command, its answer and its events in the history."""

    command: to.Command
    answer: to.Answer
    first: int
    last: int


@dataclass
class Run:
    """A live execution."""

    luck: Iterator[int]
    asked: list[Asked] = field(default_factory=list[Asked])
    events: list[log.HistoryEvent] = field(default_factory=list[log.HistoryEvent])
    arrivals: list[int] = field(default_factory=list[int])
    out: list[log.Response] = field(default_factory=list[log.Response])

    def __post_init__(self) -> None:
        self.machine = Machine(ME, (), ())
        self.model = Model()

    @property
    def responses(self) -> list[log.Response]:
        return self.model.delivered

    def command(self, number: int) -> to.Command:
        """The command that a number stands for; what needs a join set creates one when none is open."""
        kind, rest = number % KINDS, number // KINDS
        ffqn, name = FFQNS[rest % 2], (None, *NAMES)[rest % 3]
        params, schedule = raw([rest % 5, {"x": None}]), raw({"in": {"seconds": rest % 5}})
        sets = self.model.open_sets()
        join_set = sets[rest // 3 % len(sets)] if sets else ""
        match kind:
            case 0:
                return to.Sleep(schedule, 1_000 + rest, name)
            case 1:
                return to.Record(raw({"random": rest % 5}), raw(rest))
            case 2 if rest % 4 == 3:
                return to.SupplyResult(ME, ffqn, params, NAMES[rest % 2])
            case 2:
                return to.ScheduleExecution(ME[:-1] + "W", ffqn, params, schedule, 5_000 + rest)
            case 3:
                return to.Call(ffqn, params)
            case _ if not sets or kind in (4, 5):
                return to.CreateJoinSet(name)
            case 6 | 7 | 8:
                return to.Submit(join_set, ffqn, params)
            case 9:
                return to.SubmitDelay(join_set, schedule, 2_000 + rest)
            case 10:
                return to.TryNext(join_set)
            case 11 | 12:
                return to.AwaitNext(join_set, (None, *FFQNS)[rest % 3])
            case _:
                return to.CloseJoinSet(join_set)

    def add(self, events: tuple[log.HistoryEvent, ...]) -> None:
        """Write events down; requests will be answered at some time."""
        for event in events:
            self.events.append(event)
            self.arrivals.append(len(self.responses))
            if isinstance(event, log.JoinSetRequest):
                number = next(self.luck)
                failed = log.Failed(kind=log.FailureKind.TRAPPED, error_id=f"Err_{number}", reason="trap")
                outcome = failed if number % 3 == 0 else log.Returned(value=raw({"ok": number}))
                self.out.append(log.ChildFinished(join_set=event.join_set, child=event.child, outcome=outcome))
            if isinstance(event, log.DelayRequest):
                cancelled = next(self.luck) % 3 == 0
                self.out.append(log.DelayFinished(join_set=event.join_set, delay=event.delay, cancelled=cancelled))

    def deliver(self) -> bool:
        """One response that is out comes in, and comes again."""
        response = self.out.pop(next(self.luck) % len(self.out))
        self.model.delivered.append(response)
        can_go_on = self.machine.deliver(response)
        assert not self.machine.deliver(response)
        return can_go_on

    def again(self, command: to.Command | None) -> to.Step:
        """Another answer to a suspended command (None: the return), now and then by a new machine: a crash."""
        if next(self.luck) % 4:
            return self.machine.resume()
        self.machine = self.replayed()
        return self.machine.finish() if command is None else self.machine.step(command)

    def replayed(self) -> Machine:
        """A new machine that was brought through all that was asked and answered."""
        machine = Machine(ME, tuple(self.events), tuple(self.responses))
        for asked in self.asked:
            assert answer_of(machine.step(asked.command)) == asked.answer
        return machine

    def settle(self, step: to.Step, command: to.Command | None, goals: list[Goal]) -> tuple[to.Step, to.Answer]:
        """Deliver until the machine answers; the model has to wait exactly as long."""
        while isinstance(step, to.Suspended):
            self.add(step.events)
            while len(goals) > 1 and self.model.poll(goals[0]) is not WAIT:
                goals.pop(0)
            assert self.model.poll(goals[0]) is WAIT
            assert self.again(command) == to.Suspended(step.join_set)
            while not self.deliver():
                assert self.again(command) == to.Suspended(step.join_set)
            waited_for, step = step.join_set, self.again(command)
            assert not isinstance(step, to.Suspended) or (command is None and step.join_set != waited_for)
        assert isinstance(step, to.Appended) or step == to.Replayed(to.NameTaken()) or command is None
        self.add(step.events if isinstance(step, to.Appended) else ())
        return step, [self.model.poll(goal) for goal in goals][-1]

    def ask(self, number: int) -> None:
        command, first = self.command(number), len(self.events)
        step, answer = self.settle(self.machine.step(command), command, [self.model.begin(command)])
        assert isinstance(step, to.Appended | to.Replayed)
        assert step.value == answer
        self.model.check(self.machine)
        self.asked.append(Asked(command, answer, first, len(self.events)))
        if self.out and next(self.luck) % 4 == 0:
            self.deliver()

    def finish(self) -> None:
        """The guest returns: open join sets are closed, the newest first."""
        first, closes = len(self.events), self.model.open_sets()[::-1]
        goals: list[Goal] = [("close", join_set) for join_set in closes]
        self.settle(self.machine.finish(), None, goals or [None])
        assert self.events[first:] == [log.JoinSetClose(join_set=s) for s in closes]
        self.model.check(self.machine)


def luck(seed: int) -> Iterator[int]:
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 33


SCRIPTS = st.lists(st.integers(0, KINDS * 60), max_size=40)
SEEDS = st.integers(0, 2**32)


def run(script: list[int], seed: int) -> Run:
    it = Run(luck(seed))
    for number in script:
        it.ask(number)
    it.finish()
    return it


def answer_of(step: to.Step) -> to.Answer:
    assert isinstance(step, to.Replayed)
    return step.value


# --- the laws --------------------------------------------------------------------------------------------------------
@settings(deadline=None, max_examples=200)
@given(SCRIPTS, SEEDS)
def test_a_live_machine_agrees_with_the_model_and_its_log_replays_whole(script: list[int], seed: int) -> None:
    it = run(script, seed)
    machine = it.replayed()
    assert machine.finish() == to.Replayed(None)
    assert not machine.facts.is_replaying
    it.model.check(machine)


@settings(deadline=None, max_examples=60)
@given(SCRIPTS, SEEDS, st.booleans())
def test_every_prefix_replays_and_appends_nothing_before_its_end(script: list[int], seed: int, early: bool) -> None:
    """`early`: also responses are there that came after the prefix."""
    it = run(script, seed)
    for length in range(len(it.events) + 1):
        arrived = it.arrivals[length - 1] if length else 0
        responses = it.responses if early else it.responses[:arrived]
        machine = Machine(ME, it.events[:length], responses)
        for asked in it.asked:
            if asked.last > length or not machine.facts.is_replaying:
                break
            assert answer_of(machine.step(asked.command)) == asked.answer
        else:
            continue
        if asked.first < length < asked.last:
            goes_on(machine.step(asked.command), asked, responses, it)
        assert not machine.facts.is_replaying


def goes_on(step: to.Step, asked: Asked, responses: list[log.Response], it: Run) -> None:
    """A call or sleep of which only the request is recorded: its response is taken now, or waited for."""
    request = it.events[asked.first]
    assert isinstance(request, log.JoinSetRequest | log.DelayRequest)
    if asked.answer in responses:
        assert step == to.Appended((it.events[asked.first + 1],), asked.answer)
    else:
        assert step == to.Suspended(request.join_set)


def mutated(command: to.Command) -> to.Command:
    """The same command with another value of something that the guest decides."""
    match command:
        case to.Call() | to.Submit() | to.ScheduleExecution():
            return msgspec.structs.replace(command, params=raw(["mutated"]))
        case to.Sleep() | to.SubmitDelay():
            return msgspec.structs.replace(command, schedule=raw("mutated"))
        case to.AwaitNext():
            return msgspec.structs.replace(command, ffqn="demo:a/i.mutated")
        case _:
            return to.Record(raw("mutated"), raw(0))


@settings(deadline=None, max_examples=200)
@given(SCRIPTS.filter(bool), SEEDS, st.integers(0, 1000), st.booleans())
def test_one_other_command_diverges_at_its_index(script: list[int], seed: int, place: int, early: bool) -> None:
    """`early`: the guest returns instead of giving the command."""
    it = run(script, seed)
    recorded = [i for i, asked in enumerate(it.asked) if asked.first < asked.last]
    if not recorded:
        return
    at = recorded[place % len(recorded)]
    if early and isinstance(it.asked[at].command, to.CloseJoinSet):
        return
    machine = Machine(ME, it.events, it.responses)
    for asked in it.asked[:at]:
        machine.step(asked.command)
    other = mutated(it.asked[at].command)
    step = machine.finish() if early else machine.step(other)
    assert isinstance(step, to.Diverged)
    report, expected = step.report, it.events[it.asked[at].first]
    assert report.index == it.asked[at].first
    assert report.expected == msgspec.Raw(msgspec.json.encode(expected))
    assert (report.actual == log.ABSENT) == early
    assert early or b"mutated" in bytes(report.actual)
    assert machine.step(it.asked[at].command) == machine.resume() == machine.finish() == step
    assert not machine.deliver(log.DelayFinished(join_set="g:9", delay="Delay_x"))


@settings(deadline=None, max_examples=100)
@given(SCRIPTS, SEEDS)
def test_the_proposals_of_a_replay_do_not_matter(script: list[int], seed: int) -> None:
    it = run(script, seed)
    machine = Machine(ME, it.events, it.responses)
    for asked in it.asked:
        command = asked.command
        if isinstance(command, to.Record):
            command = to.Record(command.request, raw("another"))
        if isinstance(command, to.Sleep | to.SubmitDelay):
            command = msgspec.structs.replace(command, expires_at_us=7)
        if isinstance(command, to.ScheduleExecution):
            command = msgspec.structs.replace(command, scheduled_at_us=7)
        assert answer_of(machine.step(command)) == asked.answer
    for event in it.events:
        if isinstance(event, log.DelayRequest):
            assert machine.facts.expires_at_us(event.delay) == event.expires_at_us != 7
