"""``obelisk execution logs``: what guests logged and wrote to their standard streams, once or as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from obelisk.cli import completing, console
from obelisk.cli.connection import event_streams
from obelisk.cli.connection.choosing import server_options
from obelisk.cli.connection.client import Client, checked, execution_path
from obelisk.cli.errors import CommandError
from obelisk.cli.execution.slices import limit_option, slices

_LEVELS: Final = ("trace", "debug", "info", "warn", "error")
_COLOURS: Final = {"error": "red", "warn": "yellow", "debug": "bright_black", "trace": "bright_black"}
_POLL_S: Final = 0.5
_SETTLE_S: Final = 1.0
"""Lines of another server's executor come a little later than the end of the execution."""


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--level", type=click.Choice(_LEVELS), default="trace", help="Only lines of this level or above.")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first number wanted.")
@limit_option
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until the execution has finished.")
@server_options
@console.json_option
def logs(
    client: Client, execution_id: str, level: str, start: int, limit: int | None, follow: bool, as_json: bool
) -> None:
    """Print what an execution logged and wrote to its standard streams, as it comes.

    Lines of stdout count as info, those of stderr as warn. With --json one JSON object per line.
    """
    if follow and limit is not None:
        raise CommandError("config_invalid", "--limit and --follow exclude each other: give one of them")
    dropped, path, wanted = 0, execution_path(execution_id), {"from": start, "level": level}
    last: int | None = None
    for page in slices(client, f"{path}/logs", wanted, limit):
        if not as_json and page["dropped"] > dropped and start == 0:
            dropped = page["dropped"]
            console.note(f"{dropped} lines were dropped: of one execution the newest are kept ([store] log_bytes)")
        for line in page["items"]:
            _print(line, as_json=as_json)
            last = line["number"]
    if not follow:
        return
    if client.streams:
        for entry in event_streams.follow(client, f"{path}/logs/follow", wanted, after=last):
            _print(entry.value, as_json=as_json)
        return
    for line in _polled(client, path, wanted, last):
        _print(line, as_json=as_json)


def _polled(client: Client, path: str, wanted: Mapping[str, Any], last: int | None) -> Iterator[Any]:
    """What comes until the execution has finished, looked for again and again."""
    ended_s: float | None = None
    while True:
        if ended_s is None and checked(client.get(path))["status"] == "finished":
            ended_s = time.monotonic()
        start = wanted["from"] if last is None else last + 1
        for page in slices(client, f"{path}/logs", {**wanted, "from": start}, None):
            for line in page["items"]:
                yield line
                last = line["number"]
        if ended_s is not None and time.monotonic() - ended_s >= _SETTLE_S:
            return
        time.sleep(_POLL_S)


def _print(line: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        console.value(line, pretty=False)
    else:
        level = line["level"] if line["source"] == "log" else line["source"]
        colour = _COLOURS.get(line["level"])
        console.labelled(f"{line['at']}  ", f"{level:6}", line["text"], colour=colour)
