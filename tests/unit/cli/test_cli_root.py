"""The root command: quick, complete, and one exit for all errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from command_line import obelisk
from obelisk import __version__
from obelisk.cli import exit_status, main
from obelisk.cli.errors import CommandError
from obelisk.cli.exit_status import ExitStatus
from obelisk.cli.lazy import Entry, LazyGroup
from obelisk.gateway.errors import STATUS
from obelisk.runtime import errors as runtime_errors
from obelisk.runtime.errors import ObeliskError

ROOT_MODULES = {
    "",
    ".cli",
    ".cli.console",
    ".cli.errors",
    ".cli.exit_status",
    ".cli.lazy",
    ".cli.main",
    ".cli.plain",
} | {
    ".runtime",
    ".runtime.errors",
}
CALL_MODULES = {".cli.connection", ".cli.connection.choosing", ".cli.connection.client"} | {
    ".cli.completing",
    ".cli.execution",
    ".cli.execution.calls",
    ".cli.execution.commands",
    ".cli.execution.params",
    ".runtime",
    ".runtime.json_text",
    ".cli.progress",
    ".cli.settings",
    ".cli.tags",
}


def loaded_by(*args: str) -> tuple[str, set[str], set[str]]:
    """What a command line prints; the modules of ours that it loads; the packages of others."""
    script = """
import json, sys
from obelisk.cli.main import run
before = set(sys.stdlib_module_names) | {"__main__", "_distutils_hack", "obelisk"}
assert run(sys.argv[1:]) == 0
ours = [name.removeprefix("obelisk") for name in sys.modules if name.partition(".")[0] == "obelisk"]
others = {name.partition(".")[0] for name in sys.modules} - before
print(json.dumps([ours, sorted(others)]), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    ours, others = json.loads(ran.stderr)
    return ran.stdout, set(ours), {name for name in others if not name.startswith("__editable__")}


def test_help_names_every_command_and_loads_none() -> None:
    """It is quick because of what it does not load: these few modules, and click."""
    out, ours, others = loaded_by("--help")
    assert (ours, others) == (ROOT_MODULES, {"click"})
    for name, entry in main.COMMANDS.items():
        assert name in out
        assert entry.text in out


@pytest.mark.parametrize(
    ("args", "more", "packages"),
    [
        (("execution", "--help"), {".cli.execution", ".cli.execution.commands"}, {"click"}),
        (("server", "--help"), {".cli.server", ".cli.server.commands"}, {"click"}),
        (("completion", "bash"), {".cli.completion"}, {"click"}),
        (("execution", "run", "--help"), CALL_MODULES, {"click", "msgspec"}),
    ],
)
def test_a_command_loads_what_it_is_made_of(args: tuple[str, ...], more: set[str], packages: set[str]) -> None:
    _, ours, others = loaded_by(*args)
    assert ours == ROOT_MODULES | more
    assert others <= packages | {"typing_extensions"}


def test_the_program_can_be_started_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "obelisk", "--version"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"obelisk, version {__version__}\n")


def commands(group: LazyGroup, *path: str) -> Iterator[tuple[tuple[str, ...], Entry]]:
    for name, entry in group.entries.items():
        yield (*path, name), entry
        command = entry.load()
        if isinstance(command, LazyGroup):
            yield from commands(command, *path, name)


def test_every_command_is_where_its_table_says() -> None:
    found = dict(commands(main.obelisk))
    assert {("execution", "run"), ("server", "run"), ("executor", "serve"), ("wit",)} < set(found)
    for path, entry in found.items():
        assert entry.text.endswith("."), path
        assert obelisk(*path, "--help").status == ExitStatus.OK


DOCUMENTS = {
    ("server", "run"),  # until it ends; `--log-format json`
    ("executor", "serve"),
    ("worker", "run"),  # until it ends
    ("completion",),
    ("component", "wit"),
    ("wit", "json"),
    ("wit", "print"),
}
"""Commands that print a document as it is, or what happens."""


def leaves(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from leaves(below, *path, name)
    else:
        yield path, command


def test_every_command_can_be_asked_for_json() -> None:
    found = dict(leaves(main.obelisk))
    assert len(found) > 40
    without = {path for path, command in found.items() if "--json" not in {o for p in command.params for o in p.opts}}
    assert without == DOCUMENTS


@pytest.mark.parametrize("args", [["nope"], ["execution"], ["execution", "nope"], ["execution", "get"], ["--nope"]])
def test_a_wrong_command_line_is_a_usage_error(args: list[str]) -> None:
    assert obelisk(*args).status == ExitStatus.USAGE


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["exection"], "no command exection; did you mean execution"),
        (["execution", "folow"], "error: no command folow; did you mean follow?\nhint: `obelisk execution --help` "),
        (["execution", "list", "--limt", "3"], "error: no such option '--limt'. Did you mean '--limit'?"),
        (["server", "zzz"], "no command zzz; there are run"),
    ],
)
def test_an_unknown_command_is_answered_with_those_like_it(args: list[str], said: str) -> None:
    ran = obelisk(*args)
    assert (ran.status, said in ran.err) == (ExitStatus.USAGE, True), ran.err


def test_a_usage_error_is_json_when_asked() -> None:
    ran = obelisk("execution", "get", "--json")
    assert (ran.status, ran.error["code"]) == (ExitStatus.USAGE, "usage")
    assert ran.error["hint"] == "`obelisk execution get --help` shows how it is used"


def test_every_code_has_an_exit_status() -> None:
    declared = [e for e in vars(runtime_errors).values() if isinstance(e, type) and issubclass(e, ObeliskError)]
    assert {error.code for error in declared} <= set(exit_status.BY_CODE)
    framework = {"bad_request", "method_not_allowed", "media_type_unsupported", "request_timeout", "head_too_large"}
    assert set(STATUS) - framework <= set(exit_status.BY_CODE)
    assert exit_status.of_code("never heard of") is ExitStatus.INTERNAL


def test_every_exit_status_says_what_it_means() -> None:
    assert len({status.value for status in ExitStatus}) == len(ExitStatus)
    assert {0, 1, 2, 70, 130} < {status.value for status in ExitStatus}


def test_an_error_is_told_with_its_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def component() -> None:
        raise CommandError("port_busy", "it is busy", hint="take another", port=1)

    monkeypatch.setattr("obelisk.cli.component.commands.component", component)
    told = obelisk("component")
    assert (told.status, told.err) == (ExitStatus.PORT, "error: it is busy\nhint: take another\n")
