"""Whether a build replays the histories on record. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from obelisk.runtime.log.events import Divergence


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a build replays a log; if not, `reason` and, where the guest asked for something else, `divergence`."""

    digest: str
    ok: bool
    reason: str = ""
    divergence: Divergence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """An execution that has not finished and whose history a build does not fit."""

    execution_id: str
    ffqn: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Which open executions a build fits: how many were replayed with it, how many were not for want of time, and those
    that it does not fit."""

    digest: str
    checked: int
    unchecked: int
    misfits: tuple[Misfit, ...]
