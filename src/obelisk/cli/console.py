"""What commands print: values and tables for people on a terminal, plain text in a pipe, JSON when asked.

Results go to stdout, everything about them to stderr. Whatever is printed may be a stranger's text, so control
characters are escaped here, for all commands (`plain`). `rich` is loaded on terminals alone, and `msgspec` when there
is JSON, so that help stays quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import click

from obelisk.cli.errors import HINTS
from obelisk.cli.plain import below, in_one_line, plain
from obelisk.runtime.errors import ObeliskError, ParamsInvalid

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """``--json`` for a command; it gets `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, also of errors.")(command)


def value(shown: object, *, pretty: bool = True) -> None:
    """Print one JSON value: over several lines on a terminal if it may be `pretty`, in one otherwise."""
    from obelisk.cli.json_text import json_text

    click.echo(json_text(shown, indent=2 if pretty and sys.stdout.isatty() else -1))


def array(items: Iterable[object]) -> None:
    """Print a JSON array, each item on a line as soon as it is there."""
    from obelisk.cli.json_text import json_text

    before = "["
    for item in items:
        click.echo(f"{before}{json_text(item, indent=-1)}", nl=False)
        before = ",\n"
    click.echo("[]" if before == "[" else "]", nl=False)


def page(items: Iterable[object], next_cursor: Callable[[], str | None]) -> None:
    """Print a page of a listing as JSON, its items as they come; `next_cursor` is asked after the last of them."""
    from obelisk.cli.json_text import json_text

    click.echo('{"items":', nl=False)
    array(items)
    click.echo(f',"next_cursor":{json_text(next_cursor(), indent=-1)}}}')


def say(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Print text, which may be of several lines, without control characters; to stderr with `err`."""
    click.echo(plain(text), nl=nl, err=err)


def labelled(before: str, label: str, text: str, *, colour: str | None) -> None:
    """Print one line, or what looks like one, with a label in a colour."""
    click.echo(f"{plain(before)}{click.style(in_one_line(label), fg=colour)}  {below(text)}")


def note(text: str) -> None:
    """Print something about a result."""
    say(text, err=True)


def cell(item: object) -> str:
    """A JSON value as a cell of a table: text as it is, nothing for null."""
    if item is None:
        return ""
    if isinstance(item, str):
        return item
    import msgspec

    return msgspec.json.encode(item).decode()


def duration(seconds: float) -> str:
    """``52 ms``, ``1.52 s``, ``12.3 s``, ``3 min 05 s``, ``2 h 07 min``, ``3 d 04 h``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h"


def is_read_by_people() -> bool:
    """Whether results go to a terminal: then they are made to fit it."""
    return sys.stdout.isatty()


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: Collection[str] = (), headed: bool = True
) -> None:
    """Print rows under headings, as wide as the terminal; in a pipe one line each, separated by tabs.

    What stands in the columns `whole` is not broken into lines as long as there is room, so that it can be copied.
    `headed` False for what goes on with a table.
    """
    if not is_read_by_people():
        for row in (columns, *rows) if headed else rows:
            click.echo("\t".join(map(in_one_line, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold", show_header=headed)
    for column in columns:
        shown.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        shown.add_row(*(Text(in_one_line(cell)) for cell in row))
    Console().print(shown)


def hint_of(raised: ObeliskError) -> str:
    """The next thing to try, ``""`` where nothing helps as a rule."""
    return getattr(raised, "hint", "") or HINTS.get(raised.code, "")


def error(raised: ObeliskError, *, as_json: bool) -> None:
    """Print an error with every problem it names and the next thing to try."""
    problems = [str(problem) for problem in raised.problems] if isinstance(raised, ParamsInvalid) else []
    hint = hint_of(raised)
    if as_json:
        from obelisk.cli.json_text import json_text

        said: dict[str, object] = {"code": raised.code, "message": raised.message, **raised.fields}
        if problems:
            said["problems"] = problems
        if hint:
            said["hint"] = hint
        click.echo(json_text({"error": said}), err=True)
        return
    click.echo(f"{click.style('error:', fg='red', bold=True)} {below(raised.message)}", err=True)
    for problem in problems:
        click.echo(f"  {below(problem)}", err=True)
    if hint:
        click.echo(f"{click.style('hint:', fg='cyan', bold=True)} {below(hint)}", err=True)


def silence() -> None:
    """The reader of stdout is gone: let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
