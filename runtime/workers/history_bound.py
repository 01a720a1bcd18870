"""How long the history of one execution may get, in events and bytes: a replay reads it and keeps it in memory. Pure.

The bound holds for new events. One that is reached pauses the execution, which keeps all that is on record: with a
higher bound it goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.log import events as log

EVENT_BYTES: Final = 64
"""What an event takes besides its values."""


_WITH_VALUES: Final = frozenset({log.Persist, log.Schedule, log.Stub})
"""Events with values in them, besides requests, which are the most of those."""


class HistoryFull(Exception):
    """Unwinds a host call of a guest whose execution is to be paused; never leaves the run."""

    def __init__(self, paused: log.Paused) -> None:
        super().__init__(paused.reason)
        self.paused = paused


class HistoryBound:
    """Counts what a history has; `most_events` and `most_bytes` are what it may have.

    `is_full`: it has as much as it may, so that `require_room` refuses."""

    __slots__ = ("_bytes", "_events", "_most_bytes", "_most_events", "is_full")

    def __init__(self, most_events: int, most_bytes: int) -> None:
        self._most_events, self._most_bytes = most_events, most_bytes
        self._events = self._bytes = 0
        self.is_full = most_events <= 0 or most_bytes <= 0

    @classmethod
    def of(
        cls, settings: ComponentSettings, history: Iterable[log.HistoryEvent], responses: Iterable[log.Response]
    ) -> HistoryBound:
        """The bound of a component's settings, for an execution with this history."""
        bound = cls(settings.max_history_events, settings.max_history_bytes)
        bound.add(history)
        for response in responses:
            bound.answer(response)
        return bound

    def add(self, events: Iterable[log.HistoryEvent]) -> None:
        """These are part of the history."""
        for event in events:
            self._events += 1
            self._bytes += EVENT_BYTES
            if isinstance(event, log.JoinSetRequest):
                self._bytes += len(event.params)
            elif type(event) in _WITH_VALUES:
                self._bytes += _size_of_values(event)
        self.is_full = self._events >= self._most_events or self._bytes >= self._most_bytes

    def answer(self, response: log.Response) -> None:
        """A response to it has come, which is kept with it."""
        self._bytes += EVENT_BYTES
        if isinstance(response, log.ChildFinished):
            outcome = response.outcome
            self._bytes += len(outcome.value) if isinstance(outcome, log.Returned) else len(outcome.detail)
        self.is_full = self._events >= self._most_events or self._bytes >= self._most_bytes

    def require_room(self) -> None:
        """Refuse a guest that asks for more than there may be. HistoryFull."""
        if self._events >= self._most_events:
            has, key = f"{self._events} events", f"max_history_events is {self._most_events}"
        elif self._bytes >= self._most_bytes:
            has, key = f"{self._bytes} bytes", f"max_history_bytes is {self._most_bytes}"
        else:
            return
        advice = "raise that and unpause it, or cancel it"
        raise HistoryFull(log.Paused(reason=f"history limit: its history has {has}, {key}: {advice}"))


def _size_of_values(event: log.HistoryEvent) -> int:
    match event:
        case log.Persist(request=request, value=value):
            return len(request) + len(value)
        case log.Schedule(params=params):
            return len(params)
        case log.Stub(result=result):
            return len(result)
        case _:
            return 0
