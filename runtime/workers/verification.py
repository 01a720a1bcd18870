"""Replaying a log with a build, without any effect: does the build ask for what the log has?

The run is that of the executor, but what it adds goes nowhere, and it is stopped at the first thing it adds: that lies
behind the end of the log. A guest that traps before it has asked for all that the log has is no match; one that ends
with another value than the one on record is none either, nor is one that goes on where the log says that it returned.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from obelisk.runtime.catalog.fitting import Unfit
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.errors import NoRoom
from obelisk.runtime.log import events as log
from obelisk.runtime.log.lines import Line
from obelisk.runtime.observe import tracing
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.replay.matching import same_json
from obelisk.runtime.replay.verdicts import Verdict
from obelisk.runtime.workers.batch import Progress
from obelisk.runtime.workers.families import Families
from obelisk.runtime.workers.phases import Failing
from obelisk.runtime.workers.workflow import WorkflowRun

MAX_S = 60.0


class _Reached(Exception):
    """The guest went on behind the end of the log."""


class _Nowhere:
    """A RunContext without effects: nothing is random, nothing happens, so nothing can be nested too deep."""

    def __init__(self, registry: Registry, now_us: int) -> None:
        self.max_depth = sys.maxsize
        self.engine = ""
        self.registry = registry
        self.metrics = Metrics()
        self.families = Families(sys.maxsize)
        self._now_us = now_us

    def now_us(self) -> int:
        """Always the same instant."""
        return self._now_us

    def ulid(self) -> str:
        """Always the same."""
        return "0" * 26

    def bits(self, count: int) -> int:
        """None set."""
        return 0

    def reserve(self, function: DeployedFunction) -> log.Locked | None:
        """No place for anything."""
        return None

    def is_taken(self, execution_id: str, wanted: str) -> bool:
        """Nothing is created."""
        return False

    def guest_line(self, execution_id: str, line: Line) -> None:
        """What it says it has said before; what lies behind the log leads nowhere."""
        del execution_id, line

    def trace(self, span: tracing.Span) -> None:
        """Nothing is traced."""
        del span


_BOUNDLESS: Final = dict.fromkeys(("max_value_bytes", "max_history_events", "max_history_bytes"), sys.maxsize)


def _beyond(events: Sequence[log.HistoryEvent]) -> None:
    """The sink of a run that ends where the log ends."""
    raise _Reached


async def verify(
    stored: Stored, *, digest: str, function: DeployedFunction, prepared: Prepared, registry: Registry, now_us: int
) -> Verdict:
    """Replay `stored` with the build `prepared` of `digest`, a slice at a time and for a minute at most. NoRoom.

    How large its values may be does not matter: those on record were within the limit of their time.
    """
    settings = msgspec.structs.replace(function.component.settings, **_BOUNDLESS)
    function = replace(function, component=replace(function.component, settings=settings))
    locked = log.Locked(executor="", run="", digest=digest)
    context = _Nowhere(registry, now_us)
    try:
        run = WorkflowRun(
            stored=stored, locked=locked, function=function, prepared=prepared, context=context, sink=_beyond
        )
    except Unfit as error:
        return Verdict(digest=digest, ok=False, reason=error.message)
    end_s = asyncio.get_running_loop().time() + MAX_S
    try:
        while run.advance() is Progress.YIELDED:
            if asyncio.get_running_loop().time() > end_s:
                return Verdict(digest=digest, ok=False, reason="the replay took too long")
            await asyncio.sleep(0)
    except _Reached:
        pass
    except NoRoom:
        raise  # which says nothing about the build
    except Exception as error:
        return Verdict(digest=digest, ok=False, reason=f"{type(error).__name__}: {error}")
    finally:
        run.close()
    return _verdict(run, stored, digest)


def _verdict(run: WorkflowRun, stored: Stored, digest: str) -> Verdict:
    if run.paused is not None:
        return _diverged(run.paused, digest)
    phase = run.calls.phase
    ended = phase.failure if isinstance(phase, Failing) else run.outcome
    last = stored.events[-1]
    recorded = last.outcome if isinstance(last, log.Finished) else None
    if ended is None and isinstance(recorded, log.Returned):
        return Verdict(digest=digest, ok=False, reason="the guest asks for more where the one on record returned")
    if (
        isinstance(ended, log.Returned)
        and isinstance(recorded, log.Returned)
        and not same_json(ended.value, recorded.value)
    ):
        return Verdict(digest=digest, ok=False, reason="the guest returns another value than the one on record")
    if isinstance(ended, log.Failed) and isinstance(recorded, log.Returned):
        return Verdict(digest=digest, ok=False, reason=f"the guest failed where it returned: {ended.reason}")
    return Verdict(digest=digest, ok=True)


def _diverged(paused: log.Paused, digest: str) -> Verdict:
    cause = paused.cause
    assert isinstance(cause, log.Diverged)
    return Verdict(digest=digest, ok=False, reason=paused.reason, divergence=cause.divergence)
