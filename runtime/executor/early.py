"""Executions that begin before they are on record: guests compute while the commit that creates them is in flight.

The rule that no effect comes before the commit of its cause is kept where effects are: an attempt that was begun early
has its outward calls wait until it is covered (`ActivityAttempt.when_covered`), and what it adds to the log is queued
behind what creates it, so that neither can land without the other. A creation that is refused takes its run with it.

Not begun early are functions whose component says so or may change files, which cannot be deferred, and whatever
comes while `MAX_EARLY` creations are in flight: a disk that stalls must not be run ahead of without end.
"""

from __future__ import annotations

from obelisk.runtime.catalog.registry import DeployedFunction

MAX_EARLY = 256


class Early:
    """Which executions were begun early and are not on record yet, by the run that has begun."""

    def __init__(self) -> None:
        self._open: set[str] = set()

    def admits(self, function: DeployedFunction) -> bool:
        """Whether an execution of `function` may begin early now."""
        return function.begins_early and len(self._open) < MAX_EARLY

    def add(self, run: str) -> None:
        """It has begun."""
        self._open.add(run)

    def settle(self, run: str) -> bool:
        """What its lock is created with was recorded or refused: whether it had begun early."""
        if run in self._open:
            self._open.remove(run)
            return True
        return False

    def __contains__(self, run: str) -> bool:
        return run in self._open

    def clear(self) -> None:
        """All runs were dropped."""
        self._open.clear()
