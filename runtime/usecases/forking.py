"""Forking: a new execution that begins with a part of another one's history. Pure.

The fork is a top-level execution with a log of its own: created, locked, the history events of the prefix, unlocked.
Whatever named the old execution in them names the new one: ids of children and delays, and texts that hold them. Its
children are not run again: the responses that the old execution got are its own, but for those that were not processed
in the prefix and only say that a request was cancelled. Requests without response are made anew, delays for the same
instant. History keeps its instants, and the fork the one for which the old execution was scheduled: the guest may have
read them off its clock. An id that the guest generated and had not used to schedule yet becomes another one, because
the old execution may have used it since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import ForkInvalid
from obelisk.runtime.log import codec, fold
from obelisk.runtime.log import events as log
from obelisk.runtime.log.builds import last_build
from obelisk.runtime.ports.store import AddDelay, Append, Create, Respond, Stored, Write

_GENERATED = msgspec.Raw(b'"execution-id-generate"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A fork to record: `stored` is the new execution as a run would find it, `writes` make it so."""

    stored: Stored
    writes: tuple[Write, ...]


@dataclass(slots=True)
class _Requests:
    """The requests of a prefix, by id, and which of them were processed there."""

    children: dict[str, log.JoinSetRequest] = field(default_factory=dict[str, log.JoinSetRequest])
    delays: dict[str, log.DelayRequest] = field(default_factory=dict[str, log.DelayRequest])
    processed: set[str] = field(default_factory=set[str])


def fork(
    old: Stored,
    at_version: int,
    *,
    executor: str,
    run: str,
    ulid: Callable[[], str],
    now_us: int,
    functions: Mapping[str, DeployedFunction] = MappingProxyType({}),
) -> Fork:
    """Fork `old` behind its first `at_version` events. `executor` and `run` are fresh ids; `functions` are those
    that are deployed, by Ffqn. ForkInvalid."""
    if not 1 <= at_version <= len(old.events):
        raise ForkInvalid(
            f"{old.execution_id} has versions up to {len(old.events)}",
            execution_id=old.execution_id,
            version=at_version,
        )
    prefix = old.events[:at_version]
    created = prefix[0]
    assert isinstance(created, log.Created)
    new_id = ids.EXECUTION + ulid()
    replace = replacing(_names(old.execution_id, new_id, prefix, ulid))
    history = tuple(_renamed_event(event, replace) for event in prefix if isinstance(event, log.HistoryEvent))
    times = tuple(at_us for event, at_us in zip(prefix, old.times, strict=False) if isinstance(event, log.HistoryEvent))
    requests = _requests(history)
    answers = (_renamed_response(response, replace) for response in old.responses)
    responses = tuple(r for r in answers if _is_kept(r, requests))
    begin = (
        log.Created(
            ffqn=created.ffqn,
            params=created.params,
            scheduled_at_us=created.scheduled_at_us,
            tags=created.tags,
            signature=created.signature,
        ),
        log.Locked(executor=executor, run=run, digest=_digest(prefix)),
    )
    unlocked = log.Unlocked(reason=f"forked from {old.execution_id} at version {at_version}", pending_at_us=now_us)
    events = (*begin, *history, unlocked)
    stored = Stored(
        execution_id=new_id,
        state=fold.fold(events),
        events=events,
        responses=responses,
        times=(now_us, now_us, *times, now_us),
    )
    return Fork(stored=stored, writes=(*_own(stored, now_us), *_open(new_id, requests, responses, now_us, functions)))


def _own(stored: Stored, now_us: int) -> list[Write]:
    begin = created, locked = stored.events[:2]
    assert isinstance(created, log.Created)
    assert isinstance(locked, log.Locked)
    execution_id = stored.execution_id
    create = Create(
        execution_id=execution_id, created=created, locked=locked, state=fold.start(created, locked), at_us=now_us
    )
    appends: list[Write] = []
    state, version = create.state, len(begin)
    for at_us, together in groupby(zip(stored.times[version:], stored.events[version:], strict=True), itemgetter(0)):
        events = tuple(event for _, event in together)
        for event in events:
            state = fold.apply(state, event)
        append = Append(
            execution_id=execution_id, version=version, events=events, state=state, at_us=at_us, run=locked.run
        )
        appends.append(append)
        version += len(events)
    return [create, *appends, *(Respond(execution_id=execution_id, response=r, at_us=now_us) for r in stored.responses)]


