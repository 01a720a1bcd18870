"""How many bytes the values of events or a response have: what it takes to keep or to write them. Pure.

What is short anyway, as names, ids and reasons are, does not count. On the path of every write: one look at a table,
which calls no function of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

import msgspec

from obelisk.runtime.log import events as log

_VALUES: Final[dict[type[log.Event], Callable[[Any], msgspec.Raw]]] = {
    log.Created: attrgetter("params"),
    log.TemporarilyFailed: attrgetter("err"),
    log.JoinSetRequest: attrgetter("params"),
    log.Schedule: attrgetter("params"),
    log.Stub: attrgetter("result"),
}
"""Of events that have one value. `Finished` may have one, `Persist` has two."""


def events_bytes(events: Iterable[log.Event]) -> int:
    """Of some events."""
    size = 0
    for event in events:
        value = _VALUES.get(type(event))
        if value is not None:
            size += len(value(event))
        elif type(event) is log.Finished:
            outcome = event.outcome
            if type(outcome) is log.Returned:
                size += len(outcome.value)
        elif type(event) is log.Persist:
            size += len(event.request) + len(event.value)
    return size


def response_bytes(response: log.Response) -> int:
    """Of a response."""
    if type(response) is not log.ChildFinished or type(response.outcome) is not log.Returned:
        return 0
    return len(response.outcome.value)
