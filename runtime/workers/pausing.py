"""The pauses that a run of a workflow comes to because its build does not fit its history. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.runtime.log import events as log
from obelisk.runtime.log.builds import last_build


def diverged(events: Sequence[log.Event], digest: str, report: log.Divergence, reason: str = "") -> log.Paused:
    """The build `digest` left the history of `events` at `report`; `reason` when the guest asked for nothing else."""
    before = last_build(events)
    why = reason or f"the guest asked for something else than history event {report.index} has"
    return log.Paused(
        reason=f"{_builds(before, digest)}: {why}",
        cause=log.Diverged(before=before, digest=digest, divergence=report),
    )


def outdated(before: str, digest: str) -> log.Paused:
    """The history is that of the build `before`, and `digest` may go on only when a person says so."""
    reason = f"{_builds(before, digest)}: it waits to be upgraded"
    return log.Paused(reason=reason, cause=log.Outdated(before=before, digest=digest))


def _builds(before: str, digest: str) -> str:
    return f"logged with {before}, as deployed" if before == digest else f"logged with {before}, deployed is {digest}"
