"""Lists of one execution that come in slices: fetched one by one, so that printing them takes the memory of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import click

from obelisk.cli.connection.client import Client, checked

Command = TypeVar("Command", bound=Callable[..., Any])
SLICE: Final = 1000


def limit_option(command: Command) -> Command:
    """``--limit`` for a command that prints such a list; without it all is printed."""
    return click.option("--limit", type=click.IntRange(min=1), help="At most so many. Default: all.")(command)


def slices(client: Client, path: str, wanted: Mapping[str, Any], limit: int | None) -> Iterator[Any]:
    """The slices of what is at `path` from ``wanted["from"]`` on, `limit` items at most (None: to the end)."""
    start: int | None = wanted["from"]
    while start is not None and limit != 0:
        size = SLICE if limit is None else min(SLICE, limit)
        page = checked(client.get(path, {**wanted, "from": start, "limit": size}))
        yield page
        start = page["next"]
        limit = None if limit is None else limit - len(page["items"])
