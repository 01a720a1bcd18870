"""The attempt that code runs in: `current`."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from obelisk.runtime.values import JsonValue


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as the server hands it out.

    `run` names the attempt towards the server, `attempt` counts from 1. `remaining_s` is what is left of its time, None
    without a limit; `deadline` says the same by the server's clock. `heartbeat_detail` is the last that an earlier
    attempt told, None when none did. `signature` is that of the deployed function, ``""`` when the server does not say.
    """

    execution_id: str
    run: str
    ffqn: str
    attempt: int
    params: Mapping[str, Any]
    remaining_s: float | None = None
    deadline: datetime | None = None
    traceparent: str = ""
    tags: Mapping[str, str]
    heartbeat_detail: Any = None
    signature: str = ""


class Current:
    """What code inside an attempt may know of it, and say about it. Every method may be called from any thread."""

    def __init__(self, attempt: Attempt, beat: Callable[[Attempt, JsonValue], None]) -> None:
        self._attempt = attempt
        self._beat = beat
        self._ended = ""

    @property
    def of(self) -> Attempt:
        """The attempt as the server handed it out."""
        return self._attempt

    @property
    def execution_id(self) -> str:
        """The execution's id, the same in each attempt: of use as an idempotency key."""
        return self._attempt.execution_id

    @property
    def function(self) -> str:
        """The function, ``ns:pkg/ifc[@version].name``."""
        return self._attempt.ffqn

    @property
    def attempt(self) -> int:
        """The attempt's number, from 1."""
        return self._attempt.attempt

    @property
    def deadline(self) -> datetime | None:
        """When the attempt times out, by the server's clock; None without a limit."""
        return self._attempt.deadline

    @property
    def tags(self) -> Mapping[str, str]:
        """The execution's tags."""
        return self._attempt.tags

    @property
    def heartbeat_detail(self) -> Any:
        """What an earlier attempt told with its last `heartbeat`; None when none did."""
        return self._attempt.heartbeat_detail

    @property
    def cancelled(self) -> bool:
        """Whether the attempt is to end: it was cancelled or paused, its time is up, or others have it now.

        Code with ``await`` gets a CancelledError besides; code in threads has to look here. What it returns afterwards
        counts no more.
        """
        return bool(self._ended)

    def heartbeat(self, detail: JsonValue = None) -> None:
        """Tell how far this attempt has come: `detail`, a JSON value, is what the next attempt will find.

        TypeError for what is no JSON value, ValueError for more than 64 KiB. It is sent soon, with others.
        """
        self._beat(self._attempt, detail)

    def end(self, reason: str) -> None:
        """For the worker: the attempt is to end."""
        self._ended = self._ended or reason


CURRENT: Final[contextvars.ContextVar[Current | None]] = contextvars.ContextVar("obelisk_attempt", default=None)


def current() -> Current:
    """The attempt that the calling code runs in. LookupError outside of one."""
    found = CURRENT.get()
    if found is None:
        raise LookupError("no attempt runs here: current() works in a function that a worker has called")
    return found
