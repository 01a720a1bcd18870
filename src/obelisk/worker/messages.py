"""What goes over the wire: JSON of requests, records of answers. Pure.

Unknown members of answers are ignored, so that newer servers may say more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import msgspec

from obelisk.worker.current import Attempt
from obelisk.worker.errors import ServerForeign

T = TypeVar("T")
encode: Final = msgspec.json.Encoder().encode
OK: Final = "ok"


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a registration: the worker's id, its lease, and why it gets no work for some functions."""

    worker: str
    lease_s: float
    refused: Mapping[str, str]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says to a result: ``accepted``, ``stale`` or ``invalid``, and why."""

    run: str
    execution_id: str
    state: str
    reason: str = ""


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an exchange. `ended` has the state of each run that is no longer to run."""

    results: tuple[Judged, ...]
    ended: Mapping[str, str]
    attempts: tuple[Attempt, ...]
    lease_s: float | None


def registered(body: bytes) -> Registered:
    """Read the answer to a registration. `ServerForeign` when it is none."""

    def read(data: Any) -> Registered:
        refused = {
            str(item["ffqn"]): f"{item['state']}: {item['detail']}" if item.get("detail") else str(item["state"])
            for item in data["functions"]
            if item["state"] != OK
        }
        return Registered(worker=str(data["worker"]), lease_s=data["lease_ms"] / 1000, refused=refused)

    return _read(body, read)


class _Verdict(msgspec.Struct, kw_only=True, gc=False):
    run: str
    execution_id: str
    state: str
    reason: str | None = None
    problems: Any = None


class _News(msgspec.Struct, kw_only=True, gc=False):
    run: str
    state: str


class _Attempt(msgspec.Struct, kw_only=True, gc=False):
    execution_id: str
    run: str
    ffqn: str
    attempt: int
    params: dict[str, Any]
    remaining_ms: float | None = None
    deadline: datetime | None = None
    traceparent: str | None = None
    tags: Any = None
    heartbeat_detail: Any = None
    signature: str | None = None


class _Answer(msgspec.Struct, kw_only=True, gc=False):
    results: list[_Verdict] | None = None
    heartbeats: list[_News] | None = None
    attempts: list[_Attempt] | None = None
    lease_ms: float | None = None


_answer: Final = msgspec.json.Decoder(_Answer).decode


def exchanged(body: bytes) -> Exchanged:
    """Read the answer to an exchange. `ServerForeign` when it is none."""
    try:
        data = _answer(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise _foreign(error) from error
    return Exchanged(
        results=tuple(map(_judged, data.results or ())),
        ended={news.run: news.state for news in data.heartbeats or () if news.state != "running"},
        attempts=tuple(map(_attempt, data.attempts or ())),
        lease_s=data.lease_ms / 1000 if data.lease_ms is not None else None,
    )


def _read(body: bytes, read: Callable[[Any], T]) -> T:
    try:
        return read(msgspec.json.decode(body))
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _foreign(error) from error


def _foreign(error: Exception) -> ServerForeign:
    return ServerForeign(f"the answer is none of an Obelisk server: {error!r}")


def _judged(item: _Verdict) -> Judged:
    reason = item.reason or ""
    if item.problems:
        problems = cast("list[dict[str, Any]]", item.problems)
        listed = "; ".join(f"{p.get('pointer')}: {p.get('message') or p.get('detail')}" for p in problems)
        reason = f"{reason}, {listed}" if reason else listed
    return Judged(run=item.run, execution_id=item.execution_id, state=item.state, reason=reason)


def _attempt(item: _Attempt) -> Attempt:
    return Attempt(
        execution_id=item.execution_id,
        run=item.run,
        ffqn=item.ffqn,
        attempt=item.attempt,
        params=item.params,
        remaining_s=None if item.remaining_ms is None else item.remaining_ms / 1000,
        deadline=item.deadline,
        traceparent=item.traceparent or "",
        tags=item.tags or {},
        heartbeat_detail=item.heartbeat_detail,
        signature=item.signature or "",
    )
