"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from typing import Final

import click

from obelisk.cli import exit_status
from obelisk.cli.exit_status import BY_CODE, ExitStatus
from obelisk.cli.main import obelisk

_INTRODUCTION: Final = """# Command line

`obelisk COMMAND --help` says the same as this page. Every command that prints something to be read by a program takes
`--json`; its results go to stdout, everything about them to stderr. Errors are text on stderr, with the next thing to
try where there is one; with `--json` they are one object, `{"error": {"code": …, "message": …}}`.

## Which server

| | option | environment | `obelisk.toml` |
|---|---|---|---|
| server | `--url` | `OBELISK_URL` | `[client] url`; without it the address of `[server] listen` |
| token | `--token` | `OBELISK_TOKEN` | `[client] token` |

An option comes before the environment, the environment before the file; without any of them it is
`http://127.0.0.1:8080`. The file is `obelisk.toml` in the current folder, or the one of `--config`. A token of the
file is shown to no server but the one that the file names.

With `--direct` a command of `obelisk execution` opens the configured database instead of asking a server. That is
safe beside servers that run on it: reading, submitting and steering are appends to the log. Nothing is executed then;
what is submitted waits for a server.

## Completion

    eval "$(obelisk completion bash)"                                       # in ~/.bashrc
    eval "$(obelisk completion zsh)"                                        # in ~/.zshrc
    obelisk completion fish > ~/.config/fish/completions/obelisk.fish

completes commands, options, and names of functions and executions of the server, if that answers at once.
"""


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION, *_statuses()]
    for path, command in _commands(obelisk, ()):
        parts += _command(path, command)
    return "\n".join(parts)


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group, info_name=path[-1] if path else "obelisk")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


def _command(path: Sequence[str], command: click.Command) -> list[str]:
    words = " ".join(("obelisk", *path))
    context = click.Context(command, info_name=words)
    lines = [f"{'#' * min(len(path) + 1, 3)} {words}", "", *_help(command), ""]
    if isinstance(command, click.Group):
        return lines
    lines += [f"    {words} {' '.join(command.collect_usage_pieces(context))}", ""]
    options = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
    rows = [_option(option, context) for option in options if not option.hidden and "--help" not in option.opts]
    return [*lines, "| option | |", "|---|---|", *rows, ""] if rows else lines


def _help(command: click.Command) -> list[str]:
    """The help text as Markdown: paragraphs marked with ``\\b`` are shown as they stand."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        verbatim = paragraph.startswith("\b\n")
        text = paragraph.removeprefix("\b\n")
        lines += [*(f"    {line}" for line in text.splitlines())] if verbatim else [text]
        lines.append("")
    return lines[:-1]


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None
    names, text = record
    return f"| `{_cell(names)}` | {_cell(text)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _statuses() -> list[str]:
    meanings = _meanings()
    lines = ["## Exit statuses", "", "| status | means | codes |", "|---|---|---|"]
    for status in ExitStatus:
        codes = ", ".join(f"`{code}`" for code, of_code in sorted(BY_CODE.items()) if of_code is status)
        lines.append(f"| {status.value} | {meanings[status.name]} | {codes} |")
    return [*lines, ""]


def _meanings() -> dict[str, str]:
    """The text below each member of the enum."""
    (table,) = (
        node
        for node in ast.parse(inspect.getsource(exit_status)).body
        if isinstance(node, ast.ClassDef) and node.name == ExitStatus.__name__
    )
    found: dict[str, str] = {}
    for assigned, said in zip(table.body, table.body[1:], strict=False):
        if isinstance(assigned, ast.Assign) and isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant):
            (target,) = assigned.targets
            assert isinstance(target, ast.Name)
            found[target.id] = " ".join(str(said.value.value).replace("``", "`").split())
    return found
