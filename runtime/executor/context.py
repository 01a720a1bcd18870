"""What the parts of an executor may ask of the executor that they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Protocol

from obelisk.runtime.executor.places import Places
from obelisk.runtime.executor.reloading import Reloading
from obelisk.runtime.observe.health import Health
from obelisk.runtime.ports.store import Store
from obelisk.runtime.workers.context import RunContext


class ExecutorContext(RunContext, Protocol):
    """What runs may ask, and the store, the places and the tasks of the executor."""

    @property
    def store(self) -> Store:
        """Where the executions are."""
        ...

    @property
    def health(self) -> Health:
        """Whether the store takes writes."""
        ...

    @property
    def places(self) -> Places:
        """The places that runs of this process hold."""
        ...

    @property
    def reloading(self) -> Reloading:
        """Writes a pause where there is no run."""
        ...

    @property
    def served(self) -> asyncio.Event:
        """There may be paused executions that can go on."""
        ...

    def is_running(self, execution_id: str) -> bool:
        """Whether an execution is run in this process."""
        ...

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine as long as the executor lives."""
        ...
