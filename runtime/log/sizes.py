"""How many bytes the values of an event or a response have: what it takes to keep or to write them. Pure.

What is short anyway, as names, ids and reasons are, does not count. On the path of every write: one look at a table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from obelisk.runtime.log import events as log


def _outcome(outcome: log.Outcome) -> int:
    return len(outcome.value) if type(outcome) is log.Returned else 0


_VALUES: Final[dict[type[log.Event], Callable[[Any], int]]] = {
    log.Created: lambda event: len(event.params),
    log.Finished: lambda event: _outcome(event.outcome),
    log.TemporarilyFailed: lambda event: len(event.err),
    log.Persist: lambda event: len(event.request) + len(event.value),
    log.JoinSetRequest: lambda event: len(event.params),
    log.Schedule: lambda event: len(event.params),
    log.Stub: lambda event: len(event.result),
}


def event_bytes(event: log.Event) -> int:
    """Of an event."""
    of = _VALUES.get(type(event))
    return 0 if of is None else of(event)


def response_bytes(response: log.Response) -> int:
    """Of a response."""
    return _outcome(response.outcome) if type(response) is log.ChildFinished else 0
