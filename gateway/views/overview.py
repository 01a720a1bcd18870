"""What an operator is shown of the whole: what starts and ends, executors, the store, the token that asks. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

from obelisk.gateway.views.executions import Instant, View, instant
from obelisk.runtime.ports.overview import Size
from obelisk.runtime.usecases.overview import Minutes, Seen

ScopeName: TypeAlias = Literal["public", "read", "submit", "work", "admin"]


class RatesView(View, frozen=True, kw_only=True):
    """How many executions without a parent were created and have finished, for each `step_ms` from `since` on; the last
    step is the present one."""

    since: Instant
    step_ms: int
    started: list[int]
    finished: list[int]


class ExecutorView(View, frozen=True, kw_only=True):
    """An executor of some server. Without a valid lease (`is_alive` false) its executions go to others. `labels` say
    which components it may run, `locked` counts the executions that it has locked."""

    executor: str
    host: str
    pid: int
    labels: list[str]
    expires_at: Instant
    is_alive: bool
    locked: int


class Executors(View, frozen=True, kw_only=True):
    """All executors that have a lease."""

    items: list[ExecutorView]


class StoreView(View, frozen=True, kw_only=True):
    """What the store takes: `bytes` of data, `log_bytes` of a write-ahead log, and `free_bytes` that are left where it
    writes, null where that is not known."""

    kind: str
    bytes: int
    log_bytes: int
    free_bytes: int | None


class TokenView(View, frozen=True, kw_only=True):
    """What the sender of the request may do. `id` and `name` are null where no token is needed."""

    id: str | None
    name: str | None
    scope: ScopeName
    expires_at: Instant | None


def rates(minutes: Minutes) -> RatesView:
    """The view of the counts."""
    return RatesView(
        since=instant(minutes.from_us),
        step_ms=60_000,
        started=list(minutes.started),
        finished=list(minutes.finished),
    )


def executor(seen: Seen) -> ExecutorView:
    """The view of an executor."""
    lease = seen.lease
    return ExecutorView(
        executor=lease.executor,
        host=lease.host.partition("/")[0],  # what follows tells machines and namespaces of one name apart
        pid=lease.pid,
        labels=list(lease.labels),
        expires_at=instant(lease.expires_at_us),
        is_alive=seen.is_alive,
        locked=seen.locked,
    )


def store(size: Size, free: int | None) -> StoreView:
    """The view of a store."""
    return StoreView(kind=size.kind, bytes=size.bytes, log_bytes=size.log_bytes, free_bytes=free)
