"""What the control plane shows, as JSON: records of the runtime turned into views at the HTTP edge.

Instants become RFC 3339 text in UTC with microseconds, and their fields lose the unit: ``created_at_us`` is
``created_at``. The views' classes are also where the OpenAPI document takes its schemas from. Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeAlias, cast, get_args

import msgspec

from obelisk.runtime.ports import waiting as waits
from obelisk.runtime.ports.store import Page, Summary
from obelisk.runtime.replay.verdicts import Verdict
from obelisk.runtime.usecases.effects import Intervened

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = f"{datetime.max.isoformat()}Z"
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)

Instant: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Status: TypeAlias = Literal[
    "pending_at", "locked", "blocked_by_join_set", "awaiting_result", "paused", "cancelling", "finished"
]
STATUSES: Final = get_args(Status)
ResultKind: TypeAlias = Literal[
    "ok", "err", "trapped", "timed_out", "nondeterminism_detected", "out_of_fuel", "cancelled", "uncategorized"
]
RESULT_KINDS: Final = (
    "ok",
    "err",
    "trapped",
    "timed_out",
    "nondeterminism_detected",
    "out_of_fuel",
    "cancelled",
    "uncategorized",
)

_CAUSE: Final = "#/components/schemas/PauseCause"


def instant(at_us: int) -> str:
    """RFC 3339 of microseconds since 1970; what lies beyond the year 9999 is its last microsecond."""
    seconds, rest_us = divmod(at_us, 1_000_000)
    second = _second(seconds)
    return _LAST if second is None else f"{second}.{rest_us:06}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str | None:
    """A second since 1970 without its zone, None beyond the year 9999. Kept: instants that are shown together are of a
    few seconds, and an attempt has two of them."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return None


