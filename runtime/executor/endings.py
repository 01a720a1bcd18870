"""The end of an execution without a run: what is written, and what its parent gets. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from obelisk.runtime import ids
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import ExecutionState, PausedState
from obelisk.runtime.ports.store import Append, Respond, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """`writes` are good for the state that was seen: Conflict when it has changed."""

    writes: tuple[Write, ...]
    respond: Respond | None


def ending(execution_id: str, state: ExecutionState, outcome: log.Outcome, at_us: int) -> Ending:
    """End an execution that is seen in `state` with `outcome`; one that is paused is let go first."""
    events: tuple[log.Event, ...] = (log.Finished(outcome=outcome),)
    if isinstance(state.status, PausedState):
        events = (log.Unpaused(), *events)
    after = state
    for event in events:
        after = fold.apply(after, event)
    append = Append(execution_id=execution_id, version=state.version, events=events, state=after, at_us=at_us)
    join_set = ids.join_set_of(execution_id)
    if state.parent is None or join_set is None:
        return Ending(writes=(append,), respond=None)
    response = log.ChildFinished(join_set=join_set, child=execution_id, outcome=outcome)
    respond = Respond(execution_id=state.parent, response=response, at_us=at_us)
    return Ending(writes=(append, respond), respond=respond)
