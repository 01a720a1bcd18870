"""Two builds over one history: the runtime's verdict on the second is that of an independent reference.

A random workflow runs with one build for a while, hot or replayed whenever it has waited. Then another build is
deployed, which differs at one step, in its log lines alone, or not at all: the runtime goes on with it, or says which
event is on record and what the build asks for instead. What is paused goes on after a rollback. ``EXAMPLES=2000`` makes
a longer run.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import pytest

from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import FinishedState, PausedState
from obelisk.runtime.replay import matching
from obelisk.runtime.replay.matching import Cursor
from obelisk.runtime.store.memory.execution import Execution
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.workers.verification import verify
from sim_builds import Build, known
from sim_faults import Faults
from sim_names import COLD
from sim_programs import Program, Step, changed, program, scripted
from sim_reference import Agrees, Differs, Reference, read, results
from sim_replay import function_of, prepared, stored_of
from sim_time import START_US, VirtualLoop
from sim_world import Process, World

COUNT = int(os.environ.get("EXAMPLES", "80"))
PATIENCE_S = 2_000
PARTS = 3
"""Of each log, besides the whole."""
FFQN = f"{COLD}.serial"
_programs: dict[str, Program] = {}
BEFORE, AFTER = (
    Build(component="cold", variant=name, scripts={FFQN: scripted(partial(_programs.__getitem__, name))})
    for name in ("before", "after")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one example: the broken laws, and the verdict on the second build if it was asked for one."""

    problems: list[str]
    verdict: Differs | Agrees | None


def example(seed: int) -> Outcome:
    """Run one pair of builds."""
    dice = random.Random(seed)
    before = program(dice)
    return pair(before, changed(dice, before), dice)


def pair(before: Program, after: Program, dice: random.Random) -> Outcome:
    """Run these."""
    _programs.update(before=before, after=after)
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(seed=0, faults=Faults(linger_ms=(0, 1_000)), loop=loop, dice=dice, kind=True)
    try:
        with known(BEFORE, AFTER):
            return loop.run_until_complete(_live(world))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _live(world: World) -> Outcome:
    settings: dict[str, object] = {"hot": world.dice.random() < 0.5, "upgrade": world.dice.choice(("replay", "auto"))}
    world.wish.builds["cold"], world.wish.settings["cold"] = BEFORE, settings
    process = await world.start_process()
    submitted = await process.api.submit(Submission(ffqn=FFQN, params=[3]))
    await asyncio.sleep(world.dice.uniform(0, 3))
    world.wish.builds["cold"] = AFTER
    if world.dice.random() < 0.5:
        world.crash(process)
        process = await world.start_process()
    await world.wish.fulfil(process.api.deployment, ("cold",))
    execution = world.database.executions[submitted.execution_id]
    await _rests(execution)
    outcome = _judge(execution)
    checked = await _check(world, execution)
    if isinstance(execution.state.status, PausedState):
        world.wish.builds["cold"] = BEFORE
        await world.wish.fulfil(process.api.deployment, ("cold",))
        await _rests(execution)
    problems = [*outcome.problems, *checked, *_end(execution)]
    await _stop(process)
    return Outcome(problems=problems, verdict=outcome.verdict)


async def _stop(process: Process) -> None:
    await process.executor.stop()
    await process.watchers.stop()


async def _rests(execution: Execution) -> None:
    """Wait until it has ended or is paused."""
    for _ in range(PATIENCE_S):
        await asyncio.sleep(0.5)
        if isinstance(execution.state.status, FinishedState | PausedState):
            return


def _reference(execution: Execution, history: list[dict[str, Any]]) -> Reference:
    told = results([logged.response for logged in execution.responses])
    return Reference(execution_id=execution.execution_id, history=history, results=told)


def _judge(execution: Execution) -> Outcome:
    """Compare what became of the second build, when it got the execution, with what the reference says."""
    events = [logged.event for logged in execution.events]
    begun = next((n for n, e in enumerate(events) if isinstance(e, log.Locked) and e.digest == AFTER.digest), None)
    if begun is None:
        return Outcome(problems=[], verdict=None)
    history = read(events[:begun])
    right = _reference(execution, history).judge(_programs["after"], 3)
    last = events[-1]
    report = last.cause.divergence if isinstance(last, log.Paused) and isinstance(last.cause, log.Diverged) else None
    problems = _compared(report, right)
    if report is None and isinstance(last, log.Paused):
        problems.append(f"paused: {last.reason}")
    if report is not None and len(read(events)) != len(history):
        problems.append("a build that diverges added to the history")
    return Outcome(problems=problems, verdict=right)


async def _check(world: World, execution: Execution) -> list[str]:
    """Compare what a check of the second build says of parts of the log with what the reference says."""
    problems: list[str] = []
    for length in (len(execution.events), *(world.dice.randint(1, len(execution.events)) for _ in range(PARTS))):
        stored = stored_of(execution, length)
        verdict = await verify(
            stored,
            digest=AFTER.digest,
            function=function_of(AFTER, FFQN, lowered=False),
            prepared=prepared(AFTER),
            registry=Registry(),
            now_us=START_US,
        )
        right = _reference(execution, read(stored.events)).judge(_programs["after"], 3)
        ok, last = isinstance(right, Agrees), stored.events[-1]
        if isinstance(right, Agrees) and isinstance(last, log.Finished) and isinstance(last.outcome, log.Returned):
            ok = msgspec.json.decode(last.outcome.value) == {"ok": right.value}
        found = _compared(verdict.divergence, right)
        found += [] if verdict.ok == ok else [f"{verdict.ok} {verdict.reason}"]
        problems += [f"a check of {length} events says: {text}" for text in found]
    return problems


