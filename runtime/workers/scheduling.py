"""New executions at the top level that a workflow asks for: one whose id exists can never be created.

The transaction that would create it is refused, and would be again for ever. So a guest that asks for it traps: at once
when it has scheduled the id itself before, else when the store has refused it and was found to have the execution
(`RunContext.is_taken`).
"""

from __future__ import annotations

from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending
from obelisk.runtime.replay.commands import ScheduleExecution
from obelisk.runtime.workers.workflow import Convert, WorkflowRun


def ask_to_schedule(run: WorkflowRun, command: ScheduleExecution, convert: Convert) -> JsonValue | Pending:
    """Give the command to the machine; a guest that names an execution which exists traps."""
    wanted, machine = command.execution_id, run.machine
    if not machine.is_replaying and (machine.has_scheduled(wanted) or run.context.is_taken(run.execution_id, wanted)):
        raise GuestTrap(f"the execution {wanted} exists already: schedule under a new id of execution-id-generate")
    if not machine.is_replaying:
        run.context.families.require_room(run.family)
    return run.ask(command, convert)