def microseconds(text: str) -> int | None:
    """The instant of RFC 3339 text in microseconds since 1970 (what is finer is cut off), or None when it is none."""
    if _RFC3339.match(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Root of what is shown; the class name is the schema's name."""


class Accepted(View, frozen=True, kw_only=True):
    """A call that is recorded and has no result yet."""

    execution_id: str
    execution: str
    result: str


class AwaitedRequest(View, frozen=True, kw_only=True):
    """A child, with its function and status, or a delay that a workflow waits for; `until` is the end of the delay, or
    the deadline of the child if it has one."""

    id: str
    function: str | None
    status: Status | None
    until: Instant | None


class Waiting(View, frozen=True, kw_only=True):
    """What a workflow waits for: `since` its last step, for one of `requests` (up to ten are shown) or for all."""

    since: Instant
    requests: list[AwaitedRequest]


class Execution(View, frozen=True, kw_only=True):
    """One execution's line. `waits_for` is the join set it waits on, and `waiting`, which only a look at this one
    execution tells, what is open of it; `result_kind` is set once it has finished.

    `tags` are what its caller gave it, each `key=value`, in order. `build` is the digest of the component's build that
    it goes on with, once it has begun.
    `reason` says why the engine itself paused it, if it did, `cause` what lets it go on again by itself.
    """

    execution_id: str
    ffqn: str
    parent: str | None
    status: Status
    waits_for: str | None
    waiting: Waiting | None
    pending_at: Instant | None
    executor: str | None
    version: int
    attempts: int
    created_at: Instant
    updated_at: Instant
    finished_at: Instant | None
    result_kind: ResultKind | None
    build: str | None
    reason: str | None
    cause: Annotated[Any, msgspec.Meta(extra_json_schema={"anyOf": [{"$ref": _CAUSE}, {"type": "null"}]})]
    tags: list[str]
    idempotency_key: str | None


class Intervention(View, frozen=True, kw_only=True):
    """What an intervention did; `execution_id` is the id it was asked for, of an execution or of a delay.

    `done`: it is recorded. `already`: it was so before. `cancelling`, `finished`: too late, nothing was recorded.
    """

    execution_id: str
    effect: Literal["done", "already", "cancelling", "finished"]


class Bulk(View, frozen=True, kw_only=True):
    """What one step of a bulk intervention did, by effect; `refused` are those whose component does not allow it.

    `next_cursor` goes on with the step after it; it is null when no execution is left that matches.
    """

    done: int
    already: int
    cancelling: int
    finished: int
    refused: int
    next_cursor: str | None


class Count(View, frozen=True, kw_only=True):
    """How many executions meet some conditions."""

    count: int


class Deleted(View, frozen=True, kw_only=True):
    """How many executions one step deleted; `next_cursor` goes on with the step after it, null: there is none."""

    deleted: int
    next_cursor: int | None


class ReplayVerdict(View, frozen=True, kw_only=True):
    """Whether the build `digest` replays a log; if not, `reason` says why.

    `divergence` is where the guest asked for something else than is on record: the index of the history event, what the
    log has (null: its end) and what the guest asked for (null: it returned).
    """

    digest: str
    ok: bool
    reason: str | None
    divergence: ReplayDivergence | None


class ReplayDivergence(View, frozen=True, kw_only=True):
    """Where a replay left the log."""

    index: int
    expected: Any
    actual: Any


class Forked(View, frozen=True, kw_only=True):
    """A new execution that began with the first events of another, and where to find it."""

    execution_id: str
    execution: str
    result: str


class Executions(View, frozen=True, kw_only=True):
    """A page of executions, newest first; `next_cursor` is null on the last one."""

    items: list[Execution]
    next_cursor: str | None


class Param(View, frozen=True, kw_only=True):
    """A parameter: `name` as in WIT, `type` its WIT text."""

    name: str
    type: str


class NamedType(View, frozen=True, kw_only=True):
    """A type that a function uses: its name in its interface, its documentation, and its declaration in WIT."""

    name: str
    interface: str
    docs: str
    wit: str


class FunctionView(View, frozen=True, kw_only=True):
    """A deployed function. `result` is the WIT text of its type, null without one.

    `params_schema` and `result_schema` are JSON Schemas of the named parameters and of the result in canonical form,
    each complete in itself; `types` are the named types inside the parameters and the result, each after those that it
    is made of. A function that has no endpoint has no `path`, and `unsupported` says why.
    """

    ffqn: str
    component: str
    kind: Literal["workflow", "activity", "external", "stub"]
    digest: str
    docs: str
    wit: str
    params: list[Param]
    result: str | None
    types: list[NamedType]
    path: str | None
    unsupported: str | None
    params_schema: dict[str, Any] | None
    result_schema: dict[str, Any] | None
    example: dict[str, Any] | None


class Functions(View, frozen=True, kw_only=True):
    """All deployed functions, in order of their names."""

    items: list[FunctionView]


class Info(View, frozen=True, kw_only=True):
    """The versions of what runs, and when it was started."""

    version: str
    python: str
    wasmtime: str
    platform: str
    started_at: Instant


class Health(View, frozen=True, kw_only=True):
    """The server is there."""

    status: Literal["ok"]


class Readiness(View, frozen=True, kw_only=True):
    """The server takes work. `faults`: how many components are deployed that it cannot run, whose executions wait;
    which and why, the list of components says."""

    status: Literal["ok"]
    faults: int


def execution(summary: Summary) -> Execution:
    """The view of an execution's line."""
    return msgspec.convert(
        {
            "execution_id": summary.execution_id,
            "ffqn": summary.ffqn,
            "parent": summary.parent,
            "status": summary.status,
            "waits_for": summary.waits_for,
            "waiting": summary.waiting and _waiting(summary.waiting),
            "pending_at": _instant_or_none(summary.pending_at_us),
            "executor": summary.executor,
            "version": summary.version,
            "attempts": summary.attempts,
            "created_at": instant(summary.created_at_us),
            "updated_at": instant(summary.updated_at_us),
            "finished_at": _instant_or_none(summary.finished_at_us),
            "result_kind": summary.result_kind or None,
            "build": summary.build,
            "reason": summary.reason or None,
            "cause": summary.cause,
            "tags": summary.tags,
            "idempotency_key": summary.key,
        },
        Execution,
    )


def _waiting(waiting: waits.Waiting) -> Waiting:
    requests = [
        AwaitedRequest(
            id=request.id,
            function=request.ffqn or None,
            status=cast("Status | None", request.status or None),
            until=_instant_or_none(request.until_us),
        )
        for request in waiting.requests
    ]
    return Waiting(since=instant(waiting.since_us), requests=requests)


def intervention(intervened: Intervened) -> Intervention:
    """The view of what an intervention did."""
    return Intervention(execution_id=intervened.id, effect=intervened.effect.value)


def verdict(verdict: Verdict) -> ReplayVerdict:
    """The view of a replay's verdict."""
    found = verdict.divergence
    divergence = None
    if found is not None:
        divergence = ReplayDivergence(index=found.index, expected=found.expected, actual=found.actual)
    return ReplayVerdict(digest=verdict.digest, ok=verdict.ok, reason=verdict.reason or None, divergence=divergence)


def executions(page: Page) -> Executions:
    """The view of a page."""
    return Executions(items=[execution(summary) for summary in page.items], next_cursor=page.cursor)


def _instant_or_none(at_us: int | None) -> str | None:
    return None if at_us is None else instant(at_us)
