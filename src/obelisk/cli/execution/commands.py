"""``obelisk execution``: the table of its commands. Each module named here has those of one topic."""

from __future__ import annotations

from typing import Final

from obelisk.cli.lazy import Entry, LazyGroup

_CALLS: Final = "obelisk.cli.execution.calls"
_VIEWS: Final = "obelisk.cli.execution.views"
_STEERING: Final = "obelisk.cli.execution.steering"
_BULK: Final = "obelisk.cli.execution.bulk"
_REPLAYING: Final = "obelisk.cli.execution.replaying"

COMMANDS: Final = {
    "run": Entry(module=_CALLS, attribute="run", text="Call a function and print what it returns."),
    "submit": Entry(module=_CALLS, attribute="submit", text="Call a function and print the execution's id."),
    "result": Entry(module=_CALLS, attribute="result", text="Print the result of an execution."),
    "follow": Entry(
        module="obelisk.cli.execution.follow", attribute="follow", text="Watch an execution and its children."
    ),
    "list": Entry(module=_VIEWS, attribute="list_", text="List executions, newest first."),
    "get": Entry(module=_VIEWS, attribute="get", text="Show one execution."),
    "events": Entry(module=_VIEWS, attribute="events", text="Print an execution's log, every step of it."),
    "responses": Entry(module=_VIEWS, attribute="responses", text="Print what its children and delays answered."),
    "logs": Entry(
        module="obelisk.cli.execution.logs", attribute="logs", text="Print what its guests logged and wrote."
    ),
    "cancel": Entry(module=_STEERING, attribute="cancel", text="Cancel an execution with its children, or a delay."),
    "cancel-all": Entry(module=_BULK, attribute="cancel_all", text="Cancel all executions that meet some conditions."),
    "delete-all": Entry(module=_BULK, attribute="delete_all", text="Delete executions that finished long ago."),
    "pause": Entry(module=_STEERING, attribute="pause", text="Stop an execution until it is unpaused."),
    "unpause": Entry(module=_STEERING, attribute="unpause", text="Let a paused execution go on."),
    "retry": Entry(module=_STEERING, attribute="retry", text="Make the next attempt now."),
    "upgrade": Entry(module=_STEERING, attribute="upgrade", text="Let a workflow go on with the deployed build."),
    "replay": Entry(module=_REPLAYING, attribute="replay", text="Verify a workflow's log against a build."),
    "fork": Entry(module=_REPLAYING, attribute="fork", text="Begin a new execution with a part of another's log."),
    "stub": Entry(module=_STEERING, attribute="stub", text="Give the result of a stub."),
}
"""Name → where the command is, in the order of the help."""

HELP: Final = """Call functions and look at what came of it.

They ask a running server: --url, OBELISK_URL, [client] url or [server] listen of obelisk.toml. With --direct they open
the configured database themselves.
"""

execution = LazyGroup("execution", COMMANDS, help=HELP)
