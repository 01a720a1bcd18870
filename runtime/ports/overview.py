"""What a store tells of itself and of all executions at once, for people who operate it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Rates(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many executions without a parent were created and have finished: a number for each step of time."""

    started: tuple[int, ...]
    finished: tuple[int, ...]


class Size(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a store takes, in bytes. `log_bytes`: the write-ahead log, which is kept apart from the rest."""

    kind: str
    bytes: int
    log_bytes: int


class OverviewStore(Protocol):
    """The part of a store that counts what it has."""

    async def rates(self, *, from_us: int, step_us: int, steps: int) -> Rates:
        """What was created and has finished in each of `steps` steps of `step_us` microseconds from `from_us` on. A
        process whose clock was set back by more than a minute may have created more than is counted."""
        ...

    async def held_counts(self) -> Mapping[str, int]:
        """How many executions each executor has locked, of those that have locked some."""
        ...

    def size(self) -> Size:
        """What the store takes."""
        ...
