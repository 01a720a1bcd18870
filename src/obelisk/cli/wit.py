"""``obelisk wit``: check, show and lay out WIT, from text and from component binaries.

Diagnostics go to stderr, results to stdout. Exit status: 0, or 1 when the input has errors (or, with ``fmt --check``,
would be laid out otherwise).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from obelisk.cli import at_hand, console
from obelisk.cli.exit_status import ExitStatus
from obelisk.codegen import diagnostics
from obelisk.codegen.model.items import Resolution
from obelisk.codegen.resolve.load import load
from obelisk.codegen.resolve.resolver import Loaded
from obelisk.codegen.source import SourceFile

Command = TypeVar("Command", bound=Callable[..., Any])

_MAGIC: Final = b"\0asm"
_STDIN: Final = Path("-")


@click.group("wit")
def wit() -> None:
    """Check, show and lay out WIT."""


def _inputs(command: Command) -> Command:
    """The arguments and options of commands that resolve WIT."""
    command = click.option("--all-features", is_flag=True, help="Include all gated items.")(command)
    command = click.option("--features", metavar="NAME,…", default="", help="Include items gated by these.")(command)
    paths = click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
    return paths(command)


def _load(paths: Sequence[Path], features: str, all_features: bool) -> Loaded:
    selected = frozenset(name for part in features.split(",") if (name := part.strip()))
    spares = at_hand.packages(paths)
    return load(paths, features=selected, all_features=all_features, read_binary=read_binary, spares=spares)


def read_binary(data: bytes) -> tuple[Resolution | None, Sequence[str]]:
    """The packages of a component, from its binary or its text form, and what is wrong with it."""
    from obelisk.codegen.binary.decoder import decode

    if not data.startswith(_MAGIC):
        # Only the text form needs the engine, which takes a while to import.
        from obelisk.runtime.errors import ObeliskError
        from obelisk.runtime.host.component import to_binary

        try:
            data = to_binary(data)
        except ObeliskError as error:
            return None, [error.message]
    decoded = decode(data)
    return decoded.resolution, [str(problem) for problem in decoded.problems]


def _say(found: Sequence[diagnostics.Diagnostic]) -> None:
    console.say(diagnostics.render(found), err=True, nl=False)


def _resolution(paths: Sequence[Path], features: str, all_features: bool) -> tuple[Resolution, bool]:
    """The resolution, and whether it was decoded from binaries alone; errors end the command."""
    loaded = _load(paths, features, all_features)
    _say(loaded.diagnostics)
    if loaded.resolution is None:
        click.get_current_context().exit(ExitStatus.INPUT)
    return loaded.resolution, not loaded.sources


@wit.command()
@_inputs
@console.json_option
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], features: str, all_features: bool, as_json: bool) -> None:
    """Report all errors in PATH (a .wit file, a package's folder, a folder of packages, or a component)."""
    loaded = _load(paths, features, all_features)
    is_good = loaded.resolution is not None
    if as_json:
        found = [diagnostics.to_json(diagnostic) for diagnostic in loaded.diagnostics]
        console.value({"ok": is_good, "diagnostics": found})
    else:
        _say(loaded.diagnostics)
        count = len(diagnostics.errors(loaded.diagnostics))
        if loaded.resolution is None:
            console.note(f"{count} error{'s' if count != 1 else ''}")
        else:
            console.note(f"no errors in {', '.join(map(str, loaded.resolution.main))}")
    context.exit(ExitStatus.OK if is_good else ExitStatus.INPUT)


@wit.command("json")
@_inputs
def json_command(paths: tuple[Path, ...], features: str, all_features: bool) -> None:
    """Print the resolved packages as JSON, in the shape of `wasm-tools component wit --json`."""
    from obelisk.codegen.emit import wit_json

    resolution, decoded = _resolution(paths, features, all_features)
    console.value(wit_json.to_json(resolution, decoded=decoded))


@wit.command("print")
@_inputs
def print_command(paths: tuple[Path, ...], features: str, all_features: bool) -> None:
    """Print the resolved packages as one WIT text, the main one first."""
    from obelisk.codegen.syntax.printer import print_resolution

    resolution, _ = _resolution(paths, features, all_features)
    console.say(print_resolution(resolution), nl=False)


@wit.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--check", is_flag=True, help="Write nothing; list files that would change, and fail if any would.")
@console.json_option
@click.pass_context
def fmt(context: click.Context, paths: tuple[Path, ...], check: bool, as_json: bool) -> None:
    """Lay out .wit files anew, comments kept. A folder means all in it but `deps`; `-` is stdin to stdout."""
    from obelisk.codegen.syntax.formatter import format_text

    if as_json and _STDIN in paths and not check:
        raise click.UsageError("--json has no room for the text of -: leave one of them out")
    collector = diagnostics.Collector()
    changed: list[Path] = []
    for path in _texts(paths, collector):
        file = _read(path, collector)
        text = None if file is None else format_text(file, collector)
        if file is None or text is None:
            continue
        if path == _STDIN and not check:
            console.say(text, nl=False)
        elif text != file.text and (check or _replace(path, text, collector)):
            changed.append(path)
    if as_json:
        found = [diagnostics.to_json(diagnostic) for diagnostic in collector.ordered()]
        console.value({"changed": [str(path) for path in changed], "diagnostics": found})
    else:
        _say(collector.ordered())
        for path in changed:
            console.note(f"{'would change' if check else 'changed'}: {path}")
    context.exit(ExitStatus.INPUT if collector.has_errors or (check and changed) else ExitStatus.OK)


def _texts(paths: Sequence[Path], collector: diagnostics.Collector) -> Iterator[Path]:
    """The files that `paths` mean: themselves, or what is in them and belongs to no other."""
    for path in paths:
        if path == _STDIN or not path.is_dir():
            yield path
            continue
        found = [file for file in sorted(path.rglob("*.wit")) if "deps" not in file.relative_to(path).parts[:-1]]
        if not found:
            collector.error("no-wit", None, f"{path}: there is no `.wit` file in this folder")
        yield from (file for file in found if file.is_file())


def _read(path: Path, collector: diagnostics.Collector) -> SourceFile | None:
    try:
        data = sys.stdin.buffer.read() if path == _STDIN else path.read_bytes()
        return SourceFile("stdin" if path == _STDIN else str(path), data.decode())
    except UnicodeDecodeError as error:
        collector.error("unreadable", None, f"{path}: not UTF-8 text (byte {error.start})")
    except OSError as error:
        collector.error("unreadable", None, f"{path}: {error.strerror}")
    return None


def _replace(path: Path, text: str, collector: diagnostics.Collector) -> bool:
    """Write a file whole or not at all, with its permissions; whether that worked."""
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_bytes(text.encode())
        shutil.copymode(path, fresh)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        collector.error("unwritable", None, f"{path}: {error.strerror}")
        return False
    return True
