"""What goes over the wire: JSON of requests, records of answers. Pure.

Unknown members of answers are ignored, so that newer servers may say more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import msgspec

from obelisk.worker.current import Attempt
from obelisk.worker.errors import ServerForeign

T = TypeVar("T")
encode: Final = msgspec.json.Encoder().encode
OK: Final = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The answer to a registration: the worker's id, its lease, and why it gets no work for some functions."""

    worker: str
    lease_s: float
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the server says to a result: ``accepted``, ``stale`` or ``invalid``, and why."""

    run: str
    execution_id: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
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


def exchanged(body: bytes) -> Exchanged:
    """Read the answer to an exchange. `ServerForeign` when it is none."""

    def read(data: Any) -> Exchanged:
        beats = data.get("heartbeats") or ()
        return Exchanged(
            results=tuple(map(_judged, data.get("results") or ())),
            ended={str(item["run"]): str(item["state"]) for item in beats if item["state"] != "running"},
            attempts=tuple(map(_attempt, data.get("attempts") or ())),
            lease_s=data["lease_ms"] / 1000 if data.get("lease_ms") is not None else None,
        )

    return _read(body, read)


def _read(body: bytes, read: Callable[[Any], T]) -> T:
    try:
        return read(msgspec.json.decode(body))
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ServerForeign(f"the answer is none of an Obelisk server: {error!r}") from error


def _judged(item: Any) -> Judged:
    problems = cast("list[dict[str, Any]]", item.get("problems") or [])
    listed = "; ".join(f"{p.get('pointer')}: {p.get('message') or p.get('detail')}" for p in problems)
    return Judged(
        run=str(item["run"]),
        execution_id=str(item["execution_id"]),
        state=str(item["state"]),
        reason=", ".join(text for text in (str(item.get("reason") or ""), listed) if text),
    )


def _attempt(item: Any) -> Attempt:
    remaining_ms, deadline = item.get("remaining_ms"), item.get("deadline")
    return Attempt(
        execution_id=str(item["execution_id"]),
        run=str(item["run"]),
        ffqn=str(item["ffqn"]),
        attempt=int(item["attempt"]),
        params=item["params"],
        remaining_s=None if remaining_ms is None else remaining_ms / 1000,
        deadline=None if deadline is None else datetime.fromisoformat(deadline),
        traceparent=str(item.get("traceparent") or ""),
        tags=item.get("tags") or {},
        heartbeat_detail=item.get("heartbeat_detail"),
        signature=str(item.get("signature") or ""),
    )
