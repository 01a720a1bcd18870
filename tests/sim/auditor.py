"""Laws that the logs of any run must keep, checked from the records alone."""

from __future__ import annotations

import msgspec
from sim_system import expected
from sim_world import World

from obelisk.runtime import ids
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import FinishedState
from obelisk.runtime.store.memory_database import Execution


def audit(world: World) -> list[str]:
    """Every broken law, in words."""
    problems = list(world.broken)
    for execution in world.database.executions.values():
        problems += [f"{execution.execution_id}: {text}" for text in _audit_one(world, execution)]
    for execution_id, (function, n) in world.expected.items():
        problems += _audit_result(world, execution_id, function, n)
    problems += [f"{delay} was never given up" for delay in world.database.delays]
    for attempt in world.attempts:
        if not attempt.covered:
            problems.append(f"{attempt.execution_id}: {attempt.run} began without its lock on record")
    return problems


def _audit_one(world: World, execution: Execution) -> list[str]:
    events = [e.event for e in execution.events]
    problems: list[str] = []
    state = fold.fold(events)
    if state.version != len(events) or [e.version for e in execution.events] != list(range(len(events))):
        problems.append("versions have gaps")
    if not isinstance(state.status, FinishedState):
        problems.append(f"never finished: {execution.summary().status}")
    if sum(isinstance(e, log.Finished) for e in events) > 1:
        problems.append("finished twice")
    answered = [_response_id(r.response) for r in execution.responses]
    if len(set(answered)) != len(answered):
        problems.append("a request was answered twice")
    taken = [e.response for e in events if isinstance(e, log.JoinNext | log.JoinNextTry) and e.response is not None]
    if len(set(taken)) != len(taken):
        problems.append("a response was taken twice")
    problems += [f"took {response}, which is not on record" for response in taken if response not in answered]
    instants = {e.delay: e.expires_at_us for e in events if isinstance(e, log.DelayRequest)}
    for logged in execution.responses:
        delay = logged.response
        if isinstance(delay, log.DelayFinished) and not delay.cancelled and logged.at_us < instants[delay.delay]:
            problems.append(f"{delay.delay} ended early")
    return problems + _audit_children(world, execution, events) + _audit_cancellation(world, execution, events)


def _audit_children(world: World, execution: Execution, events: list[log.Event]) -> list[str]:
    problems: list[str] = []
    requested = [e.child for e in events if isinstance(e, log.JoinSetRequest)]
    found = [i for i in world.database.executions if ids.parent_of(i) == execution.execution_id]
    if sorted(requested) != sorted(found):
        problems.append(f"requested {len(requested)} children, {len(found)} exist")
    end = execution.events[-1].at_us
    for child in requested:
        last = world.database.executions[child].events[-1]
        if last.at_us > end:
            problems.append(f"{child} outlived its parent")
        finished = [r for r in execution.responses if _response_id(r.response) == child]
        if len(finished) != 1:
            problems.append(f"{child} has {len(finished)} responses")
    return problems


def _audit_result(world: World, execution_id: str, function: str, n: int) -> list[str]:
    execution = world.database.executions.get(execution_id)
    if execution is None:
        return [f"{execution_id}: acknowledged, then lost"]
    last = execution.events[-1].event
    if not isinstance(last, log.Finished):
        return []  # told of already
    if function == "trapping":
        fine = isinstance(last.outcome, log.Failed) and last.outcome.kind is log.FailureKind.TRAPPED
        return [] if fine or _is_meddled(world, execution_id) else [f"{execution_id}: trapping ended with {last}"]
    if not isinstance(last.outcome, log.Returned):
        if _is_cancelled(last) and _is_meddled(world, execution_id):
            return []
        return [f"{execution_id}: {function}({n}) ended with {last}"]
    value, right = msgspec.json.decode(last.outcome.value), expected(function, n)
    if right is not None and value != right and not _is_meddled(world, execution_id):
        return [f"{execution_id}: {function}({n}) is {value}, not {right}"]
    return []


def _is_cancelled(event: log.Event) -> bool:
    outcome = event.outcome if isinstance(event, log.Finished) else None
    return isinstance(outcome, log.Failed) and outcome.kind is log.FailureKind.CANCELLED


def _is_meddled(world: World, execution_id: str) -> bool:
    """Whether somebody cancelled the execution, a descendant, or a delay of either."""
    delay = f"Delay_{execution_id[2:]}"
    return any(
        target == execution_id or target.startswith((f"{execution_id}.", f"{delay}.")) for target in world.meddled
    )


def _audit_cancellation(world: World, execution: Execution, events: list[log.Event]) -> list[str]:
    """Cancelled is what was asked to be, by an operator or because its parent went on without it."""
    problems: list[str] = []
    asked = any(isinstance(e, log.CancellationRequested) for e in events)
    if asked and not _is_cancelled(events[-1]):
        problems.append("cancellation was asked for and did not end it")
    if _is_cancelled(events[-1]) and not asked:
        problems.append("cancelled without a request")
    if asked and ids.parent_of(execution.execution_id) is None and execution.execution_id not in world.meddled:
        problems.append("cancelled by nobody")
    return problems


def _response_id(response: log.Response) -> str:
    return response.child if isinstance(response, log.ChildFinished) else response.delay
