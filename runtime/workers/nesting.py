"""How deep executions may nest: the bound that a workflow which calls itself without end runs into.

The bound is on what is new: a request that is on record is replayed, whatever the bound is by now.
"""

from __future__ import annotations

from obelisk.runtime import ids
from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending
from obelisk.runtime.replay.commands import Call, Submit
from obelisk.runtime.workers.workflow import Convert, WorkflowRun

NUMBERS = 24
"""Characters that a join set's number and the child's number in it take at most, with what stands between them."""


def ask_for_child(run: WorkflowRun, command: Call | Submit, convert: Convert) -> JsonValue | Pending:
    """Give the command to the machine; a guest whose child would be nested too deep, or its id too long, traps."""
    if not run.machine.recorded.is_replaying:
        run.context.families.require_room(run.family)
        depth, most = run.depth, run.context.max_depth
        if depth >= most:
            raise GuestTrap(f"depth limit: a child of {run.execution_id} has {depth + 1} ancestors, at most {most}")
        join_set = command.join_set if isinstance(command, Submit) else ""
        if len(run.execution_id) + len(join_set) + NUMBERS > ids.MAX_EXECUTION_ID:
            raise GuestTrap(f"depth limit: the id of a child is longer than {ids.MAX_EXECUTION_ID} characters")
    return run.ask(command, convert)
