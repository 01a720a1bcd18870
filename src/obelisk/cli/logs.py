"""``obelisk execution logs``: what guests logged and wrote to their standard streams, once or as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import click

from obelisk.cli import completing, console
from obelisk.cli.client import Client, checked, execution_path
from obelisk.cli.connection import server_options

_LEVELS: Final = ("trace", "debug", "info", "warn", "error")
_COLOURS: Final = {"error": "red", "warn": "yellow", "debug": "bright_black", "trace": "bright_black"}
_PAGE: Final = 1000
_POLL_S: Final = 0.5
_SETTLE_S: Final = 1.0
"""Lines of another server's executor come a little later than the end of the execution."""


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--level", type=click.Choice(_LEVELS), default="trace", help="Only lines of this level or above.")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first number wanted.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until the execution has finished.")
@server_options
@console.json_option
def logs(client: Client, execution_id: str, level: str, start: int, follow: bool, as_json: bool) -> None:
    """Print what an execution logged and wrote to its standard streams.

    Lines of stdout count as info, those of stderr as warn. With --json one JSON object per line.
    """
    dropped = 0
    for page in _pages(client, execution_id, level, start, follow=follow):
        if not as_json and page["dropped"] > dropped and start == 0:
            dropped = page["dropped"]
            console.note(f"{dropped} lines were dropped: of one execution the newest are kept ([store] log_bytes)")
        for line in page["items"]:
            if as_json:
                console.value(line, pretty=False)
            else:
                click.echo(_shown(line))


def _pages(client: Client, execution_id: str, level: str, start: int, *, follow: bool) -> Iterator[Any]:
    """Pages to the end of the lines; with `follow` to the end of the execution."""
    path = execution_path(execution_id)
    ended_s: float | None = None
    while True:
        if follow and ended_s is None and checked(client.get(path))["status"] == "finished":
            ended_s = time.monotonic()
        page = checked(client.get(f"{path}/logs", {"from": start, "limit": _PAGE, "level": level}))
        yield page
        if page["items"]:
            start = page["items"][-1]["number"] + 1
        if page["next"] is not None:
            continue
        if not follow or (ended_s is not None and time.monotonic() - ended_s >= _SETTLE_S):
            return
        time.sleep(_POLL_S)


def _shown(line: dict[str, Any]) -> str:
    level = line["level"] if line["source"] == "log" else line["source"]
    label = click.style(f"{level:6}", fg=_COLOURS.get(line["level"]))
    return f"{line['at']}  {label}  {line['text']}"
