"""What workers and the engine tell each other in one exchange. Pure.

A worker registers and gets an id, under which it has a lease as an executor has one. An attempt is a lock of the worker
with a run id, the fencing token: whatever is said of an attempt names its execution and its run.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import msgspec

from obelisk.codegen.model.problems import Problem
from obelisk.runtime.ports.guest import JsonValue

MOST_AT_ONCE = 1_000
"""Attempts of one claim, and results, heartbeats and lines of one exchange."""
MAX_WAIT_MS = 60_000
LEASE_MS = 10_000
LEASE_BOUNDS_MS = (1_000, 300_000)
MAX_DETAIL_BYTES = 65_536
"""Of a heartbeat's detail as JSON."""


class Offered(enum.Enum):
    """What becomes of a function that a worker offers. DIFFERS: the code of the worker was made for another type."""

    OK = "ok"
    UNKNOWN = "unknown"
    NOT_EXTERNAL = "not_external"
    DIFFERS = "differs"
    LABELS = "labels"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A function as it stands with a worker; `detail` is a sentence for people."""

    ffqn: str
    state: Offered
    detail: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that gave no result. `retry_after_ms`: not sooner than that, counted from when it is recorded."""

    message: str
    detail: str = ""
    retryable: bool = True
    retry_after_ms: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: with a `value` as case ``ok`` or ``err`` of its function's result, or with a failure."""

    execution_id: str
    run: str
    case: str = "ok"
    value: JsonValue = None
    failure: Failure | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of life of an attempt; `detail` is JSON that the next attempt is given, None: none was given."""

    execution_id: str
    run: str
    detail: bytes | None = None


class SaidLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message for the log of an execution; `level` as in `lines.LEVELS`, by number."""

    execution_id: str
    run: str
    level: int
    text: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts a worker would take: `limit` in all (0: it waits for news alone), of some functions fewer, and
    for how long it waits.

    `functions`: only these, None: all that it offers. `holding`: the runs that it has; None: it does not say.
    """

    limit: int
    wait_ms: int = 0
    functions: frozenset[str] | None = None
    per_function: Mapping[str, int]
    holding: frozenset[str] | None = None


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker may say at once. `draining`: it takes no more attempts."""

    results: Sequence[Result] = ()
    heartbeats: Sequence[Heartbeat] = ()
    lines: Sequence[SaidLine] = ()
    claim: Wanted | None = None
    draining: bool = False


class Fate(enum.Enum):
    """What became of an attempt. RUNNING: it is the worker's; ENDED: its end is on record; LOST: its lock was given to
    others when the lease had run out."""

    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    NOT_YOURS = "not_yours"
    UNKNOWN = "unknown"


class State(enum.Enum):
    """What became of a result."""

    ACCEPTED = "accepted"
    STALE = "stale"
    INVALID = "invalid"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a result. STALE: `fate` says why. INVALID: `problems` are those of its type, or `detail` says it;
    it is recorded as a failed attempt."""

    execution_id: str
    run: str
    state: State
    fate: Fate | None = None
    detail: str = ""
    problems: tuple[Problem, ...] = ()


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt that is under way."""

    execution_id: str
    run: str
    fate: Fate


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt for a worker. `params` by name; `attempt` counts from 1; `deadline_us` by the engine's clock, of which
    `remaining_ms` are left; `heartbeat`: the last detail that an earlier attempt gave, as JSON."""

    execution_id: str
    run: str
    ffqn: str
    attempt: int
    params: Mapping[str, JsonValue]
    created_at_us: int
    deadline_us: int
    remaining_ms: int
    digest: str
    signature: str
    trace: str
    tags: tuple[str, ...]
    heartbeat: bytes | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an exchange. `news` answers the heartbeats, and tells of attempts that ended without the worker."""

    results: Sequence[Verdict]
    news: Sequence[News]
    attempts: Sequence[Handed]
    lease_ms: int


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that is registered."""

    worker: str
    name: str
    labels: tuple[str, ...]
    lease_ms: int
    expires_at_us: int
    functions: Sequence[Offer]
    attempts: int
