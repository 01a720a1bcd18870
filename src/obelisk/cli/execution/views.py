"""``obelisk execution list``, ``get``, ``events``, ``responses``: look at executions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
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
from obelisk.cli.execution.slices import limit_option, slices
from obelisk.runtime.wiring.clock import SystemClock

_EVENT, _RESPONSE = ("version", "event"), ("number", "response")
PAGE: Final = 200
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
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--cursor", help="Where the previous page ended.")
@server_options
@console.json_option
def list_(client: Client, as_json: bool, **filters: Any) -> None:
    """List executions without a parent, newest first; with --children all of them.

    What a large --limit finds is printed as it comes.
    """
    wanted = with_children(filters)
    listing = _Listing(client, query(wanted), wanted["limit"], wanted["cursor"])
    if as_json:
        console.page(itertools.chain.from_iterable(listing), lambda: listing.cursor)
        return
    headed = True
    for items in listing:
        _print_list(items, headed=headed)
        headed = False
    if headed:
        hint = "; --children looks among children, too" if wanted["top_level"] else ""
        console.note(f"there is no such execution{hint}")
    if listing.cursor:
        console.note(f"more: --cursor {listing.cursor}")


class _Listing:
    """At most `limit` executions, page by page, no page empty; then `cursor` is where there are more."""

    def __init__(self, client: Client, wanted: Mapping[str, Any], limit: int, cursor: str | None) -> None:
        self._client, self._wanted, self._limit = client, wanted, limit
        self.cursor = cursor

    def __iter__(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        left = self._limit
        while left:
            asked = {**self._wanted, "limit": min(left, PAGE), "cursor": self.cursor}
            page = checked(self._client.get("/v1/executions", asked))
            self.cursor, left = page["next_cursor"], left - len(page["items"])
            if page["items"]:
                yield page["items"]
            if not self.cursor:
                return


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first version wanted.")
@limit_option
@server_options
@console.json_option
def events(client: Client, execution_id: str, start: int, limit: int | None, as_json: bool) -> None:
    """Print an execution's log, every step of it, as it comes."""
    _entries(slices(client, f"{execution_path(execution_id)}/events", {"from": start}, limit), _EVENT, as_json)


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first number wanted.")
@limit_option
@server_options
@console.json_option
def responses(client: Client, execution_id: str, start: int, limit: int | None, as_json: bool) -> None:
    """Print the responses of an execution's children and delays."""
    _entries(slices(client, f"{execution_path(execution_id)}/responses", {"from": start}, limit), _RESPONSE, as_json)


def _entries(pages: Iterator[Any], columns: tuple[str, str], as_json: bool) -> None:
    """Print a list that comes in slices, each as it comes."""
    if as_json:
        console.array(itertools.chain.from_iterable(page["items"] for page in pages))
        console.say("")
        return
    first: Mapping[str, Any] | None = None
    for items in (page["items"] for page in pages):
        if items:
            _print_log(items, columns, first)
            first = first or items[0]
    if first is not None and console.is_read_by_people():
        console.note(f"since {first['at']}")
    elif first is None and not console.is_read_by_people():
        number, record = columns
        console.table((number, "at", record, "details"), ())


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
def _print_list(items: Sequence[Mapping[str, Any]], *, headed: bool) -> None:
    """Executions: on a terminal as people look for them, by id, state in one word, age and function."""
    if not console.is_read_by_people():
        columns = ("execution_id", "ffqn", "status", "result_kind", "created_at")
        rows = [[*(console.cell(item[column]) for column in columns), ",".join(item["tags"])] for item in items]
        console.table((*columns, "tags"), rows, headed=headed)
        return
    now_s = SystemClock().now_us() / 1e6
    tagged = any(item["tags"] for item in items)
    shown = [
        (
            item["execution_id"],
            item["result_kind"] or item["status"],
            console.duration(max(0.0, now_s - _seconds(item["created_at"]))),
            item["ffqn"],
            *([", ".join(item["tags"])] if tagged else []),
        )
        for item in items
    ]
    headings = ("execution", "state", "age", "function", *(["tags"] if tagged else []))
    console.table(headings, shown, whole=("execution", "state", "age"), headed=headed)


def _print_log(items: Sequence[Mapping[str, Any]], columns: tuple[str, str], first: Mapping[str, Any] | None) -> None:
    """Entries of a log; on a terminal with the time that had passed since the `first` of them (None: it is among
    these), and digests shortened."""
    number, record = columns
    if not console.is_read_by_people():
        rows = [(str(item[number]), item["at"], item[record]["type"], _details(item[record])) for item in items]
        console.table((number, "at", record, "details"), rows, headed=first is None)
        return
    begin_s = _seconds((first or items[0])["at"])
    shown = [
        (
            str(item[number]),
            console.duration(_seconds(item["at"]) - begin_s),
            item[record]["type"],
            _DIGEST.sub(r"\1…", _details(item[record])),
        )
        for item in items
    ]
    console.table((number, "after", record, "details"), shown, whole=(number, "after", record), headed=first is None)


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def _details(record: Mapping[str, Any]) -> str:
    """The members of an event in one line, without those that say nothing."""
    shown = {name: item for name, item in record.items() if name != "type" and item not in (None, "")}
    return "  ".join(f"{name}={console.cell(item)}" for name, item in shown.items())
