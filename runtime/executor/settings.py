"""The settings of an executor. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from obelisk import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """`hot_workflows`: guests kept in memory, waiting or not; `activities`: attempts at once; `threads`: how many of
    those may compute or block for longer than a tick. Lease and poll intervals in milliseconds. `labels`: components
    that ask for one that is not among them are not run here. `log_bytes`: how much of what one execution says is kept,
    the newest. Trees of executions are deleted `keep_finished_us` after they finished (0: never); every `prune_ms` it
    is looked for some. `max_depth`: how many ancestors an execution may have. `max_family`: how many executions may
    descend from one, with those that are scheduled. `linger_ms`: how long a workflow that does not stay in memory does
    so for work of its own that is under way. `engine`: its version."""

    hot_workflows: int = 8_000
    activities: int = 1_000
    threads: int = 4
    lease_ms: int = 10_000
    poll_ms: int = 500
    grace_ms: int = 5_000
    labels: frozenset[str] = frozenset()
    log_bytes: int = 4 << 20
    keep_finished_us: int = 0
    prune_ms: int = 60_000
    max_depth: int = 64
    max_family: int = 1_000_000
    linger_ms: int = 250
    engine: str = __version__
