"""How long the history of one execution may get, in events and bytes: a replay reads it and keeps it in memory. Pure.

The bound holds for new events. One that is reached pauses the execution, which keeps all that is on record: with a
higher bound it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.log import events as log
from obelisk.runtime.log.sizes import events_bytes

EVENT_BYTES: Final = 64
"""What an event takes besides its values."""


class HistoryFull(Exception):
    """Unwinds a host call of a guest whose execution is to be paused; never leaves the run."""

    def __init__(self, paused: log.Paused) -> None:
        super().__init__(paused.reason)
        self.paused = paused


class HistoryBound:
    """Counts what a history has against what it may have.

    What is on record when a run begins is counted when the run first asks for more: a replay alone never does.
    `is_due`: there is something for `require_room` to do."""

    __slots__ = ("_bytes", "_events", "_most_bytes", "_most_events", "_recorded", "is_due")

    def __init__(
        self, settings: ComponentSettings, history: Sequence[log.HistoryEvent], responses: Sequence[log.Response]
    ) -> None:
        """The bound of a component's settings, for an execution that has this on record."""
        self._most_events, self._most_bytes = settings.max_history_events, settings.max_history_bytes
        self._events = self._bytes = 0
        self._recorded = history, responses
        self.is_due = True

    def add(self, events: Sequence[log.HistoryEvent]) -> None:
        """These are part of the history."""
        self._events += len(events)
        self._bytes += EVENT_BYTES * len(events) + events_bytes(events)
        if self._events >= self._most_events or self._bytes >= self._most_bytes:
            self.is_due = True

    def answer(self, response: log.Response) -> None:
        """A response to it has come, which is kept with it."""
        size = EVENT_BYTES
        if isinstance(response, log.ChildFinished):
            outcome = response.outcome
            size += len(outcome.value) if isinstance(outcome, log.Returned) else len(outcome.detail)
        self._bytes += size
        if self._bytes >= self._most_bytes:
            self.is_due = True

    def require_room(self) -> None:
        """Refuse a guest that asks for more than there may be. HistoryFull."""
        (history, responses), self._recorded = self._recorded, ((), ())
        self.add(history)
        for response in responses:
            self.answer(response)
        if self._events >= self._most_events:
            has, key = f"{self._events} events", f"max_history_events is {self._most_events}"
        elif self._bytes >= self._most_bytes:
            has, key = f"{self._bytes} bytes", f"max_history_bytes is {self._most_bytes}"
        else:
            self.is_due = False
            return
        advice = "raise that and unpause it, or cancel it"
        raise HistoryFull(log.Paused(reason=f"history limit: its history has {has}, {key}: {advice}"))
