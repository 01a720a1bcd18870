"""The laws of what leaves a process for a worker, checked at that very moment: it is on record by then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from obelisk.runtime.external.exchange import (
    Answer,
    Exchange,
    Fate,
    Handed,
    Result,
    State,
    Verdict,
)
from obelisk.runtime.log import events as log
from sim_names import OUTER

if TYPE_CHECKING:
    from sim_world import World

ENDS = log.Finished | log.TemporarilyFailed


def check(world: World, worker: str, signature: str, said: Exchange, answer: Answer) -> None:
    """Note every law that the answer to an exchange breaks. `signature`: of the worker's code; ``""``: any will do."""
    for attempt in answer.attempts:
        world.begun(attempt.execution_id, _lock(worker, attempt), anywhere=True)
        world.broken += (f"{attempt.execution_id}: {text}" for text in _of_attempt(world, signature, attempt))
    by_run = {result.run: result for result in said.results}
    for verdict in answer.results:
        problems = _of_verdict(world, worker, by_run[verdict.run], verdict)
        world.broken += (f"{verdict.execution_id}: {text}" for text in problems)


def _lock(worker: str, attempt: Handed) -> log.Locked:
    return log.Locked(executor=worker, run=attempt.run, digest=attempt.digest)


def _of_attempt(world: World, signature: str, attempt: Handed) -> Iterable[str]:
    if signature and attempt.ffqn.startswith(OUTER) and attempt.signature != signature:
        yield f"{attempt.run} of {attempt.signature} was given to a worker made for {signature}"
    if attempt.heartbeat is not None:
        run = msgspec.json.decode(attempt.heartbeat)
        if all(lock.run != run for lock in _events(world, attempt.execution_id) if isinstance(lock, log.Locked)):
            yield f"{attempt.run} was given the heartbeat of {run}"


def _of_verdict(world: World, worker: str, result: Result, verdict: Verdict) -> Iterable[str]:
    events, run = _events(world, verdict.execution_id), verdict.run
    locked, end = _end(events, worker, run)
    if verdict.state is State.STALE:
        is_excused = verdict.fate is Fate.TIMED_OUT or verdict.execution_id in world.hurt
        if locked and end is None and not is_excused:
            yield f"the result of {run}, which holds its lock, was refused: {verdict.fate}"
        return
    world.accepted[run] += 1
    if world.accepted[run] > 1:
        yield f"{world.accepted[run]} results of {run} were accepted"
    if not locked:
        yield f"a result of {run} was accepted, which is no run of {worker}"
    elif not isinstance(end, ENDS):
        yield f"{run} was acknowledged, {end} is on record"
    elif verdict.state is State.ACCEPTED and not _says(end, result):
        yield f"{result} was accepted, {end} is on record"
    elif verdict.state is State.INVALID and isinstance(end, log.Finished) and isinstance(end.outcome, log.Returned):
        yield f"{result} was told to be invalid, {end} is on record"


def _events(world: World, execution_id: str) -> Sequence[log.Event]:
    execution = world.database.find(execution_id)
    return () if execution is None else [logged.event for logged in execution.events]


def _end(events: Sequence[log.Event], worker: str, run: str) -> tuple[bool, log.Event | None]:
    """Whether a run of a worker is on record, and what came after its lock."""
    for place, event in enumerate(events):
        if isinstance(event, log.Locked) and (event.executor, event.run) == (
            worker,
            run,
        ):
            return True, events[place + 1] if place + 1 < len(events) else None
    return False, None


def _says(end: log.Event, result: Result) -> bool:
    """Whether what is on record is what the worker said."""
    returned = end.outcome if isinstance(end, log.Finished) else None
    if result.failure is not None:
        return not isinstance(returned, log.Returned)
    return isinstance(returned, log.Returned) and msgspec.json.decode(returned.value) == {result.case: result.value}
