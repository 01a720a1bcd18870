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
    problems: list[str] = []
    for execution in world.database.executions.values():
        problems += [f"{execution.execution_id}: {text}" for text in _audit_one(world, execution)]
    for execution_id, (function, n) in world.expected.items():
        problems += _audit_result(world, execution_id, function, n)
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
    return problems + _audit_children(world, execution, events)


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
    if not isinstance(last, log.Finished) or not isinstance(last.outcome, log.Returned):
        return [f"{execution_id}: {function}({n}) ended with {last}"]
    value, right = msgspec.json.decode(last.outcome.value), expected(function, n)
    if right is not None and value != right:
        return [f"{execution_id}: {function}({n}) is {value}, not {right}"]
    return []


def _response_id(response: log.Response) -> str:
    return response.child if isinstance(response, log.ChildFinished) else response.delay
