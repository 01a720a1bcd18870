"""``obelisk db``: what is done to the database file of a configuration as a whole.

Results go to stdout, what is said about them to stderr. Exit status 1 when `check` finds something; else that of the
error's code.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Final

import click

from obelisk.cli import console
from obelisk.cli.errors import CommandError
from obelisk.cli.exit_status import ExitStatus
from obelisk.cli.settings import config_option, read_config
from obelisk.runtime import private
from obelisk.runtime.store import maintenance

_STDIO: Final = Path("-")
_AGE: Final = re.compile(r"(\d{1,9})(s|min|h|d)\Z")
_UNITS_S: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_FILE: Final = click.Path(path_type=Path)

db = click.Group("db", help="Check, back up, move, shrink and clear the database.")


@db.command()
@click.argument("file", type=_FILE, required=False)
@config_option
@console.json_option
def check(file: Path | None, config_path: Path | None, as_json: bool) -> int:
    """Look for damage: in the file, in every log, between executions, in what is deployed.

    In the database FILE, as one that `backup` made; without it in that of the configuration. Reads only; servers may
    run meanwhile. Prints every problem; exit status 1 when there is one.
    """
    path = file or read_config(config_path).database
    problems: list[str] = []
    for problem in maintenance.check(path):
        problems.append(problem)
        if not as_json:
            console.say(problem)
    if as_json:
        console.value({"problems": problems})
    elif not problems:
        console.note(f"{path}: whole")
    return ExitStatus.INPUT if problems else ExitStatus.OK


@db.command()
@click.argument("file", type=_FILE)
@config_option
@console.json_option
def backup(file: Path, config_path: Path | None, as_json: bool) -> None:
    """Copy what is committed to the new file FILE, a database of its own. Servers may run meanwhile."""
    path = read_config(config_path).database
    maintenance.backup(path, file)
    size = file.stat().st_size
    _tell(f"{file}: {_size(size)}, what was committed in {path}", {"file": str(file), "bytes": size}, as_json)


@db.command()
@click.argument("file", type=_FILE)
@config_option
@console.json_option
def export(file: Path, config_path: Path | None, as_json: bool) -> None:
    """Write the database to FILE ("-": stdout) as lines of JSON, all of it. Servers may run meanwhile."""
    path = read_config(config_path).database
    if file == _STDIO:
        for line in maintenance.export(path):
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    lines = maintenance.export(path)
    first = next(lines)  # a database that cannot be read leaves no empty file behind
    try:
        with private.new_file(file) as out:
            out.write(first)
            out.writelines(lines)
    except FileExistsError:
        raise CommandError("store_unavailable", f"{file} is there already: an export replaces nothing") from None
    except OSError as error:
        raise CommandError("store_unavailable", f"{file}: {error.strerror}") from None
    size = file.stat().st_size
    _tell(f"{file}: {_size(size)}", {"file": str(file), "bytes": size}, as_json)


@db.command(name="import")
@click.argument("file", type=_FILE)
@config_option
@console.json_option
def import_(file: Path, config_path: Path | None, as_json: bool) -> None:
    """Make the database of the configuration, which must not exist, from the exported lines in FILE ("-": stdin).

    A file that is cut off, changed or of a later version is refused, and nothing is made.
    """
    path = read_config(config_path).database
    try:
        if file == _STDIO:
            imported = maintenance.restore(sys.stdin.buffer, path)
        else:
            with file.open("rb") as lines:
                imported = maintenance.restore(lines, path)
    except FileNotFoundError:
        raise CommandError("file_not_found", f"{file}: there is no such file") from None
    executions, rows = imported.rows.get("execution", 0), sum(imported.rows.values())
    _tell(f"{path}: {executions} executions, {rows} rows", {"executions": executions, "rows": rows}, as_json)


@db.command()
@config_option
@console.json_option
def upgrade(config_path: Path | None, as_json: bool) -> None:
    """Bring the schema up to date, as the start of a server does; a copy of what it was stays next to the file."""
    path = read_config(config_path).database
    schema = maintenance.upgrade(path)
    _tell(f"{path}: schema {schema}", {"schema": schema}, as_json)


@db.command()
@config_option
@console.json_option
def vacuum(config_path: Path | None, as_json: bool) -> None:
    """Give the room of what was deleted back to the file system. Refused while a server runs on the database."""
    done = maintenance.vacuum(read_config(config_path).database)
    sizes = {"bytes_before": done.bytes_before, "bytes_after": done.bytes_after}
    _tell(f"{_size(done.bytes_before)} before, {_size(done.bytes_after)} now", sizes, as_json)


@db.command()
@click.option("--older-than", required=True, metavar="AGE", help="How long ago they finished: as 30d, 12h, 90min, 45s.")
@config_option
@console.json_option
def prune(older_than: str, config_path: Path | None, as_json: bool) -> None:
    """Delete executions that finished long ago, with all their children. Servers may run meanwhile.

    Only whole trees go: what has a child that has not finished stays. Their idempotency keys are free again. The file
    keeps its size and reuses the room; `obelisk db vacuum` gives it back. `[store] keep_finished_hours` lets servers do
    this by themselves.
    """
    age = _AGE.match(older_than)
    if age is None:
        raise CommandError(
            "config_invalid", f'--older-than: expected an age as 30d, 12h, 90min or 45s, found "{older_than}"'
        )
    before_us = time.time_ns() // 1000 - int(age[1]) * _UNITS_S[age[2]] * 1_000_000
    deleted = maintenance.prune(read_config(config_path).database, before_us)
    _tell(f"{deleted} executions deleted", {"deleted": deleted}, as_json)


def _tell(text: str, value: object, as_json: bool) -> None:
    """What was done: JSON on stdout, or a word about it to people on stderr."""
    if as_json:
        console.value(value)
    else:
        console.note(text)


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count} bytes"
