"""What a command refuses or hears from a server, apart from the runtime's own exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from obelisk.runtime.errors import ObeliskError


class CommandError(ObeliskError):
    """A command cannot go on. `hint` is the next thing to try."""

    def __init__(self, code: str, message: str, *, hint: str = "", **fields: object) -> None:
        super().__init__(message, **fields)
        self.code = code  # type: ignore[misc]  # an exception class of one code each would say nothing more
        self.hint = hint


HINTS: Final[Mapping[str, str]] = {
    "execution_not_found": "`obelisk execution list` shows which there are",
    "function_not_found": "`obelisk component list` shows what is deployed",
    "component_not_found": "`obelisk component list` shows which there are",
    "unauthenticated": "give a token with --token or OBELISK_TOKEN; `obelisk token create` makes one",
    "scope_insufficient": "`obelisk token list` shows the scopes of the tokens there are",
    "idempotency_conflict": "`obelisk execution get ID` shows that execution; another call needs another key",
    "host_not_allowed": "name the host in [server] hosts of the server's configuration",
    "origin_not_allowed": "name the page's origin in [server] cors_origins of the server's configuration",
    "port_busy": "is it another server of yours? `--listen 127.0.0.1:0` takes any free port",
    "no_room": "try again later; a smaller [executor] hot_workflows or a larger sysctl vm.max_map_count makes room",
    "queue_full": "try again later, or raise [store] max_pending",
    "too_many_requests": "try again later, or raise [server] max_in_flight and max_rate",
}
"""Code → what helps as a rule, where the error itself says nothing."""
