"""Ids that exist already, as workflows learned which wanted to schedule executions under them.

A refused transaction says only that it lost. When it was to create an execution at the top level, the store is asked
whether that exists: if so, the workflow would be refused again whenever it comes to this point, and is told instead.
"""

from __future__ import annotations

from collections.abc import Iterable

from obelisk.runtime.ports.store import Create, Store

MAX_WORKFLOWS = 10_000


class Taken:
    """See the module's text. Of too many workflows the oldest is forgotten: it learns again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wanted: dict[str, set[str]] = {}
        self._taken: dict[str, set[str]] = {}

    def refused(self, workflow: str, creations: Iterable[Create]) -> None:
        """A transaction of the workflow was refused, which was to create these executions."""
        scheduled = {new.execution_id for new in creations if new.created.parent is None}
        if scheduled:
            _bound(self._wanted, workflow).update(scheduled)

    async def look(self, workflow: str) -> None:
        """Find out which of the executions that were refused exist. StoreError."""
        for wanted in self._wanted.pop(workflow, ()):
            if await self._store.state(wanted) is not None:
                _bound(self._taken, workflow).add(wanted)

    def has(self, workflow: str, wanted: str) -> bool:
        """Whether the workflow was refused an execution of that id because it exists."""
        return wanted in self._taken.get(workflow, ())


def _bound(table: dict[str, set[str]], workflow: str) -> set[str]:
    if workflow not in table and len(table) >= MAX_WORKFLOWS:
        del table[next(iter(table))]
    return table.setdefault(workflow, set())
