"""Results from outside: whether a stub's result can be accepted, and the writes that accept it.

A *stub* is an execution of a function that is deployed without code (`kind = "stub"`): nothing runs it; a workflow
(`f-stub`, `stub-json`) or a client gives its result, once. Giving an equal result again is accepted and changes
nothing.
"""

from __future__ import annotations

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.catalog.fitting import Unfit, require_result
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import Cancelling, ExecutionState, FinishedState, PausedState, awaits_result
from obelisk.runtime.ports.store import Append, Respond, Store, Write
from obelisk.runtime.replay.matching import same_json
from obelisk.runtime.workers import typechecking

NOT_FOUND = "execution_not_found"
TYPE_CHECK = "type_check_error"
CONFLICT = "conflict"


def takes_result(state: ExecutionState, function: DeployedFunction) -> bool:
    """Whether an execution of a function gets its result from outside: one that was created so does, whatever is
    deployed by now; of others it depends on that."""
    return awaits_result(state) or function.kind is ComponentKind.STUB


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a result: `error` empty when it is accepted, with `detail` for a type error; `unfit` when no
    result of the type that is deployed would do.

    `writes` (none for what is so already) finish the execution; `outcome` is how, `respond` what its parent gets.
    """

    execution_id: str
    error: str = ""
    detail: str = ""
    outcome: log.Returned | None = None
    respond: Respond | None = None
    writes: tuple[Write, ...] = ()
    unfit: bool = False


async def decide(
    store: Store, registry: Registry, execution_id: str, ffqn: str, result: object, now_us: int
) -> Decision:
    """Look at the execution and decide; `ffqn` ``""`` when the giver of the result does not name the function.

    The writes are good for the state that was seen: Conflict when it has changed; decide again then.
    """
    state = await store.state(execution_id)
    function = None if state is None else registry.functions.get(state.ffqn)
    if state is None or function is None or not takes_result(state, function) or ffqn not in ("", state.ffqn):
        return Decision(execution_id, NOT_FOUND)
    first = await store.events(execution_id, from_version=0, limit=1)
    try:
        if first and isinstance(first[0].event, log.Created):
            require_result(first[0].event, function)
    except Unfit as error:
        return Decision(execution_id, TYPE_CHECK, error.message, unfit=True)
    value, problems = await typechecking.result_of(function, result)
    if problems:
        detail = "; ".join(f"{p.pointer}: {p.detail}" if p.pointer else p.detail for p in problems)
        return Decision(execution_id, TYPE_CHECK, detail)
    outcome = log.Returned(value=msgspec.Raw(msgspec.json.encode(value)), shape=function.shape)
    match state.status:
        case FinishedState(log.Returned(value=before)) if same_json(before, outcome.value):
            return Decision(execution_id)
        case FinishedState() | Cancelling():
            return Decision(execution_id, CONFLICT)
        case _:
            size, limit = len(bytes(outcome.value)), function.component.settings.max_value_bytes
            if size > limit:
                detail = f"the result has {size} bytes as JSON, at most {limit} are allowed"
                return Decision(execution_id, TYPE_CHECK, detail)
            return _accept(execution_id, state, outcome, now_us)


def _accept(execution_id: str, state: ExecutionState, outcome: log.Returned, now_us: int) -> Decision:
    finished = log.Finished(outcome=outcome)
    events: tuple[log.Event, ...] = (log.Unpaused(), finished) if isinstance(state.status, PausedState) else (finished,)
    after = state
    for event in events:
        after = fold.apply(after, event)
    append = Append(execution_id=execution_id, version=state.version, events=events, state=after, at_us=now_us)
    join_set = ids.join_set_of(execution_id)
    if state.parent is None or join_set is None:
        return Decision(execution_id, outcome=outcome, writes=(append,))
    response = log.ChildFinished(join_set=join_set, child=execution_id, outcome=outcome)
    respond = Respond(execution_id=state.parent, response=response, at_us=now_us)
    return Decision(execution_id, outcome=outcome, respond=respond, writes=(append, respond))
