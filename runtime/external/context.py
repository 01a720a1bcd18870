"""What the part that serves workers needs from the executor of its process."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Protocol

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.observe.health import Health
from obelisk.runtime.ports.store import Store
from obelisk.runtime.workers.context import RunContext


class WorkersContext(RunContext, Protocol):
    """See the module's text."""

    @property
    def store(self) -> Store:
        """Where executions are."""
        ...

    @property
    def health(self) -> Health:
        """Whether the store takes writes."""
        ...

    @property
    def takes_work(self) -> bool:
        """Whether executions may be locked."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether the executor takes no more work, for good."""
        ...

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine as long as the executor lives."""
        ...

    def wake(self) -> None:
        """Something may be pending: claim soon."""
        ...

    def record_end(self, attempt: ExternalAttempt, told: Callable[[ObeliskError | None], None]) -> None:
        """Record what a concluded attempt writes and let its parent hear of it; `told` after the commit, or with what
        refused it."""
        ...

    def set_aside(self, execution_id: str, reason: str) -> None:
        """Pause an execution whose log cannot be read."""
        ...

    def cannot_begin(self, error: Exception, execution_id: str, run: str, ffqn: str) -> None:
        """Pause an execution that is locked for `run` and cannot begin."""
        ...
