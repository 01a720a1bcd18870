"""The time of a workflow: that of its history, the same on each replay."""

from __future__ import annotations

from datetime import datetime

from componentize_py_types import Err
from wit_world.imports import wasi_clocks_wall_clock, workflow_support
from wit_world.imports.time import ScheduleAt

from obelisk_guest.spans import Span, after, at, instant


def now() -> datetime:
    """The instant of the newest event that the workflow has seen, in UTC; it stands still in between."""
    read = wasi_clocks_wall_clock.now()
    return instant(read.seconds, read.nanoseconds)


def sleep(span: Span, *, name: str | None = None) -> bool:
    """Sleep durably for a timedelta or so many seconds, from milliseconds to years: the server may restart meanwhile.

    False when an operator cancelled the delay, which ends it early. `name` becomes part of its name in the history.
    """
    return _sleep(after(span), name)


def sleep_until(instant: datetime, *, name: str | None = None) -> bool:
    """Sleep durably until an instant with a time zone; one that has passed means now. Otherwise as `sleep`."""
    return _sleep(at(instant), name)


def _sleep(until: ScheduleAt, name: str | None) -> bool:
    try:
        workflow_support.sleep(until, name)
    except Err:
        return False
    return True
