"""New executions at the top level that a workflow asks for: one whose id exists can never be created.

The transaction that would create it is refused, and would be again for ever. So a guest that asks for it traps: at once
when it has scheduled the id itself before, else when the store has refused it and was found to have the execution
(`RunContext.is_taken`).
"""

from __future__ import annotations

from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending
from obelisk.runtime.replay.commands import ScheduleExecution
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.phases import Convert


def ask_to_schedule(calls: HostCalls, command: ScheduleExecution, convert: Convert) -> JsonValue | Pending:
    """Give the command to the machine; a guest that names an execution which exists traps."""
    wanted, facts = command.execution_id, calls.machine.facts
    execution_id = calls.stored.execution_id
    if not facts.is_replaying and (wanted in facts.scheduled or calls.context.is_taken(execution_id, wanted)):
        raise GuestTrap(f"the execution {wanted} exists already: schedule under a new id of execution-id-generate")
    if not facts.is_replaying:
        calls.context.families.require_room(calls.family)
    return calls.ask(command, convert)
