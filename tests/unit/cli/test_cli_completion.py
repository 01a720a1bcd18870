"""`obelisk completion`: the scripts, and what the program answers to them."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from command_line import obelisk
from obelisk.cli.exit_status import ExitStatus

CART = "demo:shop/cart@1.2.0"


@pytest.fixture(scope="module")
def shop() -> Generator[str]:
    gateway_world = importlib.import_module("gateway_world")
    with gateway_world.served(gateway_world.world().app) as url:
        yield url


def completed(words: str, *, shell: str = "bash") -> list[str]:
    """What is offered for the last word."""
    count = len(words.split(" ")) - 1
    environment = {
        **os.environ,
        "_OBELISK_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": words.rpartition(" ")[2] if shell == "fish" else str(count),
    }
    environment.pop("OBELISK_URL", None)
    program = [sys.executable, "-m", "obelisk"]
    ran = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return [line for line in ran.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(shell: str) -> None:
    ran = obelisk("completion", shell)
    assert ran.status == ExitStatus.OK
    assert f"_OBELISK_COMPLETE={shell}_complete" in ran.out


def test_another_shell_is_refused_with_those_there_are() -> None:
    ran = obelisk("completion", "csh")
    assert (ran.status, "'bash', 'fish', 'zsh'" in ran.err) == (ExitStatus.USAGE, True)


def test_commands_are_offered() -> None:
    assert completed("obelisk exec") == ["plain,execution", "plain,executor"]
    assert "plain,follow" in completed("obelisk execution ")
    assert completed("obelisk execution list --sta") == ["plain,--status"]
    assert "plain,execution\tCall functions and look at what came of it." in completed("obelisk exec", shell="fish")


def test_functions_and_executions_of_the_server_are_offered(shop: str) -> None:
    server = f"--url {shop}"
    assert completed(f"obelisk execution run {server} {CART}.ad") == [f"plain,{CART}.add"]
    ran = obelisk("execution", "run", f"{CART}.add", "[1, 2]", "--json", "--url", shop)
    execution_id = ran.json["execution_id"]
    assert f"plain,{execution_id}" in completed(f"obelisk execution get {server} E_")


def test_without_a_server_nothing_is_offered() -> None:
    assert completed("obelisk execution run --url http://127.0.0.1:1 de") == []


def test_bash_completes_a_name_with_colons(shop: str, tmp_path: Path) -> None:
    program = tmp_path / "obelisk"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m obelisk "$@"\n')
    program.chmod(0o755)
    script = f"""
export PATH={shlex.quote(str(tmp_path))}:$PATH OBELISK_URL={shop}
eval "$(obelisk completion bash)"
COMP_WORDS=(obelisk execution run {CART}.ad) COMP_CWORD=3
_obelisk_completion obelisk
echo "${{COMPREPLY[*]}} in ${{COMP_WORDBREAKS/:/a colon}}" | head -n 1
"""
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith(f"{CART}.add in "), ran.stderr
    assert "a colon" not in ran.stdout
