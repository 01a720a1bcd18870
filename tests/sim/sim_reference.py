"""Which requests a random workflow makes, said as plainly as possible, without the replay machine: the reference that
the verdicts on another build are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from obelisk.runtime.log import events as log
from sim_names import WORK
from sim_programs import Program, Step, needs_set, told_by, value_of

ASKED: Mapping[str, tuple[str, ...]] = {
    "persist": ("request",),
    "join_set_create": ("join_set",),
    "join_set_request": ("join_set", "child", "ffqn", "params"),
    "delay_request": ("join_set", "delay", "schedule"),
    "join_next": ("join_set", "ffqn"),
    "join_next_try": ("join_set",),
    "join_set_close": ("join_set",),
}
"""What of each recorded event the guest has asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """It asks for something else (None: for nothing more) than the recorded event of that number."""

    index: int
    expected: Mapping[str, Any]
    asked: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agrees:
    """It asks for all that is on record. `value`: what it returns then; None when it goes on or dies."""

    value: int | None


class _Over(Exception):
    """The verdict is known."""

    def __init__(self, verdict: Differs | Agrees) -> None:
        super().__init__()
        self.verdict = verdict


@dataclass(slots=True)
class Reference:
    """One execution of a workflow: the ids are made up and the records are compared one by one, as they were read."""

    execution_id: str
    history: Sequence[Mapping[str, Any]]
    results: Mapping[str, Any]
    index: int = 0
    one_offs: int = 0
    generated: int = 0
    named: set[str] = field(default_factory=set[str])
    open_sets: list[str] = field(default_factory=list[str])
    requests: dict[str, int] = field(default_factory=dict[str, int])
    functions: dict[str, str] = field(default_factory=dict[str, str])

    def judge(self, program: Program, told: int) -> Differs | Agrees:
        """What becomes of the program with the parameter `told`, over the history."""
        try:
            for each in program:
                if each.kind == "die":
                    self.end()
                    return Agrees(value=None)
                told = self.one(each, told)
            for join_set in self.open_sets[::-1]:
                self.ask("join_set_close", {"join_set": join_set}, returned=True)
            self.end()
        except _Over as over:
            return over.verdict
        return Agrees(value=told)

    def ask(self, type_: str, asked: Mapping[str, Any], *, returned: bool = False) -> Mapping[str, Any]:
        """The record of what it asks for, if that comes next."""
        wanted = {"type": type_, **asked}
        if self.index == len(self.history):
            raise _Over(Agrees(value=None))
        recorded = self.history[self.index]
        if recorded["type"] != type_ or any(recorded.get(name) != asked[name] for name in ASKED[type_]):
            raise _Over(Differs(index=self.index, expected=recorded, asked=None if returned else wanted))
        self.index += 1
        return recorded

    def end(self) -> None:
        """It asks for nothing more."""
        if self.index < len(self.history):
            raise _Over(Differs(index=self.index, expected=self.history[self.index], asked=None))

    def request(self, join_set: str) -> str:
        """The number of one more request, as ids have it."""
        self.requests[join_set] = self.requests.get(join_set, 0) + 1
        return f"{self.execution_id.removeprefix('E_')}.{join_set}_{self.requests[join_set]}"

    def child(self, join_set: str, function: str, value: int) -> str:
        """Ask for a child; its id."""
        child = f"E_{self.request(join_set)}"
        self.functions[child] = f"{WORK}.{function}"
        asked = {"join_set": join_set, "child": child, "ffqn": f"{WORK}.{function}", "params": [value]}
        self.ask("join_set_request", asked)
        return child

    def delay(self, join_set: str, value: int) -> None:
        """Ask for a delay."""
        delay = f"Delay_{self.request(join_set)}"
        schedule = {"in": {"milliseconds": 200 * value}}
        self.ask("delay_request", {"join_set": join_set, "delay": delay, "schedule": schedule})

    def one_off(self) -> str:
        """A new join set for one request."""
        self.one_offs += 1
        return f"o:{self.one_offs}"

    def create(self) -> None:
        """Ask for a join set with a made-up name."""
        self.generated += 1
        self.ask("join_set_create", {"join_set": f"g:{self.generated}"})
        self.open_sets.append(f"g:{self.generated}")

    def one(self, each: Step, told: int) -> int:
        """Do one step; the number that it was told last."""
        if each.kind == "create" or (needs_set(each) and not self.open_sets):
            self.create()
            return told
        return self.about(each, told) if needs_set(each) else self.other(each, told)

    def about(self, each: Step, told: int) -> int:
        """A step about a join set."""
        place = each.place % len(self.open_sets)
        join_set, value, function = self.open_sets[place], value_of(each, told), each.function
        match each.kind:
            case "submit":
                self.child(join_set, function, value)
            case "delay":
                self.delay(join_set, value)
            case "next":
                self.ask("join_next", {"join_set": join_set, "ffqn": None})
            case "typed":
                ffqn = f"{WORK}.{function}"
                taken = self.ask("join_next", {"join_set": join_set, "ffqn": ffqn})["response"]
                return told_by(self.results[taken], told) if self.functions.get(taken) == ffqn else told
            case "try":
                self.ask("join_next_try", {"join_set": join_set})
            case _:
                self.ask("join_set_close", {"join_set": join_set})
                self.open_sets.pop(place)
        return told

    def other(self, each: Step, told: int) -> int:
        """A step about none."""
        value = value_of(each, told)
        match each.kind:
            case "call":
                join_set = self.one_off()
                child = self.child(join_set, each.function, value)
                self.ask("join_next", {"join_set": join_set, "ffqn": None})
                return told_by(self.results[child], told)
            case "sleep":
                join_set = self.one_off()
                self.delay(join_set, value)
                self.ask("join_next", {"join_set": join_set, "ffqn": None})
            case "random":
                request = {"fn": "random-u64", "min": 0, "max": value}
                return int(self.ask("persist", {"request": request})["value"]) % 10
            case "named":
                name = f"n:{'ab'[each.number % 2]}"
                if name not in self.named:
                    self.ask("join_set_create", {"join_set": name})
                    self.named.add(name)
                    self.open_sets.append(name)
            case _:
                assert each.kind == "log"
        return told


def read(events: Sequence[log.Event]) -> list[dict[str, Any]]:
    """The history among these events, as JSON."""
    return [msgspec.json.decode(msgspec.json.encode(e)) for e in events if isinstance(e, log.HistoryEvent)]


def results(responses: Sequence[log.Response]) -> dict[str, Any]:
    """What children returned, by their ids."""
    return {
        r.child: msgspec.json.decode(r.outcome.value)
        for r in responses
        if isinstance(r, log.ChildFinished) and isinstance(r.outcome, log.Returned)
    }
