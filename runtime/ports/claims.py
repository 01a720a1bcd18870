"""Work stealing: what executors ask of the store to get work, and what they tell each other. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec

LANES: Final = 4
"""Pending executions stand in so many lanes."""
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._=:/-]{0,61}[A-Za-z0-9])?\Z")


def is_label(text: str) -> bool:
    """Whether a text may be a label: at most 63 letters, digits and ``. _ = : / -``, the latter not at the ends."""
    return _LABEL.match(text) is not None


class Limit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Of the functions of `component` at most `most` executions are locked at once, by whatever executors."""

    component: str
    most: int


class BuildUse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many executions of a function are open that go on with a build (None: they have not begun)."""

    ffqn: str
    build: str | None
    count: int


class BuildStore(Protocol):
    """What a store tells of builds."""

    async def builds_in_use(self) -> tuple[BuildUse, ...]:
        """How many executions have not finished, by function and build, in that order."""
        ...


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Lock up to `limit` executions that are pending at `now_us` for `executor`: of each component and each lane in it
    the oldest, then the second of each, and so on. Claims that differ in `turn` begin with different ones.

    `digests` maps each Ffqn the executor can run to its component's digest; nothing else is taken. `runs` gives a
    run id for each execution that is locked, no more of them than there are. A digest that was deployed and is not any
    more is outdated: nothing is taken for it.

    `limits` has the limit of each Ffqn that is under one. Executions count while a claim under the same component holds
    them locked: what is under a limit must be locked by claims alone.

    `builds` has the functions whose executions go on with the build they began with: one that has begun is taken for
    that build if it is among these, and is not taken else.
    """

    executor: str
    digests: dict[str, str]
    limit: int
    now_us: int
    runs: Iterable[str]
    limits: Mapping[str, Limit] = msgspec.field(default_factory=dict[str, Limit])
    builds: Mapping[str, frozenset[str]] = msgspec.field(default_factory=dict[str, frozenset[str]])
    turn: int = 0

    def queue(self, ffqn: str, lane: int) -> tuple[str, int]:
        """Which queue an execution stands in: functions of one component share theirs."""
        limit = self.limits.get(ffqn)
        return (limit.component if limit is not None else self.digests.get(ffqn, ffqn)), lane


class Idle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Executions of the function `ffqn` that are pending or paused, were created up to `created_until_us`, are not to
    wait beyond `due_until_us`, and whose records do not say what bounds their time."""

    ffqn: str
    created_until_us: int
    due_until_us: int


class Offering(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a worker outside the engine serves: `functions` by Ffqn with the signature that its code was made for, or
    ``""``. `lease_ms`: for how long it may be silent."""

    name: str
    functions: dict[str, str]
    lease_ms: int


class Lease(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An executor's sign of life, valid until `expires_at_us`. `host`, `pid` and `started` identify its process;
    `labels` say which components it may run. `worker`: it is a worker outside the engine, of whose process nothing is
    known."""

    executor: str
    expires_at_us: int
    host: str
    pid: int
    started: str
    labels: tuple[str, ...] = ()
    worker: Offering | None = None


class IdleStore(Protocol):
    """The part of a store that finds what no executor runs."""

    async def overdue(self, now_us: int, *, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
        """Executions that are pending or paused, are not to wait beyond `now_us`, and whose time is over by then as
        their records say; up to `limit` of them, as `idle` gives them."""
        ...

    async def idle(self, wanted: Idle, *, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
        """Up to `limit` of them, oldest first, and where to go on (None: these were all); `after` is 0 at first."""
        ...
