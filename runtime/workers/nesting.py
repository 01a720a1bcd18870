"""How deep executions may nest: the bound that a workflow which calls itself without end runs into.

The bound is on what is new: a request that is on record is replayed, whatever the bound is by now.
"""

from __future__ import annotations

from obelisk.runtime import ids
from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending
from obelisk.runtime.replay.commands import Call, Submit
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.phases import Convert

NUMBERS = 24
"""Characters that a join set's number and the child's number in it take at most, with what stands between them."""


def ask_for_child(calls: HostCalls, command: Call | Submit, convert: Convert) -> JsonValue | Pending:
    """Give the command to the machine; a guest whose child would be nested too deep, or its id too long, traps."""
    if not calls.machine.facts.recorded.is_replaying:
        calls.context.families.require_room(calls.family)
        execution_id, depth, most = calls.stored.execution_id, calls.depth, calls.context.max_depth
        if depth >= most:
            raise GuestTrap(f"depth limit: a child of {execution_id} has {depth + 1} ancestors, at most {most}")
        join_set = command.join_set if isinstance(command, Submit) else ""
        if len(execution_id) + len(join_set) + NUMBERS > ids.MAX_EXECUTION_ID:
            raise GuestTrap(f"depth limit: the id of a child is longer than {ids.MAX_EXECUTION_ID} characters")
    return calls.ask(command, convert)