def _compared(report: log.Divergence | None, right: Differs | Agrees) -> list[str]:
    """What differs between a report and what is right."""
    if report is None:
        return [] if isinstance(right, Agrees) else [f"it went on where it differs: {right}"]
    index, expected = report.index, msgspec.json.decode(report.expected)
    found = Differs(index=index, expected=expected, asked=msgspec.json.decode(report.actual))
    return [] if found == right else [f"{found} is not {right}"]


def _end(execution: Execution) -> list[str]:
    """In the end the log is that of the build that made its end, whole."""
    events = [logged.event for logged in execution.events]
    last = events[-1]
    if not isinstance(last, log.Finished):
        return [f"it never ends: {execution.summary().status}"]
    digest = next(e.digest for e in reversed(events) if isinstance(e, log.Locked))
    ended_by = _programs["after" if digest == AFTER.digest else "before"]
    right = _reference(execution, read(events)).judge(ended_by, 3)
    if not isinstance(last.outcome, log.Returned):
        dies = isinstance(right, Agrees) and right.value is None and last.outcome.reason == "the program dies"
        return [] if dies else [f"ended with {last.outcome}, right is {right}"]
    value = msgspec.json.decode(last.outcome.value)
    return [] if isinstance(right, Agrees) and value == {"ok": right.value} else [f"returned {value}, right is {right}"]


@pytest.mark.parametrize("first", range(0, COUNT, 20))
def test_the_verdict_on_another_build_is_that_of_the_reference(first: int) -> None:
    seeds = range(first, min(first + 20, COUNT))
    assert {seed: found for seed in seeds if (found := example(seed).problems)} == {}


def test_the_examples_are_of_every_kind() -> None:
    """Builds that go on, that ask for something else, and that end early; some come too late."""
    kinds: Counter[str] = Counter()
    for seed in range(150):
        match example(seed).verdict:
            case None:
                kinds["too late"] += 1
            case Agrees():
                kinds["goes on"] += 1
            case Differs(asked=None):
                kinds["ends early"] += 1
            case Differs(index=index):
                kinds["differs late" if index else "differs at once"] += 1
    assert min(kinds[kind] for kind in ("too late", "goes on", "ends early", "differs late")) >= 3, kinds


@pytest.mark.parametrize("kind", ["call", "next", "create", "sleep"])
def test_a_build_that_goes_on_where_the_log_returned_is_no_match(kind: str) -> None:
    before = (Step(kind="call", number=1),)
    for seed in range(5):
        outcome = pair(before, (*before, Step(kind=kind)), random.Random(seed))
        assert outcome == Outcome(problems=[], verdict=None)


# --- deliberate bugs of the replay machine ---------------------------------------------------------------------------
Patch = pytest.MonkeyPatch


def _ignoring(type_: type[log.HistoryEvent], *, plain: bool) -> Callable[[Patch], None]:
    def bug(patch: Patch) -> None:
        getter, raws = matching._GETTERS[type_]  # pyright: ignore[reportPrivateUsage]
        entry = (_nothing, raws) if plain else (getter, ())
        patch.setitem(matching._GETTERS, type_, entry)  # pyright: ignore

    return bug


def _nothing(_: object) -> object:
    return None


def what_is_left_is_forgotten(patch: Patch) -> None:
    """A guest that returns before it has asked for all that is on record has ended."""
    right = Cursor.match

    def match(cursor: Cursor, wanted: Any, *, returned: bool = False) -> Any:
        return None if returned else right(cursor, wanted)

    patch.setattr(Cursor, "match", match)


def the_report_is_about_the_event_before(patch: Patch) -> None:
    """A divergence names the wrong index."""
    right = matching.divergence

    def divergence(index: int, *rest: Any) -> log.Divergence:
        return right(index - 1, *rest)

    patch.setattr(matching, "divergence", divergence)


BUGS: dict[str, Callable[[Patch], None]] = {
    "the params of a request are not compared": _ignoring(log.JoinSetRequest, plain=False),
    "the function of a request is not compared": _ignoring(log.JoinSetRequest, plain=True),
    "the time of a delay is not compared": _ignoring(log.DelayRequest, plain=False),
    "what is awaited is not compared": _ignoring(log.JoinNext, plain=True),
    "bounds of random values are not compared": _ignoring(log.Persist, plain=False),
    "what is left is forgotten": what_is_left_is_forgotten,
    "the report is about the event before": the_report_is_about_the_event_before,
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_bug_of_the_replay_is_found(bug: Callable[[Patch], None], monkeypatch: Patch) -> None:
    bug(monkeypatch)
    assert any(_is_caught(seed) for seed in range(300))


def _is_caught(seed: int) -> bool:
    try:
        return example(seed).problems != []
    except AssertionError:
        return True