def _open(
    new_id: str,
    requests: _Requests,
    responses: Sequence[log.Response],
    now_us: int,
    functions: Mapping[str, DeployedFunction],
) -> list[Write]:
    """What the fork still waits for: its children and delays."""
    done = {_source(response) for response in responses} | requests.processed
    writes: list[Write] = []
    for child, request in requests.children.items():
        if child not in done:
            function = functions.get(request.ffqn)
            created = log.Created(
                ffqn=request.ffqn,
                params=request.params,
                scheduled_at_us=now_us,
                parent=new_id,
                signature=request.signature,
                awaits_result=function is not None and function.kind is ComponentKind.STUB,
                total_timeout_ms=None if function is None else function.total_timeout_ms,
            )
            state = fold.start(created)
            writes.append(Create(execution_id=child, created=created, locked=None, state=state, at_us=now_us))
    for delay, wanted in requests.delays.items():
        if delay not in done:
            at_us = wanted.expires_at_us
            writes.append(AddDelay(execution_id=new_id, join_set=wanted.join_set, delay=delay, expires_at_us=at_us))
    return writes


def _requests(history: Sequence[log.Event]) -> _Requests:
    found = _Requests()
    for event in history:
        match event:
            case log.JoinSetRequest():
                found.children[event.child] = event
            case log.DelayRequest():
                found.delays[event.delay] = event
            case log.JoinNext(response=str(response)) | log.JoinNextTry(response=str(response)):
                found.processed.add(response)
            case log.JoinSetClose(join_set=join_set):
                found.processed.update(name for name, child in found.children.items() if child.join_set == join_set)
                found.processed.update(name for name, delay in found.delays.items() if delay.join_set == join_set)
            case _:
                pass
    return found


def _is_kept(response: log.Response, requests: _Requests) -> bool:
    source = _source(response)
    if source in requests.processed:
        return True
    if isinstance(response, log.DelayFinished):
        return source in requests.delays and not response.cancelled
    outcome = response.outcome
    cancelled = isinstance(outcome, log.Failed) and outcome.kind is log.FailureKind.CANCELLED
    return source in requests.children and not cancelled


def _source(response: log.Response) -> str:
    return response.child if isinstance(response, log.ChildFinished) else response.delay


def _digest(prefix: Sequence[log.Event]) -> str:
    """The build that made the prefix, or had it locked last when nothing was made."""
    used = [event.digest for event in prefix if isinstance(event, log.Locked | log.ComponentUpgraded)]
    return last_build(prefix) or (used[-1] if used else "")


def _names(old_id: str, new_id: str, prefix: Sequence[log.Event], ulid: Callable[[], str]) -> dict[str, str]:
    """What is called otherwise in the fork."""
    names = {old_id: new_id}
    scheduled = {event.execution_id for event in prefix if isinstance(event, log.Schedule)}
    for event in prefix:
        if isinstance(event, log.Persist) and event.request == _GENERATED:
            generated = msgspec.json.decode(event.value, type=dict[str, str])["id"]
            if generated not in scheduled:
                names[generated] = ids.EXECUTION + ulid()
    return names


def replacing(names: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """Replaces ids in text: of executions, and as parts of those of their children and delays.

    The first of `names` is of any execution, the others are of top-level ones. They are looked up where an id stands,
    and not looked for one by one: a workflow may have made thousands.
    """
    bare = {
        old.removeprefix(ids.EXECUTION).encode(): new.removeprefix(ids.EXECUTION).encode() for old, new in names.items()
    }
    first = re.escape(next(iter(bare)))
    pattern = re.compile(rb"(?<=E_|y_)(?:" + first + rb"|[0-9A-Z]{26})(?![0-9A-Za-z])")
    return lambda text: pattern.sub(lambda match: bare.get(match[0], match[0]), text)


def _renamed_event(event: log.Event, replace: Callable[[bytes], bytes]) -> log.Event:
    kind, body = codec.encode_event(event)
    return codec.decode_event(kind, replace(body))


def _renamed_response(response: log.Response, replace: Callable[[bytes], bytes]) -> log.Response:
    kind, body = codec.encode_response(response)
    return codec.decode_response(kind, replace(body))
