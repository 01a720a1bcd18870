"""The vocabulary of the execution log: execution events, history events, responses and outcomes.

An execution's log is append-only; an event's *version* is its index, from 0. History events are the part of the log
that a replay compares with what the guest asks for. Responses (a child finished, a delay finished) form a second
append-only list per execution, so that the executor that finishes a child never contends for its parent's log. WIT
values stand in events as raw JSON text in the canonical form of the architecture's section on JSON. Instants are
microseconds since 1970.

Changing a field here changes the stored format: see `codec.SCHEMA_VERSION`.
"""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

import msgspec

ABSENT: Final = msgspec.Raw(b"null")
"""Stands for no JSON in a field of raw JSON (an optional raw field cannot be decoded)."""


class FailureKind(enum.Enum):
    """Why an execution ended without a value of its function's type."""

    TRAPPED = "trapped"
    TIMED_OUT = "timed_out"
    NONDETERMINISM_DETECTED = "nondeterminism_detected"
    OUT_OF_FUEL = "out_of_fuel"
    CANCELLED = "cancelled"
    UNCATEGORIZED = "uncategorized"


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_snake, gc=False):
    """Encodes as a JSON object whose ``type`` is the class name in snake_case."""


# --- outcomes -------------------------------------------------------------------------------------------------------
class Returned(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """The function returned; `value` is its result as JSON (``null`` where there is none), also a business ``err``.

    `shape` says how to read it, see `codegen.model.signatures`; ``""`` in records that are older than that.
    """

    value: msgspec.Raw
    shape: str = ""


class Divergence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a replay asked for something else: the history index, what the log has and what the guest asked for.

    `expected` ABSENT: the guest asks on after the end of the log; `actual` ABSENT: the guest returned early.
    """

    index: int
    expected: msgspec.Raw
    actual: msgspec.Raw


class Failed(_Event, frozen=True, kw_only=True):
    """The execution failed for good. `error_id` is quoted to clients and parents; `detail` is for operators."""

    kind: FailureKind
    error_id: str
    reason: str
    detail: str = ""
    divergence: Divergence | None = None


Outcome: TypeAlias = Returned | Failed


# --- history events (the part that replays) -------------------------------------------------------------------------
class Persist(_Event, frozen=True, kw_only=True):
    """A value that came from outside the guest and must stay the same: random number or string, new id, instant.

    `request` is what was asked (function and bounds) as JSON text; `value` the recorded answer.
    """

    request: msgspec.Raw
    value: msgspec.Raw


class JoinSetCreate(_Event, frozen=True, kw_only=True):
    """A join set came to be; one-off sets have no such event."""

    join_set: str


class JoinSetRequest(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """A child was submitted: a request of `join_set`, its id derived from it. `signature` is that of the function as it
    was asked for, see `codegen.model.signatures`; ``""`` in records that are older than that."""

    join_set: str
    child: str
    ffqn: str
    params: msgspec.Raw
    signature: str = ""


class DelayRequest(_Event, frozen=True, kw_only=True):
    """A delay was submitted. `schedule` is the guest's request, `expires_at_us` the instant computed once."""

    join_set: str
    delay: str
    schedule: msgspec.Raw
    expires_at_us: int


class JoinNext(_Event, frozen=True, kw_only=True):
    """The guest took a response of `join_set`: that of `response` (a child's or delay's id), or none was left (None).

    `ffqn` is the function a typed ``-await-next`` asked for.
    """

    join_set: str
    response: str | None
    ffqn: str | None = None


class JoinNextTry(_Event, frozen=True, kw_only=True):
    """The guest asked without blocking; `response` None with `pending` true when none was there yet."""

    join_set: str
    response: str | None
    pending: bool = False


class JoinSetClose(_Event, frozen=True, kw_only=True):
    """A join set was closed, all its requests answered or given up."""

    join_set: str


class Schedule(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """A new top-level execution was asked for, to start at `scheduled_at_us`; `schedule` is the guest's request.
    `signature` as in `JoinSetRequest`."""

    execution_id: str
    ffqn: str
    params: msgspec.Raw
    schedule: msgspec.Raw
    scheduled_at_us: int
    signature: str = ""


class Stub(_Event, frozen=True, kw_only=True):
    """The guest supplied the result of a stub execution; `error` names the refusal, empty when it was accepted."""

    execution_id: str
    ffqn: str
    result: msgspec.Raw
    error: str = ""


HistoryEvent: TypeAlias = (
    Persist | JoinSetCreate | JoinSetRequest | DelayRequest | JoinNext | JoinNextTry | JoinSetClose | Schedule | Stub
)


# --- execution events -----------------------------------------------------------------------------------------------
class Created(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """Version 0 of every log. `params` is a JSON array in declaration order. `trace` is the W3C ``traceparent`` of
    its caller, ``""`` when it is not traced; `tags` are as `runtime.tags` says. `signature` is that of the
    function for which `params` were checked, as in `JoinSetRequest`. `awaits_result`: no executor runs it, its result
    comes from outside (a stub); logs of before there was this field do not say so. `total_timeout_ms` bounds the time
    of an activity's execution (0: no bound), see `runtime.log.deadlines`; None in other and in older logs. `family`:
    the first of the executions from which workflows scheduled this one, or the tree that it is in; ``""`` when it was
    not scheduled. `caller`: the name of the token that submitted it, ``""`` where none was needed and in children."""

    ffqn: str
    params: msgspec.Raw
    scheduled_at_us: int
    parent: str | None = None
    trace: str = ""
    tags: tuple[str, ...] = ()
    signature: str = ""
    awaits_result: bool = False
    total_timeout_ms: int | None = None
    family: str = ""
    caller: str = ""


class Locked(_Event, frozen=True, kw_only=True):
    """An executor took the execution for one run, with the component build it uses."""

    executor: str
    run: str
    digest: str


class Unlocked(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """The run ended without a result: unloaded while blocked, stopped on shutdown, or its executor's lease expired.

    `join_set` set: waits for its next response; else pending from `pending_at_us`. `cut_off`: the run did not end, its
    executor was gone; how many runs in a row that is, with this one (0: it was let go).
    """

    reason: str
    pending_at_us: int
    join_set: str | None = None
    cut_off: int = 0


class TemporarilyFailed(_Event, frozen=True, kw_only=True):
    """An attempt trapped or returned `err` (else ABSENT) and another one follows at `pending_at_us`."""

    error_id: str
    reason: str
    pending_at_us: int
    detail: str = ""
    err: msgspec.Raw = ABSENT


class TemporarilyTimedOut(_Event, frozen=True, kw_only=True):
    """An attempt ran past its limit and another one follows at `pending_at_us`."""

    error_id: str
    pending_at_us: int


class Broken(_Event, frozen=True, kw_only=True):
    """The engine failed in a run, which is a bug of it; its log has the traceback under `error_id`. `engine` is the
    version that failed: another one tries again."""

    error_id: str
    engine: str


class Diverged(_Event, frozen=True, kw_only=True):
    """The build `digest` asked for something else than the history has that `before` made (``""``: that is not known);
    any other build tries again. `divergence` says where."""

    before: str
    digest: str
    divergence: Divergence


class Outdated(_Event, frozen=True, kw_only=True):
    """The history was made by the build `before`, and the component's policy leaves it to people to upgrade to
    `digest`; `before` itself goes on."""

    before: str
    digest: str


class Unfit(_Event, frozen=True, kw_only=True):
    """The function that the build `digest` exports, of that `signature`, has other types than the execution was begun
    with; one of another signature tries again."""

    digest: str
    signature: str


class CutOff(_Event, frozen=True, kw_only=True):
    """The executors of so many runs in a row were gone before these had recorded anything: it may be the guest of the
    build `digest` that ends them. Another build, or another version of the engine than `engine`, tries again."""

    count: int
    digest: str
    engine: str


PauseCause: TypeAlias = Broken | Diverged | Outdated | Unfit | CutOff


class Paused(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """An operator paused the execution, or the engine because it cannot go on: then `reason` says why, and `cause`
    what lets it go on again by itself (None: nothing does)."""

    reason: str = ""
    cause: PauseCause | None = None


class Unpaused(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """An operator let a paused execution go on, or the engine, once what it was paused for is over (then `reason` says
    why). `pending_at_us`: it is due at that instant (None: at the one for which it was pending before)."""

    reason: str = ""
    pending_at_us: int | None = None


class CancellationRequested(_Event, frozen=True, kw_only=True):
    """Cancellation was asked for."""


class ComponentUpgraded(_Event, frozen=True, kw_only=True):
    """The execution moved to another build of its component."""

    digest: str


class Finished(_Event, frozen=True, kw_only=True):
    """The last event of a log."""

    outcome: Outcome


ExecutionEvent: TypeAlias = (
    Created
    | Locked
    | Unlocked
    | TemporarilyFailed
    | TemporarilyTimedOut
    | Paused
    | Unpaused
    | CancellationRequested
    | ComponentUpgraded
    | Finished
)
Event: TypeAlias = ExecutionEvent | HistoryEvent


# --- responses ------------------------------------------------------------------------------------------------------
class ChildFinished(_Event, frozen=True, kw_only=True):
    """A child of `join_set` ended with `outcome`."""

    join_set: str
    child: str
    outcome: Outcome


class DelayFinished(_Event, frozen=True, kw_only=True):
    """A delay of `join_set` expired; `cancelled` when it was given up instead."""

    join_set: str
    delay: str
    cancelled: bool = False


Response: TypeAlias = ChildFinished | DelayFinished
