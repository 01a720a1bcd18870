"""``obelisk``: the root command. Sub-commands are loaded when they are called, so that ``--help`` is quick.

Every error ends here: as text on stderr, with ``--json`` as one JSON object, and as an exit status of `exit_status`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from obelisk import __version__
from obelisk.cli import console
from obelisk.cli.errors import CommandError
from obelisk.cli.exit_status import ExitStatus, of_code
from obelisk.cli.lazy import Entry, LazyGroup
from obelisk.runtime.errors import ObeliskError

COMMANDS: Final = {
    "server": Entry(
        module="obelisk.cli.server.commands", attribute="server", text="Serve: run executions and answer HTTP."
    ),
    "component": Entry(
        module="obelisk.cli.component.commands", attribute="component", text="Deploy components, show and remove them."
    ),
    "execution": Entry(
        module="obelisk.cli.execution.commands",
        attribute="execution",
        text="Call functions and look at what came of it.",
    ),
    "db": Entry(module="obelisk.cli.db", attribute="db", text="Check, back up, move, shrink and clear the database."),
    "new": Entry(module="obelisk.cli.new", attribute="new", text="Begin a project."),
    "build": Entry(module="obelisk.cli.building.command", attribute="build", text="Build the components of a project."),
    "gen": Entry(
        module="obelisk.cli.generating.command",
        attribute="gen",
        text="Generate typed code, OpenAPI and extension WIT from WIT.",
    ),
    "worker": Entry(
        module="obelisk.cli.working.command", attribute="worker", text="Run functions of external components in Python."
    ),
    "wit": Entry(module="obelisk.cli.wit", attribute="wit", text="Check, print and format WIT."),
    "token": Entry(module="obelisk.cli.token", attribute="token", text="Make, list and revoke tokens of a server."),
    "config": Entry(module="obelisk.cli.config", attribute="config", text="Check and show the configuration."),
    "completion": Entry(
        module="obelisk.cli.completion", attribute="completion", text="Print the completion script of a shell."
    ),
    "executor": Entry(
        module="obelisk.cli.server.commands", attribute="executor", text="The same as server, by its first name."
    ),
}
"""Name → where the command is, and what the list of commands says; in that order."""

HELP: Final = """Durable workflows for WebAssembly components, typed by WIT.

\b
obelisk server run                              serve what obelisk.toml deploys
obelisk component add fibo.wasm                 deploy a component
obelisk execution run ns:pkg/ifc.fn a=1 b=text  call a function
obelisk execution follow E_…                    watch what it does
"""

obelisk = LazyGroup("obelisk", COMMANDS, help=HELP)
click.version_option(__version__, prog_name="obelisk")(obelisk)


def run(args: Sequence[str]) -> int:
    """Run a command line (without the program's name); the exit status."""
    as_json = "--json" in args
    try:
        status = obelisk.main(args=list(args), prog_name="obelisk", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        console.error(_usage(error), as_json=as_json)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        console.say("interrupted", err=True)
        return ExitStatus.INTERRUPTED
    except ObeliskError as error:
        console.error(error, as_json=as_json)
        return of_code(error.code)
    except BrokenPipeError:
        console.silence()
        return ExitStatus.OK
    return status if isinstance(status, int) else ExitStatus.OK


def _usage(error: click.ClickException) -> CommandError:
    """What click refuses, told as every other error."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    message = error.format_message().removesuffix(".")
    hint = f"`{context.command_path} --help` shows how it is used" if context is not None else ""
    return CommandError("usage", message[:1].lower() + message[1:], hint=hint)


def main() -> NoReturn:
    """The program: the process's own command line, and its exit."""
    sys.exit(run(sys.argv[1:]))
