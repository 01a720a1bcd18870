"""The options of commands that look for executions: one by one what the server's listings take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import click

from obelisk.cli import completing, tags

Command = TypeVar("Command", bound=Callable[..., Any])


def instant(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """An instant with its offset from UTC, or nothing."""
    try:
        if text is None or datetime.fromisoformat(text).tzinfo is not None:
            return text
    except ValueError:
        pass  # refused as one without an offset is
    raise click.BadParameter(f'expected an instant as 2030-01-31T12:00:00Z, found "{text}"')


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def what_options(command: Command) -> Command:
    """What was called, when and with which tags. All of these go to `query` as they are."""
    return _options(
        click.option("--function", help="Only functions whose name starts so.", shell_complete=completing.functions),
        click.option("--component", help="Only functions of the deployed component of that name."),
        tags.option("Only what has this tag, KEY=VALUE. May be repeated: then it has all of them."),
        click.option(
            "--since",
            "created_from",
            callback=instant,
            help="Only what was created at this instant or later (RFC 3339).",
        ),
        click.option(
            "--before", "created_before", callback=instant, help="Only what was created before this instant (RFC 3339)."
        ),
    )(command)


def place_options(command: Command) -> Command:
    """Which build ran it, and where in a tree it is."""
    return _options(
        click.option(
            "--digest",
            help="Only executions that ran with this build: sha256:…; needs --status, --parent, --tag or --since too.",
        ),
        click.option("--parent", help="Only children of this execution.", shell_complete=completing.executions),
        click.option("--top-level", is_flag=True, help="Only executions without a parent."),
    )(command)


def children_option(command: Command) -> Command:
    """Whether a listing has children, too. See `with_children`."""
    return click.option(
        "--children",
        is_flag=True,
        help="Children of executions, too; also listed where --parent, --function, --component or --digest is given.",
    )(command)


def with_children(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters of a listing with `top_level` decided: what a workflow calls is in a listing of everything only when
    asked for, and wherever what is looked for may be a child."""
    found = dict(filters)
    asked = found.pop("children") or any(found[name] for name in ("parent", "function", "component", "digest"))
    return found | {"top_level": found["top_level"] or not asked}


def result_option(command: Command) -> Command:
    """How it ended."""
    return click.option(
        "--result", "result_kind", help="Only what ended so, as ok or trapped; failed is all but ok and err."
    )(command)


def query(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The query parameters of the options' values; None for what is not asked for."""
    found = dict(filters)
    found["tags"] = tags.text(found.pop("given_tags"))
    if "top_level" in found:
        found["top_level"] = "true" if found["top_level"] else None
    return found
