"""Heartbeats of attempts outside the engine: the last detail of each execution, kept apart from its log. Pure.

A detail is for the next attempt alone (how far the last one came): nothing is replayed from it, so it is no event. It
is kept as long as its execution is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Beat(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The last heartbeat of an execution that had a detail, which is JSON."""

    execution_id: str
    run: str
    at_us: int
    detail: bytes


class BeatStore(Protocol):
    """The part of a store that keeps heartbeats."""

    async def add_beats(self, beats: Sequence[Beat]) -> None:
        """Keep each in the place of the one before, on record when this returns. One of a run that does not hold its
        execution locked is dropped."""
        ...

    async def beat(self, execution_id: str) -> Beat | None:
        """The last one of an execution, or None."""
        ...
