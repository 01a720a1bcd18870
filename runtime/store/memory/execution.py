"""One execution as `MemoryDatabase` keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from obelisk.runtime.log.codec import encode_event, encode_response
from obelisk.runtime.log.deadlines import recorded_deadline_us
from obelisk.runtime.log.events import Created, Event, HistoryEvent, Locked
from obelisk.runtime.log.outcomes import result_kind
from obelisk.runtime.log.state import ExecutionState, FinishedState, LockedBy, PendingAt
from obelisk.runtime.ports.slices import Slice, sliced
from obelisk.runtime.ports.store import LoggedEvent, LoggedResponse, Query, Stored, Summary
from obelisk.runtime.ports.waiting import OpenRequest
from obelisk.runtime.store import rows

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Execution:
    """One execution's records. `sequence` numbers creations, from 1; `limited` is the component under whose limit it
    was claimed last."""

    sequence: int
    execution_id: str
    state: ExecutionState
    waits_for: str | None
    created_at_us: int
    updated_at_us: int
    lane: int
    key: str | None = None
    limited: str | None = None
    events: list[LoggedEvent] = field(default_factory=list[LoggedEvent])
    responses: list[LoggedResponse] = field(default_factory=list[LoggedResponse])

    def stored(self) -> Stored:
        """The execution whole."""
        return Stored(
            execution_id=self.execution_id,
            state=self.state,
            events=tuple(logged.event for logged in self.events),
            responses=tuple(logged.response for logged in self.responses),
            times=tuple(logged.at_us for logged in self.events),
        )

    @property
    def build(self) -> str | None:
        """The build it goes on with."""
        return rows.build_after([logged.event for logged in self.events])

    def some_events(self, start: int, limit: int) -> Slice[LoggedEvent]:
        """See `Store.events`."""
        return sliced(
            islice(self.events, start, None), limit, lambda logged: len(encode_event(logged.event)[1]), _as_is
        )

    def some_responses(self, start: int, limit: int) -> Slice[LoggedResponse]:
        """See `Store.responses`."""
        found = islice(self.responses, start, None)
        return sliced(found, limit, lambda logged: len(encode_response(logged.response)[1]), _as_is)

    def before_lock(self) -> Event | None:
        """The event before the lock, if the lock is all that its run has recorded."""
        return self.events[-2].event if isinstance(self.events[-1].event, Locked) else None

    def summary(self) -> Summary:
        """The execution's line in a listing."""
        status = self.state.status
        finished = isinstance(status, FinishedState)
        reason, cause = rows.pause_reason(status, self.events[-1].event)
        return Summary(
            execution_id=self.execution_id,
            ffqn=self.state.ffqn,
            parent=self.state.parent,
            status=rows.STATUS_NAMES[rows.status_code(status)],
            waits_for=self.waits_for,
            pending_at_us=status.at_us if isinstance(status, PendingAt) else None,
            executor=status.executor if isinstance(status, LockedBy) else None,
            version=self.state.version,
            attempts=self.state.attempts,
            created_at_us=self.created_at_us,
            updated_at_us=self.updated_at_us,
            finished_at_us=self.updated_at_us if finished else None,
            result_kind=result_kind(status.outcome) if isinstance(status, FinishedState) else "",
            build=self.build,
            reason=reason,
            cause=cause,
            tags=rows.tags_of(self.events[0].event),
            key=self.key,
        )

    def last_step_us(self) -> int:
        """The instant of its newest history event, or of its first event."""
        steps = (logged.at_us for logged in reversed(self.events) if isinstance(logged.event, HistoryEvent))
        return next(steps, self.events[0].at_us)

    def as_request(self) -> OpenRequest:
        """As its parent waits for it."""
        status = rows.STATUS_NAMES[rows.status_code(self.state.status)]
        return OpenRequest(
            id=self.execution_id,
            ffqn=self.state.ffqn,
            status=status,
            created_at_us=self.created_at_us,
            until_us=self.deadline_us,
        )

    @property
    def deadline_us(self) -> int | None:
        """The end of its time, as far as it is on record: see `deadlines.recorded_deadline_us`."""
        created = self.events[0].event
        return recorded_deadline_us(created) if isinstance(created, Created) else None

    def matches(self, query: Query) -> bool:
        """Whether the conditions of a query hold."""
        state, summary, end_us = self.state, self.summary(), query.finished_before_us
        return (
            (query.ffqn_prefix is None or state.ffqn.startswith(query.ffqn_prefix))
            and (query.parent is None or state.parent == query.parent)
            and (not query.top_level_only or state.parent is None)
            and (query.status is None or summary.status in rows.statuses(query.status))
            and (query.ffqns is None or state.ffqn in query.ffqns)
            and (query.result_kind is None or summary.result_kind in rows.result_kinds(query.result_kind))
            and (query.digest is None or any(rows.locks_build(logged.event, query.digest) for logged in self.events))
            and set(query.tags) <= set(summary.tags)
            and (query.key is None or self.key == query.key)
            and (query.created_from_us is None or self.created_at_us >= query.created_from_us)
            and (query.created_before_us is None or self.created_at_us < query.created_before_us)
            and (end_us is None or (summary.finished_at_us is not None and summary.finished_at_us < end_us))
        )


def _as_is(entry: T) -> T:
    return entry
