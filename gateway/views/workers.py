"""What workers outside the engine say and are told: the shapes of the worker protocol (docs/workers.md). Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from obelisk.codegen.model.problems import Problem
from obelisk.gateway.views.executions import Instant, View, instant
from obelisk.runtime.external import exchange
from obelisk.runtime.external.exchange import LEASE_BOUNDS_MS, LEASE_MS, MAX_WAIT_MS, MOST_AT_ONCE
from obelisk.runtime.log.lines import LEVELS

Level: TypeAlias = Literal["trace", "debug", "info", "warn", "error"]
OfferState: TypeAlias = Literal["ok", "unknown", "not_external", "differs", "labels"]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_AT_ONCE)]
_Id: TypeAlias = Annotated[str, Meta(max_length=2048)]
_Text: TypeAlias = Annotated[str, Meta(max_length=1 << 20)]
_Ffqn: TypeAlias = Annotated[str, Meta(max_length=1024)]
_Label: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._=:/-]{0,61}[A-Za-z0-9])?$")]


# --- what workers say -------------------------------------------------------------------------------------------------
class OfferedFunction(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function that a worker serves. `signature`: the one that its code was made for, as generated code has it;
    without it the worker is given whatever is deployed."""

    ffqn: _Ffqn
    signature: Annotated[str, Meta(max_length=65_536)] = ""


