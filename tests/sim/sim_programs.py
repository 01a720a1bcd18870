"""Random workflows for the simulated system, and pairs of them that differ at one step, in what they log, or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from obelisk.runtime.ports.guest import JsonValue
from sim_guests import Ask, Script, Steps
from sim_loose import support
from sim_names import EXT, FUNCTIONS, LOG, WORK

KINDS = (
    *("call", "submit", "submit", "delay", "next", "typed", "try", "create", "named", "close", "sleep", "random"),
    *("log", "call", "submit", "sleep", "random"),
)
"""What a step may be; some more often than others."""

CHANGES = (
    *("same", "log", "more", "longer", "less", "kind", "function", "number", "place", "order", "dies", "returns"),
    *("number", "number"),
)
"""How the workflow of another build may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a workflow does next: with which function of the activity, which number, and which of its join sets. `uses`:
    the number that the workflow was told last is added to it."""

    kind: str
    function: str = FUNCTIONS[WORK][0]
    number: int = 0
    place: int = 0
    uses: bool = False


Program: TypeAlias = tuple[Step, ...]


def step(dice: random.Random) -> Step:
    """Any step."""
    return Step(
        kind=dice.choice(KINDS),
        function=dice.choice(FUNCTIONS[WORK]),
        number=dice.randrange(16),
        place=dice.randrange(6),
        uses=dice.random() < 0.3,
    )


def program(dice: random.Random) -> Program:
    """A workflow of some steps."""
    return tuple(step(dice) for _ in range(dice.randint(2, 16)))


def changed(dice: random.Random, before: Program) -> Program:
    """The workflow of another build: with one step more, less or otherwise, with two steps in another order, dead or at
    its end at some step, with other log lines, or the same."""
    at, other = dice.randrange(len(before)), step(dice)
    head, this, tail = before[:at], before[at], before[at + 1 :]
    match dice.choice(CHANGES):
        case "log":
            return (*head, replace(other, kind="log"), *(s for s in before[at:] if s.kind != "log"))
        case "more":
            return (*head, other, *before[at:])
        case "longer":
            return (*before, other)
        case "less":
            return (*head, *tail)
        case "kind":
            return (*head, replace(this, kind=other.kind), *tail)
        case "function":
            return (*head, replace(this, function=other.function), *tail)
        case "number":
            return (*head, replace(this, number=other.number), *tail)
        case "place":
            return (*head, replace(this, place=other.place), *tail)
        case "order":
            return (*head, *before[at : at + 2][::-1], *before[at + 2 :])
        case "dies":
            return (*head, Step(kind="die"))
        case "returns":
            return head
        case _:
            return before


def value_of(each: Step, told: int) -> int:
    """The number that a step hands over when the workflow was told that number last."""
    return (each.number + told if each.uses else each.number) % 16


def needs_set(each: Step) -> bool:
    """Whether it is about an open join set; one is created instead when there is none."""
    return each.kind in ("submit", "delay", "next", "typed", "try", "close")


def told_by(result: JsonValue, before: int) -> int:
    """The number that a workflow was told last, once it has a result of an activity."""
    number = result.get("ok") if isinstance(result, dict) else None
    return number % 10 if isinstance(number, int) else before


def scripted(current: Callable[[], Program]) -> Script:
    """The guest that does what the program says which is current when it starts. It returns the number that it was told
    last."""

    def script(n: int) -> Steps:
        told = n
        open_sets: list[JsonValue] = []
        for each in current():
            told = cast("int", (yield from _one(each, told, open_sets)))
        return {"ok": told}

    return script


def _one(each: Step, told: int, open_sets: list[JsonValue]) -> Steps:
    number, function, value = each.number, each.function, value_of(each, told)
    if each.kind == "create" or (needs_set(each) and not open_sets):
        open_sets.append((yield support("join-set-create")))
        return told
    place = each.place % max(len(open_sets), 1)
    match each.kind:
        case "call":
            return told_by((yield Ask(WORK, function, [value])), told)
        case "submit":
            yield Ask(EXT, f"{function}-submit", [open_sets[place], value])
        case "delay":
            yield support("submit-delay", open_sets[place], {"in": {"milliseconds": 200 * value}})
        case "next":
            yield support("join-next", open_sets[place])
        case "typed":
            answer = yield Ask(EXT, f"{function}-await-next", [open_sets[place]])
            return told_by(answer.get("ok"), told)
        case "try":
            yield support("join-next-try", open_sets[place])
        case "named":
            created = yield support("join-set-create-named", "ab"[number % 2])
            open_sets += [created["ok"]] if "ok" in created else []
        case "close":
            yield support("join-set-close", open_sets.pop(place))
        case "sleep":
            yield support("sleep", {"in": {"milliseconds": 200 * value}}, None)
        case "random":
            drawn = yield support("random-u64", 0, value + 1)
            return int(drawn) % 10
        case "log":
            yield Ask(LOG, "info", [f"step {number}"])
        case _:
            raise ZeroDivisionError("the program dies")
    return told
