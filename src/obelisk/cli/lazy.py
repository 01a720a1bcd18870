"""Groups of commands that are imported one at a time, so that help, completion and errors are quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command that is not loaded yet: where it is, and the line that a list of commands has for it."""

    module: str
    attribute: str
    text: str

    def load(self) -> click.Command:
        """Import it."""
        command = getattr(import_module(self.module), self.attribute)
        assert isinstance(command, click.Command)
        return command


class LazyGroup(click.Group):
    """A group over a table, name → `Entry`, in the order in which its help lists them."""

    def __init__(self, name: str, entries: Mapping[str, Entry], *, help: str) -> None:  # click's own name for it
        super().__init__(name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for an unknown name."""
        entry = self.entries.get(cmd_name)
        return entry.load() if entry is not None else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.text) for name, entry in self.entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and options that begin so, without importing any command."""
        named = [
            CompletionItem(name, help=entry.text) for name, entry in self.entries.items() if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, but an unknown name is answered with those that are like it."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.entries:
            from difflib import get_close_matches

            near = get_close_matches(name, self.entries, n=3, cutoff=0.5)
            there_are = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.entries)}"
            raise click.UsageError(f"no command {name}; {there_are}", ctx)
        return super().resolve_command(ctx, args)
