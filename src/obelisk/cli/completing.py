"""What the shell offers for functions and executions: what the chosen server has, if it answers at once."""

from __future__ import annotations

from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from obelisk.cli.connection.choosing import connect
from obelisk.runtime.errors import ObeliskError

_PATIENCE_S: Final = 1.0
_SHOWN: Final = 50


def functions(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Deployed functions that begin so."""
    items = _items(context, "/v1/functions", {})
    return [CompletionItem(item["ffqn"], help=item["kind"]) for item in items if item["ffqn"].startswith(incomplete)]


def executions(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The newest executions whose ids begin so."""
    items = _items(context, "/v1/executions", {"limit": _SHOWN, "top_level": "true"})
    return [
        CompletionItem(item["execution_id"], help=f"{item['ffqn']} {item['status']}")
        for item in items
        if item["execution_id"].startswith(incomplete)
    ]


def _items(context: click.Context, path: str, query: dict[str, object]) -> list[dict[str, Any]]:
    """A listing of the server that the command line names so far; nothing when there is none."""
    given = {name: context.params.get(name) for name in ("url", "token", "config_path")}
    try:
        client = connect(url=given["url"], token=given["token"], direct=False, config_path=given["config_path"])
        answer = client.get(path, query, timeout_s=_PATIENCE_S)
    except ObeliskError:
        return []
    items: list[dict[str, Any]] = answer.value["items"] if answer.status == 200 else []
    return items
