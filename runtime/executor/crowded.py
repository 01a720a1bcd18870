"""Who may be in memory: the places there are, and the guests that the process has room for.

Both are made by unloading workflows that are blocked, the longest blocked first. A run whose guest finds no room is
unloaded itself when there is no such workflow: then it is pending, for whichever executor has room.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict

from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import NoRoom
from obelisk.runtime.executor.ready import Ready
from obelisk.runtime.executor.serving import Serving
from obelisk.runtime.workers.workflow import WorkflowRun

FLOOD = 256
MOST_WAITING = 64


class Crowded(Serving):
    """The part of an executor that bounds what it holds. `_hot` are the runs of workflows that are here, `_blocked`
    those of them that wait, the longest first."""

    _hot: dict[str, WorkflowRun]
    _blocked: OrderedDict[str, None]
    _ready: Ready
    _sated = False

    def is_behind(self, lane: int) -> bool:
        """Whether so many runs are ready that one of a large family begins in turn with others."""
        return lane > 0 and len(self._ready) >= FLOOD

    def room(self, kind: ComponentKind) -> int:
        """How many executions of `kind` may be claimed: free places, and those of blocked workflows. What would wait
        here for its turn waits better in the store, where claims are fair."""
        self._sated = self._ready.waiting >= MOST_WAITING
        return 0 if self._sated else min(self._places(kind), MOST_WAITING - self._ready.waiting)

    def _places(self, kind: ComponentKind) -> int:
        blocked = len(self._blocked)
        free = self.places.free(kind) + (blocked if kind is ComponentKind.WORKFLOW else 0)
        if self.guests.fits():
            return free
        return min(free, blocked) if self.guests.fits_instead() else 0

    def trim(self) -> None:
        """Unload blocked workflows while there are more than fit."""
        while (self.places.over(ComponentKind.WORKFLOW) or self.guests.is_over()) and self._unload_one():
            pass
        if self._sated and self._ready.waiting <= MOST_WAITING // 2:
            self._sated = False
            self.wake()

    def make_room(self, kind: ComponentKind) -> bool:
        """Unload the workflow that has been blocked the longest, if any."""
        return kind is ComponentKind.WORKFLOW and self._unload_one()

    def make_guest_room(self) -> bool:
        """Whether the process has room for a guest, or has some now that a blocked workflow was unloaded."""
        return self.guests.fits() or (self.guests.fits_instead() and self._unload_one())

    def _unload_one(self) -> bool:
        if not self._blocked:
            return False
        execution_id, _ = self._blocked.popitem(last=False)
        self._unload(self._hot[execution_id], "unloaded to make room")
        return True

    def _crowded_out(self, run: WorkflowRun, refused: NoRoom) -> None:
        """The guest of a run found no room. One that had begun cannot begin again in this run."""
        self.metrics.refused_guests.add(ComponentKind.WORKFLOW.value)
        made = self.make_guest_room()
        if made and not refused.fields.get("begun"):
            self._enqueue(run)
        else:
            self._unload(run, refused.message)

    @abstractmethod
    def _unload(self, run: WorkflowRun, reason: str) -> None: ...

    @abstractmethod
    def _enqueue(self, run: WorkflowRun) -> None: ...
