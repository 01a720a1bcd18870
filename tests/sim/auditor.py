"""Laws that the logs of any run must keep, checked from the records alone."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import msgspec

from audit_workers import audit_workers
from obelisk.runtime import ids
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import FinishedState
from obelisk.runtime.store.memory.execution import Execution
from sim_builds import BROKEN, signature_by
from sim_guests import Told
from sim_locks import ENDS_OF_LOCKS, LATE_S
from sim_names import NARROW
from sim_replay import audit_replay, workflows
from sim_system import LABEL, RETRIES, expected
from sim_world import World

SAMPLE = 4
SKEW_S = 13
"""How much clocks may differ."""
MANY = 40
"""More refusals of one execution's transactions, or locks that lead to nothing, than faults explain."""
MOST_ATTEMPTS = RETRIES + 1
LIMITED, LABELLED = ("narrow", "cold", "strait"), ("narrow", "strait")
"""Components that are under a limit and need a label, whatever is deployed."""
MOST_LOCKED = 3
"""Their highest limit."""


def audit(world: World) -> list[str]:
    """Every broken law, in words."""
    problems = world.broken + world.database.broken
    everything = world.database.everything()
    children: dict[str, list[str]] = defaultdict(list)
    for execution_id in everything:
        children[ids.parent_of(execution_id) or ""].append(execution_id)
    for execution_id, execution in everything.items():
        found = _audit_one(execution) + _audit_children(execution, children[execution_id])
        problems += [f"{execution_id}: {text}" for text in found + _audit_cancellation(world, execution)]
    for execution_id, (function, n) in world.expected.items():
        problems += _audit_result(world, execution_id, function, n)
    problems += [
        f"{execution_id}: {count} of its transactions were refused"
        for execution_id, count in world.database.refusals.items()
        if count > MANY
    ]
    problems += [f"{delay} was never given up" for delay in world.database.delays]
    for attempt in world.attempts:
        if not attempt.covered:
            problems.append(f"{attempt.execution_id}: {attempt.run} began without its lock on record")
    problems += audit_workers(world)
    problems += _audit_order(world) + _audit_locks(world) + _audit_time(world) + _audit_replays(world)
    return problems + (_audit_pins(world) if world.faults.pins else [])


def _audit_pins(world: World) -> list[str]:
    """Each workflow is locked for the build that it was begun with, and no other, and none diverges."""
    problems: list[str] = []
    for execution in workflows(world.database.everything().values()):
        events = [logged.event for logged in execution.events]
        builds = dict.fromkeys(event.digest for event in events if isinstance(event, log.Locked))
        if len(builds) > 1:
            problems.append(f"{execution.execution_id} was locked for {' and '.join(builds)}")
        paused = (event for event in events if isinstance(event, log.Paused))
        problems += [
            f"{execution.execution_id}: {event.reason}" for event in paused if isinstance(event.cause, log.Diverged)
        ]
    return problems


def _audit_replays(world: World) -> list[str]:
    """Some logs replay, whole and from one of their prefixes: all of them would take longer than the run itself."""
    dice, every = random.Random(world.seed), workflows(world.database.everything().values())
    problems: list[str] = []
    for execution in dice.sample(every, min(SAMPLE, len(every))):
        lengths = (len(execution.events), dice.randint(1, len(execution.events)))
        found = [audit_replay(execution, lengths, told) for told in _told_in_the_end(world, execution) or (None,)]
        problems += [f"{execution.execution_id}: {text}" for text in min(found, key=len)]
    return problems


def _audit_time(world: World) -> list[str]:
    """What has a bound on its time ends soon after it, whatever it does and is deployed since; clocks differ by some
    seconds. What times out has taken its time."""
    problems: list[str] = []
    for execution_id, execution in world.database.everything().items():
        first, last = execution.events[0].event, execution.events[-1]
        if not execution.state.ffqn.startswith(NARROW) or not isinstance(first, log.Created):
            continue
        took_us = last.at_us - first.scheduled_at_us
        outcome = last.event.outcome if isinstance(last.event, log.Finished) else None
        timed_out = isinstance(outcome, log.Failed) and outcome.reason.startswith("the execution took longer")
        bound_s = (first.total_timeout_ms or 0) / 1_000
        if timed_out and (not bound_s or took_us < (bound_s - SKEW_S) * 1e6):
            problems.append(f"{execution_id} timed out after {took_us / 1e6} s")
        if bound_s and took_us > (bound_s + LATE_S) * 1e6:
            problems.append(f"{execution_id} ended {took_us / 1e6} s after it was due to begin")
    return problems


