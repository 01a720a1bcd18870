"""Spans of time and instants, from Python to WIT. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from wit_world.imports.time import (
    Datetime,
    Duration_Milliseconds,
    ScheduleAt,
    ScheduleAt_At,
    ScheduleAt_In,
)

Span: TypeAlias = timedelta | float
"""A span of time: a timedelta, or seconds."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def seconds_of(span: Span) -> float:
    """A span in seconds. ValueError for one that is negative or not finite."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a span of time is a finite number of seconds from 0 on, got {span!r}")
    return seconds


def after(span: Span) -> ScheduleAt:
    """The instant that lies a span from now. The engine counts milliseconds: the span is rounded up to them."""
    return ScheduleAt_In(Duration_Milliseconds(math.ceil(round(seconds_of(span) * 1000, 6))))


def at(instant: datetime) -> ScheduleAt:
    """An instant. ValueError for a datetime without a time zone, or one before 1970."""
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a time zone, as datetime(…, tzinfo=UTC); got {instant!r}")
    since = instant - _EPOCH
    if since < timedelta():
        raise ValueError(f"an instant before 1970: {instant!r}")
    whole, rest = divmod(since, timedelta(seconds=1))
    return ScheduleAt_At(Datetime(whole, rest.microseconds * 1000))


def instant(seconds: int, nanoseconds: int) -> datetime:
    """A datetime in UTC from seconds since 1970 and nanoseconds, to the microsecond."""
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
