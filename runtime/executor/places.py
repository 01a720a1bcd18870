"""Who may run here: places for workflows and activities, held by run id, so that no count can leak."""

from __future__ import annotations

from obelisk.runtime.catalog.settings import RUNNABLE, ComponentKind


class Places:
    """At most so many runs of each kind at once."""

    def __init__(self, *, workflows: int, activities: int) -> None:
        self._limits = {ComponentKind.WORKFLOW: workflows, ComponentKind.ACTIVITY: activities}
        self._held: dict[ComponentKind, dict[str, str]] = {kind: {} for kind in RUNNABLE}

    def free(self, kind: ComponentKind) -> int:
        """How many more runs of `kind` fit; 0 when full, never negative."""
        return max(0, self._limits[kind] - len(self._held[kind]))

    def take(self, kind: ComponentKind, run: str, digest: str) -> None:
        """Hold a place for a run of the build `digest`. A run that is already recorded may exceed the limit."""
        self._held[kind][run] = digest

    def digests(self) -> set[str]:
        """The builds of all that holds a place."""
        return {digest for held in self._held.values() for digest in held.values()}

    def give_back(self, run: str) -> None:
        """Free a run's place. Idempotent."""
        for held in self._held.values():
            held.pop(run, None)

    def clear(self) -> None:
        """Free all places."""
        for held in self._held.values():
            held.clear()

    def held(self, kind: ComponentKind) -> int:
        """How many places of `kind` are held."""
        return len(self._held[kind])

    def over(self, kind: ComponentKind) -> bool:
        """Whether more places are held than there are."""
        return len(self._held[kind]) > self._limits[kind]