def _told_in_the_end(world: World, execution: Execution) -> list[Told]:
    """The answers that the guest got in the run that ended it: all of them are on record. An executor may read a run
    again while the commit of its end takes long: then one of several recorded its answers, and the others nothing."""
    events = [logged.event for logged in execution.events]
    ended = isinstance(events[-1], log.Finished) and not _is_cancelled(events[-1])
    locks = [event for event in events if isinstance(event, log.Locked)]
    return world.told.get(locks[-1].run, []) if ended and locks else []


def _audit_order(world: World) -> list[str]:
    """No parent ends before its children, in the order of the commits (clocks differ)."""
    ends = ((n, e.execution_id) for n, e in enumerate(world.database.order) if isinstance(e.event, log.Finished))
    ended = {execution_id: n for n, execution_id in ends}
    return [
        f"{child} outlived its parent"
        for child, place in ended.items()
        if place > ended.get(ids.parent_of(child) or "", place)
    ]


def _audit_locks(world: World) -> list[str]:
    """Limits on concurrency hold at every moment; who locks a component has its labels."""
    problems: list[str] = []
    held: dict[str, set[str]] = {name: set() for name in ("narrow", "cold", "outer", "strait")}
    functions = {i: e.state.ffqn for i, e in world.database.everything().items()}
    for entry in world.database.order:
        execution_id, event = entry.execution_id, entry.event
        component = functions[execution_id].removeprefix("sim:world/").partition(".")[0]
        if component not in held:
            continue
        if isinstance(event, log.Locked):
            if entry.most is not None or component in LIMITED:  # a lock from before there was a limit does not count
                held[component].add(execution_id)
            if component in LABELLED and LABEL not in world.database.labels_of(event.executor):
                problems.append(f"{execution_id} is locked by {event.executor}, which lacks the label")
            if entry.most is None and component in LIMITED:
                problems.append(f"{execution_id} was locked without a claim")
            elif entry.most is not None and len(held[component]) > _most(component, entry.most):
                problems.append(f"{len(held[component])} executions of {component} are locked")
        elif isinstance(event, ENDS_OF_LOCKS):
            held[component].discard(execution_id)
    return problems


def _most(component: str, claimed: int) -> int:
    """How many may be locked: as a claim says, which says no more than any deployment does."""
    return min(claimed, MOST_LOCKED) if component in LIMITED else claimed


def _audit_one(execution: Execution) -> list[str]:
    events = [e.event for e in execution.events]
    problems = _audit_cuts(events) + _audit_types(events)
    state = fold.fold(events)
    if state.attempts != execution.state.attempts:
        problems.append(f"{execution.state.attempts} attempts are shown, {state.attempts} are on record")
    if state.version != len(events) or [e.version for e in execution.events] != list(range(len(events))):
        problems.append("versions have gaps")
    if not isinstance(state.status, FinishedState):
        problems.append(f"never finished: {execution.summary().status}")
    if sum(isinstance(e, log.Finished) for e in events) > 1:
        problems.append("finished twice")
    paused = [event for event in events if isinstance(event, log.Paused)]
    problems += [event.reason for event in paused if isinstance(event.cause, log.Broken)]
    last = events[-1]
    if isinstance(last, log.Finished) and _is_evicted(last) and len(events) > 2:
        problems.append("evicted after it had begun")
    idle = sum(isinstance(e, log.Locked) for e in events) - _progress(execution)
    if idle > MANY:
        problems.append(f"was locked {idle} times for nothing")
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
    return problems


def _audit_cuts(events: list[log.Event]) -> list[str]:
    """Runs that were cut off in a row are numbered; an execution that ends for them has used up its retries."""
    problems: list[str] = []
    row = 0
    for event in events:
        if isinstance(event, log.Unlocked) and event.cut_off:
            row += 1
            if event.cut_off not in (1, row):  # 1: it had recorded something before
                problems.append(f"cut off {row} times in a row, {event.cut_off} are on record")
        elif not isinstance(event, log.Locked | log.Finished):
            row = 0
    attempts, last = fold.fold(events).attempts, events[-1]
    ended = last.outcome if isinstance(last, log.Finished) else None
    is_cut_off = isinstance(ended, log.Failed) and ended.reason.startswith("cut off: ")
    if is_cut_off and attempts != MOST_ATTEMPTS:
        problems.append(f"ended after {attempts} attempts as cut off, {MOST_ATTEMPTS} are allowed")
    if attempts > MOST_ATTEMPTS and any(isinstance(e, log.TemporarilyFailed) for e in events):
        problems.append(f"{attempts} attempts were made, {MOST_ATTEMPTS} are allowed")
    return problems