class Registration(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker that wants to be registered. `name` is for people. `lease_ms`: for how long it may be silent before what
    it holds is given to others."""

    name: Annotated[str, Meta(max_length=200)] = ""
    functions: Annotated[list[OfferedFunction], Meta(max_length=MOST_AT_ONCE)]
    labels: Annotated[tuple[_Label, ...], Meta(max_length=64)] = ()
    lease_ms: Annotated[int, Meta(ge=LEASE_BOUNDS_MS[0], le=LEASE_BOUNDS_MS[1])] = LEASE_MS


class AttemptFailure(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An attempt that gave no result. `detail` is for operators, as a traceback; `retryable` false: no other attempt is
    made; `retry_after_ms`: none sooner than that."""

    message: _Text
    detail: _Text = ""
    retryable: bool = True
    retry_after_ms: Annotated[int, Meta(ge=0, le=31_536_000_000)] = 0


class AttemptOutcome(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an attempt ended, by exactly one of its keys. `ok` and `err` are values of the function's result type, in
    canonical form; a result that is no `result<…>` is `ok`, null for a function without one."""

    ok: Any = UNSET
    err: Any = UNSET
    failure: AttemptFailure | UnsetType = UNSET


class AttemptResult(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of an attempt."""

    execution_id: _Id
    run: _Id
    outcome: Annotated[AttemptOutcome, Meta(extra_json_schema={"minProperties": 1, "maxProperties": 1})]


class AttemptHeartbeat(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sign of life of an attempt. `detail`: any JSON, of at most 64 KiB; the next attempt is given the last one."""

    execution_id: _Id
    run: _Id
    detail: Any = UNSET


class AttemptLine(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message for the log of an execution. It gets the server's instant; `at` is taken for the sake of order alone,
    which is that of the list."""

    execution_id: _Id
    run: _Id
    level: Level = "info"
    message: _Text
    at: Annotated[str, Meta(max_length=64)] = ""


class WorkerClaim(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many attempts a worker would take now (0: none), and how long it waits for the first, or for news.

    `functions`: only these; `per_function`: of these no more than that. `holding`: the runs that the worker has; what
    is locked by it and is not among them is handed out again."""

    limit: Count
    wait_ms: Annotated[int, Meta(ge=0, le=MAX_WAIT_MS)] = 0
    functions: Annotated[list[_Ffqn], Meta(max_length=MOST_AT_ONCE)] | None = None
    per_function: dict[_Ffqn, Count] = msgspec.field(default_factory=dict[str, int])
    holding: Annotated[list[_Id], Meta(max_length=10 * MOST_AT_ONCE)] | None = None


class WorkerExchange(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a worker may say at once; each part is optional. `draining`: it takes no more attempts, and `claim` is
    passed over."""

    results: Annotated[tuple[AttemptResult, ...], Meta(max_length=MOST_AT_ONCE)] = ()
    heartbeats: Annotated[tuple[AttemptHeartbeat, ...], Meta(max_length=10 * MOST_AT_ONCE)] = ()
    lines: Annotated[tuple[AttemptLine, ...], Meta(max_length=10 * MOST_AT_ONCE)] = ()
    claim: WorkerClaim | None = None
    draining: bool = False


# --- what workers are told --------------------------------------------------------------------------------------------
class FunctionOffer(View, frozen=True, kw_only=True):
    """How a function stands that a worker offers. `differs`: its code was made for other types; `labels`: it lacks some
    that the component asks for. Of these, `unknown` and `not_external` it is given no attempts."""

    ffqn: str
    state: OfferState
    detail: str


class WorkerView(View, frozen=True, kw_only=True):
    """A worker that is registered; `attempts`: how many it holds."""

    worker: str
    name: str
    labels: list[str]
    lease_ms: int
    expires_at: Instant
    functions: list[FunctionOffer]
    attempts: int


class Workers(View, frozen=True, kw_only=True):
    """The workers whose leases have not run out."""

    items: list[WorkerView]


class OutcomeProblem(View, frozen=True, kw_only=True):
    """What is wrong with a result, at a JSON pointer into `outcome`."""

    pointer: str
    expected: str
    detail: str


class ResultVerdict(View, frozen=True, kw_only=True):
    """What became of a result. `stale`: it does not count, `reason` says why. `invalid`: it is recorded as a failed
    attempt, `detail` and `problems` say what is wrong. None of them is to be sent again."""

    execution_id: str
    run: str
    state: Literal["accepted", "stale", "invalid"]
    reason: Literal["ended", "cancelled", "paused", "timed_out", "lost", "not_yours", "unknown"] | None
    detail: str
    problems: list[OutcomeProblem]


class AttemptState(View, frozen=True, kw_only=True):
    """What became of an attempt that the worker has, or had. All but `running`: stop it, its result would be stale."""

    execution_id: str
    run: str
    state: Literal["running", "ended", "cancelled", "paused", "timed_out", "lost", "not_yours", "unknown"]


class AttemptView(View, frozen=True, kw_only=True):
    """An attempt to be made. `attempt` counts from 1. `deadline` is by the server's clock; `remaining_ms` are left of
    it, for a clock of the worker's own. `heartbeat_detail`: the last one that an earlier attempt gave, or null."""

    execution_id: str
    run: str
    ffqn: str
    attempt: int
    params: dict[str, Any]
    created_at: Instant
    deadline: Instant
    remaining_ms: int
    digest: str
    signature: str
    traceparent: str | None
    tags: list[str]
    heartbeat_detail: Any


class WorkerAnswer(View, frozen=True, kw_only=True):
    """The answer to what a worker said. `heartbeats` has the state of each attempt that it sent a heartbeat of, and of
    those that ended without it."""

    results: list[ResultVerdict]
    heartbeats: list[AttemptState]
    attempts: list[AttemptView]
    lease_ms: int


_NULL = msgspec.Raw(b"null")


def worker(registered: exchange.Registered) -> WorkerView:
    """A worker as it is shown."""
    return WorkerView(
        worker=registered.worker,
        name=registered.name,
        labels=list(registered.labels),
        lease_ms=registered.lease_ms,
        expires_at=instant(registered.expires_at_us),
        functions=[FunctionOffer(ffqn=f.ffqn, state=f.state.value, detail=f.detail) for f in registered.functions],
        attempts=registered.attempts,
    )


def answer(given: exchange.Answer) -> WorkerAnswer:
    """The answer to an exchange."""
    return WorkerAnswer(
        results=[_verdict(verdict) for verdict in given.results],
        heartbeats=[
            AttemptState(execution_id=news.execution_id, run=news.run, state=news.fate.value) for news in given.news
        ],
        attempts=[_attempt(handed) for handed in given.attempts],
        lease_ms=given.lease_ms,
    )


def said(body: WorkerExchange, most_ms: int) -> exchange.Exchange:
    """What a worker says, as records; it waits `most_ms` at most."""
    return exchange.Exchange(
        results=[_result(one) for one in body.results],
        heartbeats=[
            exchange.Heartbeat(
                execution_id=beat.execution_id,
                run=beat.run,
                detail=None if beat.detail is UNSET else msgspec.json.encode(beat.detail),
            )
            for beat in body.heartbeats
        ],
        lines=[
            exchange.SaidLine(
                execution_id=line.execution_id, run=line.run, level=LEVELS.index(line.level), text=line.message
            )
            for line in body.lines
        ],
        claim=None if body.claim is None or body.draining else _wanted(body.claim, most_ms),
        draining=body.draining,
    )


def outcome_count(outcome: AttemptOutcome) -> int:
    """How many of its keys an outcome has; it has to be one."""
    return sum(key is not UNSET for key in (outcome.ok, outcome.err, outcome.failure))


def _wanted(claim: WorkerClaim, most_ms: int) -> exchange.Wanted:
    return exchange.Wanted(
        limit=claim.limit,
        wait_ms=min(claim.wait_ms, most_ms),
        functions=None if claim.functions is None else frozenset(claim.functions),
        per_function=claim.per_function,
        holding=None if claim.holding is None else frozenset(claim.holding),
    )


def _result(given: AttemptResult) -> exchange.Result:
    outcome = given.outcome
    if not isinstance(outcome.failure, UnsetType):
        failure = exchange.Failure(
            message=outcome.failure.message,
            detail=outcome.failure.detail,
            retryable=outcome.failure.retryable,
            retry_after_ms=outcome.failure.retry_after_ms,
        )
        return exchange.Result(execution_id=given.execution_id, run=given.run, failure=failure)
    case, value = ("ok", outcome.ok) if outcome.ok is not UNSET else ("err", outcome.err)
    return exchange.Result(execution_id=given.execution_id, run=given.run, case=case, value=value)


def _verdict(verdict: exchange.Verdict) -> ResultVerdict:
    reason: Any = None if verdict.fate is None else verdict.fate.value
    return ResultVerdict(
        execution_id=verdict.execution_id,
        run=verdict.run,
        state=verdict.state.value,
        reason=reason,
        detail=verdict.detail,
        problems=[_problem(problem) for problem in verdict.problems],
    )


def _problem(problem: Problem) -> OutcomeProblem:
    return OutcomeProblem(pointer=problem.pointer, expected=problem.expected, detail=problem.detail)


def _attempt(handed: exchange.Handed) -> AttemptView:
    return AttemptView(
        execution_id=handed.execution_id,
        run=handed.run,
        ffqn=handed.ffqn,
        attempt=handed.attempt,
        params=dict(handed.params),
        created_at=instant(handed.created_at_us),
        deadline=instant(handed.deadline_us),
        remaining_ms=handed.remaining_ms,
        digest=handed.digest,
        signature=handed.signature,
        traceparent=handed.trace or None,
        tags=list(handed.tags),
        heartbeat_detail=_NULL if handed.heartbeat is None else msgspec.Raw(handed.heartbeat),
    )
