"""Exit statuses: one table for all commands, of errors and of outcomes. Programs may rely on the numbers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class ExitStatus(enum.IntEnum):
    """What a command's exit status means."""

    OK = 0
    """Done; of a call: its value was printed."""
    INPUT = 1
    """The input has errors that were shown (WIT diagnostics), or generated files are stale (``gen --check``)."""
    USAGE = 2
    """The command line is wrong."""
    CONFIG = 3
    """The configuration file or a setting is wrong."""
    NOT_FOUND = 4
    """There is no such function, execution, component or file."""
    REFUSED = 5
    """The server refused the request: parameters that do not typecheck, a key in use, a full queue."""
    COMPONENT = 6
    """A file is no usable component, or imports what nothing offers."""
    STORE = 7
    """The database cannot be used: corrupt, locked, of a newer version, or full."""
    PORT = 8
    """The port is in use or the address cannot be had."""
    UNREACHABLE = 9
    """No server answers at that URL, or what a component comes from cannot be reached."""
    RETURNED_ERR = 10
    """The called function returned ``err``; it was printed."""
    FAILED = 11
    """The execution failed for good."""
    UNFINISHED = 12
    """The execution has not finished within the time asked for; it goes on."""
    INTERNAL = 70
    """A bug, or an answer that is not of this project."""
    INTERRUPTED = 130
    """Stopped with Ctrl-C."""


BY_CODE: Final[Mapping[str, ExitStatus]] = {
    "usage": ExitStatus.USAGE,
    "config_invalid": ExitStatus.CONFIG,
    "tokens_required": ExitStatus.CONFIG,
    "token_file_invalid": ExitStatus.CONFIG,
    "function_not_found": ExitStatus.NOT_FOUND,
    "worker_not_found": ExitStatus.NOT_FOUND,
    "function_not_served": ExitStatus.NOT_FOUND,
    "execution_not_found": ExitStatus.NOT_FOUND,
    "token_not_found": ExitStatus.NOT_FOUND,
    "file_not_found": ExitStatus.NOT_FOUND,
    "component_not_found": ExitStatus.NOT_FOUND,
    "source_not_found": ExitStatus.NOT_FOUND,
    "source_invalid": ExitStatus.CONFIG,
    "route_not_found": ExitStatus.INTERNAL,
    "params_invalid": ExitStatus.REFUSED,
    "parameter_invalid": ExitStatus.REFUSED,
    "body_invalid": ExitStatus.REFUSED,
    "body_too_large": ExitStatus.REFUSED,
    "value_too_large": ExitStatus.REFUSED,
    "cursor_invalid": ExitStatus.REFUSED,
    "not_cancellable": ExitStatus.REFUSED,
    "idempotency_conflict": ExitStatus.REFUSED,
    "not_a_stub": ExitStatus.REFUSED,
    "result_invalid": ExitStatus.REFUSED,
    "result_conflict": ExitStatus.REFUSED,
    "not_replayable": ExitStatus.REFUSED,
    "incompatible": ExitStatus.REFUSED,
    "fork_invalid": ExitStatus.REFUSED,
    "conflict": ExitStatus.REFUSED,
    "component_in_use": ExitStatus.REFUSED,
    "source_refused": ExitStatus.REFUSED,
    "queue_full": ExitStatus.REFUSED,
    "no_room": ExitStatus.REFUSED,
    "too_many_requests": ExitStatus.REFUSED,
    "too_many_connections": ExitStatus.REFUSED,
    "unauthenticated": ExitStatus.REFUSED,
    "scope_insufficient": ExitStatus.REFUSED,
    "host_not_allowed": ExitStatus.REFUSED,
    "origin_not_allowed": ExitStatus.REFUSED,
    "unsupported": ExitStatus.REFUSED,
    "component_invalid": ExitStatus.COMPONENT,
    "import_unknown": ExitStatus.COMPONENT,
    "digest_mismatch": ExitStatus.COMPONENT,
    "build_failed": ExitStatus.COMPONENT,
    "tool_missing": ExitStatus.COMPONENT,
    "store_unavailable": ExitStatus.STORE,
    "log_corrupt": ExitStatus.STORE,
    "not_ready": ExitStatus.STORE,
    "port_busy": ExitStatus.PORT,
    "address_unusable": ExitStatus.PORT,
    "server_unreachable": ExitStatus.UNREACHABLE,
    "source_unreachable": ExitStatus.UNREACHABLE,
    "returned_err": ExitStatus.RETURNED_ERR,
    "execution_failed": ExitStatus.FAILED,
    "execution_timed_out": ExitStatus.FAILED,
    "internal": ExitStatus.INTERNAL,
    "answer_foreign": ExitStatus.INTERNAL,
}
"""The code of an exception or of a problem a server answered → exit status; any other code is a bug."""


def of_code(code: str) -> ExitStatus:
    """The exit status of an error code."""
    return BY_CODE.get(code, ExitStatus.INTERNAL)