def _audit_types(events: list[log.Event]) -> list[str]:
    """What is locked for a build of other types than it was begun with is held, or fits: it is not tried and failed."""
    created = events[0]
    assert isinstance(created, log.Created)
    problems: list[str] = []
    for locked, event in itertools.pairwise(events):
        if not isinstance(locked, log.Locked) or signature_by(locked.digest, created.ffqn) == created.signature:
            continue
        failed = isinstance(event, log.Finished) and isinstance(event.outcome, log.Failed) and not _is_cancelled(event)
        if failed or isinstance(event, log.TemporarilyFailed | log.TemporarilyTimedOut):
            problems.append(f"tried with {locked.digest}, which has other types: {event}")
    return problems


def _progress(execution: Execution) -> int:
    """What a lock may have led to, or have been for."""
    steps = log.HistoryEvent | log.TemporarilyFailed | log.TemporarilyTimedOut | log.Paused
    cut_off = sum(isinstance(e.event, log.Unlocked) and bool(e.event.cut_off) for e in execution.events)
    return sum(isinstance(e.event, steps) for e in execution.events) + len(execution.responses) + cut_off


def _audit_children(execution: Execution, found: list[str]) -> list[str]:
    """`found` are the children that exist."""
    problems: list[str] = []
    requested = [e.event.child for e in execution.events if isinstance(e.event, log.JoinSetRequest)]
    if sorted(requested) != sorted(found):
        problems.append(f"requested {len(requested)} children, {len(found)} exist")
    for child in requested:
        finished = [r for r in execution.responses if _response_id(r.response) == child]
        if len(finished) != 1:
            problems.append(f"{child} has {len(finished)} responses")
    return problems


def _audit_result(world: World, execution_id: str, function: str, n: int) -> list[str]:
    execution = world.database.everything().get(execution_id)
    if execution is None:
        return [f"{execution_id}: acknowledged, then lost"]
    last = execution.events[-1].event
    if not isinstance(last, log.Finished):
        return []  # told of already
    if function == "trapping":
        fine = isinstance(last.outcome, log.Failed) and last.outcome.kind is log.FailureKind.TRAPPED
        return [] if fine or _is_meddled(world, execution_id) else [f"{execution_id}: trapping ended with {last}"]
    if function == "step" and isinstance(last.outcome, log.Failed) and last.outcome.kind is log.FailureKind.TIMED_OUT:
        return []
    if _is_evicted(last):
        return [] if function == "step" else [f"{execution_id}: {function} was evicted"]
    if not isinstance(last.outcome, log.Returned):
        if _is_cancelled(last) and _is_meddled(world, execution_id):
            return []
        if function == "step" and "narrow" in world.changed:
            return []
        if last.outcome.reason == BROKEN:
            return []  # behind its history, say the replays
        if function == "feed" and "side" in world.changed and last.outcome.reason.startswith("size limit: "):
            return _audit_refusal(world, execution)
        return [f"{execution_id}: {function}({n}) ended with {last}"]
    value, right = msgspec.json.decode(last.outcome.value), expected(function, n)
    if right is not None and value != right and not _is_meddled(world, execution_id):
        return [f"{execution_id}: {function}({n}) is {value}, not {right}"]
    return []


def _audit_refusal(world: World, execution: Execution) -> list[str]:
    """A guest that asked for too much got all answers to what it had asked for before."""
    requests = log.JoinSetRequest | log.DelayRequest
    asked = sum(isinstance(e.event, requests) for e in execution.events)
    told = _told_in_the_end(world, execution)
    got = max((sum(isinstance(answer, dict) for answer in one) for one in told), default=0)
    return [] if got >= asked else [f"{execution.execution_id}: refused what is on record"]


def _is_cancelled(event: log.Event) -> bool:
    outcome = event.outcome if isinstance(event, log.Finished) else None
    return isinstance(outcome, log.Failed) and outcome.kind is log.FailureKind.CANCELLED


def _is_evicted(event: log.Finished) -> bool:
    return isinstance(event.outcome, log.Failed) and event.outcome.reason.startswith("evicted: ")


def _is_meddled(world: World, execution_id: str) -> bool:
    """Whether somebody cancelled the execution, a descendant, or a delay of either."""
    delay = f"Delay_{execution_id[2:]}"
    return any(
        target == execution_id or target.startswith((f"{execution_id}.", f"{delay}.")) for target in world.meddled
    )


def _audit_cancellation(world: World, execution: Execution) -> list[str]:
    """Cancelled is what was asked to be, by an operator or because its parent went on without it."""
    problems: list[str] = []
    events = [e.event for e in execution.events]
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
