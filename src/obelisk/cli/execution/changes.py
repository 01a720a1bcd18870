"""When something becomes of an execution or of its children, told by the server as it happens."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Final, Self

from obelisk.cli.connection import event_streams
from obelisk.cli.connection.client import Client, execution_path
from obelisk.cli.errors import CommandError

_BURST_S: Final = 0.1
"""What changes within such a time is one change."""
_BELOW_S: Final = 2.0
"""No source tells what its children's children do."""


class Changes:
    """Listens to an execution's log from `version` on, and to what its children answer, until it is left.

    `blind_s`: after so many seconds one has to look without having been told anything.
    """

    def __init__(self, client: Client, execution_id: str, *, version: int) -> None:
        self._client, self._path = client, execution_path(execution_id)
        self._after = {"events": version - 1, "responses": None}
        self._changed, self._left = threading.Event(), threading.Event()
        self.blind_s = _BELOW_S if client.streams else 0.0

    def __enter__(self) -> Self:
        if self._client.streams:
            for name in self._after:
                threading.Thread(target=self._listen, args=(name,), name=f"follow {name}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def wait(self, seconds: float) -> bool:
        """Whether something changed, at once or within so many seconds."""
        if not self._client.streams:
            time.sleep(seconds)
            return True
        if not self._changed.wait(seconds):
            return False
        time.sleep(min(seconds, _BURST_S))
        self._changed.clear()
        return True

    def _listen(self, name: str) -> None:
        entries = event_streams.follow(
            self._client,
            f"{self._path}/{name}/follow",
            {},
            after=self._after[name],
            is_wanted=lambda: not self._left.is_set(),
        )
        with contextlib.suppress(CommandError):  # the next look reports it
            for _ in entries:
                self._changed.set()
        self._changed.set()
