"""``obelisk execution list``, ``get``, ``events``, ``responses``: look at executions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click

from obelisk.cli import completing, console
from obelisk.cli.connection.choosing import server_options
from obelisk.cli.connection.client import Client, checked, execution_path
from obelisk.cli.execution.filters import (
    children_option,
    instant,
    place_options,
    query,
    result_option,
    what_options,
    with_children,
)
from obelisk.runtime.wiring.clock import SystemClock

_DIGEST: Final = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@server_options
@console.json_option
def get(client: Client, execution_id: str, as_json: bool) -> None:
    """Show one execution."""
    shown = checked(client.get(execution_path(execution_id)))
    if as_json:
        console.value(shown)
    else:
        shown["tags"] = ", ".join(shown["tags"]) or None
        shown |= _cause(shown.pop("cause"))
        shown["waiting"] = _waiting(shown["waiting"])
        rows = [(name, console.cell(item)) for name, item in shown.items() if item is not None]
        console.table(("field", "value"), rows)


def _cause(cause: dict[str, Any] | None) -> dict[str, Any]:
    """Why the engine paused an execution, a row each."""
    rows = {f"cause.{name}": value for name, value in (cause or {}).items() if name != "divergence"}
    divergence: dict[str, Any] = (cause or {}).get("divergence", {})
    return rows | {f"divergence.{name}": value for name, value in divergence.items()}


@click.command(name="list")
@what_options
@place_options
@children_option
@click.option("--status", help="Only this status, as locked or finished; open is all but finished.")
@result_option
@click.option("--finished-before", callback=instant, help="Only what finished before this instant (RFC 3339).")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")
@click.option("--cursor", help="Where the previous page ended.")
@server_options
@console.json_option
def list_(client: Client, as_json: bool, **filters: Any) -> None:
    """List executions without a parent, newest first; with --children all of them."""
    wanted = with_children(filters)
    page = checked(client.get("/v1/executions", query(wanted)))
    if as_json:
        console.value(page)
        return
    if not page["items"]:
        console.note(
            "there is no such execution" + ("; --children looks among children, too" if wanted["top_level"] else "")
        )
    elif console.is_read_by_people():
        _print_list(page["items"])
    else:
        columns = ("execution_id", "ffqn", "status", "result_kind", "created_at")
        rows = [[console.cell(item[column]) for column in columns] for item in page["items"]]
        joined = [",".join(item["tags"]) for item in page["items"]]
        console.table((*columns, "tags"), [[*row, tagged] for row, tagged in zip(rows, joined, strict=True)])
    if page["next_cursor"]:
        console.note(f"more: --cursor {page['next_cursor']}")


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first version wanted.")
@server_options
@console.json_option
def events(client: Client, execution_id: str, start: int, as_json: bool) -> None:
    """Print an execution's log, every step of it."""
    _entries(client, f"{execution_path(execution_id)}/events", start, ("version", "event"), as_json)


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first number wanted.")
@server_options
@console.json_option
def responses(client: Client, execution_id: str, start: int, as_json: bool) -> None:
    """Print the responses of an execution's children and delays."""
    _entries(client, f"{execution_path(execution_id)}/responses", start, ("number", "response"), as_json)


def _entries(client: Client, path: str, start: int, columns: tuple[str, str], as_json: bool) -> None:
    """Print a list that comes in slices, to its end."""
    number, record = columns
    items: list[Any] = []
    following: int | None = start
    while following is not None:
        page = checked(client.get(path, {"from": following, "limit": 1000}))
        items += page["items"]
        following = page["next"]
    if as_json:
        console.value(items)
        return
    if console.is_read_by_people():
        _print_log(items, number, record)
        return
    rows = [(str(item[number]), item["at"], item[record]["type"], _details(item[record])) for item in items]
    console.table((number, "at", record, "details"), rows)


def _waiting(waiting: Mapping[str, Any] | None) -> str | None:
    """What a workflow waits for, in words."""
    if waiting is None:
        return None
    parts: list[str] = []
    for request in waiting["requests"]:
        what = request["function"] or "a delay"
        status = f", {request['status']}" if request["status"] else ""
        until = f", until {request['until']}" if request["until"] else ""
        parts.append(f"{what} ({request['id']}{status}{until})")
    return f"since {waiting['since']} for {', '.join(parts) or 'the next step of a run'}"


# --- on a terminal --------------------------------------------------------------------------------------------------
def _print_list(items: Sequence[Mapping[str, Any]]) -> None:
    """Executions as people look for them: id, state in one word, age, function."""
    now_s = SystemClock().now_us() / 1e6
    tagged = any(item["tags"] for item in items)
    rows = [
        (
            item["execution_id"],
            item["result_kind"] or item["status"],
            console.duration(max(0.0, now_s - _seconds(item["created_at"]))),
            item["ffqn"],
            *([", ".join(item["tags"])] if tagged else []),
        )
        for item in items
    ]
    columns = ("execution", "state", "age", "function", *(["tags"] if tagged else []))
    console.table(columns, rows, whole=("execution", "state", "age"))


def _print_log(items: Sequence[Mapping[str, Any]], number: str, record: str) -> None:
    """Entries of a log with the time that had passed since the first of them, and digests shortened."""
    if not items:
        return
    first = _seconds(items[0]["at"])
    rows = [
        (
            str(item[number]),
            console.duration(_seconds(item["at"]) - first),
            item[record]["type"],
            _DIGEST.sub(r"\1…", _details(item[record])),
        )
        for item in items
    ]
    console.table((number, "after", record, "details"), rows, whole=(number, "after", record))
    console.note(f"since {items[0]['at']}")


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def _details(record: Mapping[str, Any]) -> str:
    """The members of an event in one line, without those that say nothing."""
    shown = {name: item for name, item in record.items() if name != "type" and item not in (None, "")}
    return "  ".join(f"{name}={console.cell(item)}" for name, item in shown.items())
