"""``obelisk server run`` and, by its first name, ``obelisk executor serve``: one command."""

from __future__ import annotations

from typing import Final

from obelisk.cli.lazy import Entry, LazyGroup

_SERVE: Final = Entry(
    module="obelisk.cli.server.run", attribute="serve", text="Run executions and answer HTTP until told to stop."
)

server = LazyGroup("server", {"run": _SERVE}, help="Serve: run executions and answer HTTP.")
executor = LazyGroup("executor", {"serve": _SERVE}, help="The same as `obelisk server`, by its first name.")
