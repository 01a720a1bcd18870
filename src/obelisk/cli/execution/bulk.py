"""``obelisk execution cancel-all``, ``delete-all``: steer all executions that meet some conditions."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from obelisk.cli import console, progress
from obelisk.cli.connection.choosing import server_options
from obelisk.cli.connection.client import Client, checked
from obelisk.cli.errors import CommandError
from obelisk.cli.execution.filters import instant, place_options, query, result_option, what_options

Command = TypeVar("Command", bound=Callable[..., Any])
_STEP_S: Final = 120
"""A step of a bulk intervention may wait for the disk again and again."""


def _care_options(command: Command) -> Command:
    """``--dry-run`` and ``--yes``."""
    asked = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")(command)
    return click.option("--dry-run", is_flag=True, help="Only count them.")(asked)


@click.command(name="cancel-all")
@what_options
@place_options
@click.option("--status", help="Only this status, as locked or paused; open (the default) is all of them.")
@_care_options
@server_options
@console.json_option
def cancel_all(client: Client, dry_run: bool, yes: bool, as_json: bool, **filters: Any) -> None:
    """Cancel all executions that have not finished and meet the conditions, with their children.

    At least one condition is needed; --status open is one that everything meets. They are counted first, and you are
    asked: --dry-run stops there, --yes asks nothing.

    \b
    obelisk execution cancel-all --tag tenant=acme
    """
    conditions = query(filters)
    if not any(value is not None for value in conditions.values()):
        hint = "name what to cancel, as --tag, --function or --since; --status open is everything"
        raise CommandError("usage", "cancel-all needs a condition", hint=hint)
    count = _count(client, {**conditions, "status": conditions["status"] or "open"})
    if not _is_wanted(count, "to cancel, with their children", dry_run=dry_run, yes=yes, as_json=as_json):
        return
    done: Counter[str] = Counter()
    for step in _steps(client, "/v1/executions/cancel", conditions, f"cancelling {count} executions"):
        done.update({name: number for name, number in step.items() if name != "next_cursor"})
    if as_json:
        console.value({"matched": count, **done})
        return
    effects = {"already": "were cancelled before", "finished": "had finished", "refused": "may not be cancelled"}
    console.say(f"{done['done']} cancelled")
    for effect, text in effects.items():
        if done[effect]:
            console.note(f"{done[effect]} {text}")


@click.command(name="delete-all")
@click.option(
    "--finished-before",
    required=True,
    callback=instant,
    help="Only what finished before this instant (RFC 3339).",
)
@what_options
@result_option
@_care_options
@server_options
@console.json_option
def delete_all(client: Client, dry_run: bool, yes: bool, as_json: bool, **filters: Any) -> None:
    """Delete what finished before an instant and meets the conditions, with all that descends from it.

    Whole trees go: the conditions are on executions without a parent. Their logs and results are gone, their
    idempotency keys free. They are counted first, and you are asked: --dry-run stops there, --yes asks nothing.

    \b
    obelisk execution delete-all --finished-before 2030-01-31T00:00:00Z --result ok
    """
    conditions = query(filters)
    count = _count(client, {**conditions, "status": "finished", "top_level": "true"})
    if not _is_wanted(count, "to delete, with all that descends from them", dry_run=dry_run, yes=yes, as_json=as_json):
        return
    deleted = 0
    for step in _steps(client, "/v1/executions/delete", conditions, f"deleting {count} trees"):
        deleted += step["deleted"]
    if as_json:
        console.value({"matched": count, "deleted": deleted})
    else:
        console.say(f"{_executions(deleted)} deleted")


def _executions(count: int) -> str:
    return f"{count} execution{'s' * (count != 1)}"


def _count(client: Client, conditions: Mapping[str, Any]) -> int:
    return int(checked(client.get("/v1/executions/count", conditions))["count"])


def _is_wanted(count: int, what: str, *, dry_run: bool, yes: bool, as_json: bool) -> bool:
    """Say how many there are, and ask; CommandError ``usage`` without a terminal to ask on."""
    if dry_run:
        if as_json:
            console.value({"matched": count})
        else:
            console.say(f"{_executions(count)} {what}")
        return False
    if yes:
        return True
    if as_json or not sys.stdin.isatty():
        hint = "--yes does it without asking, --dry-run only counts"
        raise CommandError("usage", f"{_executions(count)} {what}: there is no terminal to ask on", hint=hint)
    if count == 0:
        console.note("there is no such execution")
        return False
    return click.confirm(f"{_executions(count)} {what}. Go on?", err=True)


def _steps(client: Client, path: str, conditions: Mapping[str, Any], text: str) -> Any:
    """What each step of a bulk intervention says it did."""
    cursor: object = None
    with progress.waiting(text):
        while True:
            step = checked(client.post(path, b"", {}, query={**conditions, "cursor": cursor}, timeout_s=_STEP_S))
            yield step
            cursor = step["next_cursor"]
            if cursor is None:
                return
