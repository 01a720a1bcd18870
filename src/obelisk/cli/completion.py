"""``obelisk completion``: the script that makes a shell complete commands, options, functions and executions."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from obelisk.cli import console

_SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_VARIABLE: Final = "_OBELISK_COMPLETE"
_BASH_WORDS: Final = """\
# Names of functions have colons, which bash would take for the ends of words.
COMP_WORDBREAKS=${COMP_WORDBREAKS//:}
"""


@click.command()
@click.argument("shell", type=click.Choice(sorted(_SHELLS)))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete `obelisk`.

    \b
    bash   echo 'eval "$(obelisk completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(obelisk completion zsh)"' >> ~/.zshrc
    fish   obelisk completion fish > ~/.config/fish/completions/obelisk.fish
    """
    made = _SHELLS[shell](click.get_current_context().find_root().command, {}, "obelisk", _VARIABLE)
    script = made.source_template % made.source_vars()
    console.say((_BASH_WORDS if shell == "bash" else "") + script.strip())
