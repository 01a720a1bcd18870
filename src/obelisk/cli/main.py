"""``obelisk``: the root command. Sub-commands are loaded when they are called, so that ``--help`` is quick.

Every error ends here: as text on stderr, with ``--json`` as one JSON object, and as an exit status of `exit_status`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

import click

from obelisk import __version__
from obelisk.cli import console
from obelisk.cli.exit_status import ExitStatus, of_code
from obelisk.runtime.errors import ObeliskError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "component": ("obelisk.cli.component", "Deploy components, show and remove them."),
    "execution": ("obelisk.cli.execution", "Call functions and look at what came of it."),
    "executor": ("obelisk.cli.executor", "Serve: run executions and answer HTTP."),
    "gen": ("obelisk.cli.gen", "Generate typed code, OpenAPI and extension WIT from WIT."),
    "wit": ("obelisk.cli.wit", "Check, print and format WIT."),
}
"""Name → module (its command has the same name) and what the list of commands says."""


class LazyGroup(click.Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


HELP: Final = """Durable workflows for WebAssembly components, typed by WIT.

\b
obelisk executor serve                          serve what obelisk.toml deploys
obelisk component add fibo.wasm                 deploy a component
obelisk execution run ns:pkg/ifc.fn a=1 b=text  call a function
"""

obelisk = LazyGroup("obelisk", help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
click.version_option(__version__, prog_name="obelisk")(obelisk)


def run(args: Sequence[str]) -> int:
    """Run a command line (without the program's name); the exit status."""
    as_json = "--json" in args
    try:
        status = obelisk.main(args=list(args), prog_name="obelisk", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitStatus.INTERRUPTED
    except ObeliskError as error:
        console.error(error, as_json=as_json)
        return of_code(error.code)
    except BrokenPipeError:
        console.silence()
        return ExitStatus.OK
    return status if isinstance(status, int) else ExitStatus.OK


def main() -> NoReturn:
    """The program: the process's own command line, and its exit."""
    sys.exit(run(sys.argv[1:]))
