"""``obelisk worker run``: a worker from what a Python module has."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

import click

from obelisk.cli.errors import CommandError
from obelisk.cli.lazy import Entry, LazyGroup

worker = LazyGroup(
    "worker",
    {"run": Entry(module="obelisk.cli.working.command", attribute="run", text="Serve external functions in Python.")},
    help="Run functions of external components in Python.",
)
_LEVELS: Final = ("debug", "info", "warning", "error")


@click.command("run")
@click.argument("target", metavar="MODULE[:ATTRIBUTE]")
@click.option("--url", envvar="OBELISK_URL", show_envvar=True, help="The server. Default: http://127.0.0.1:8080.")
@click.option("--token", envvar="OBELISK_TOKEN", show_envvar=True, help="A token of the server, of the scope work.")
@click.option("--name", default="", help="What the server calls the worker. Default: the name of the machine.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Attempts at once. Default: 100.")
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="How much to log.")
@click.option("--reload", is_flag=True, help="Start again whenever a source file below this folder changes.")
def run(target: str, *, reload: bool, log_level: str, **options: Any) -> None:
    """Serve what a Python module implements, until SIGTERM or SIGINT; then what runs may end.

    ATTRIBUTE is an `obelisk.worker.Worker`, an implementation, its class, or a list of these. Without it the module's
    `worker` counts, or else every class in it that implements a generated one. Modules are found from the current
    folder on. Name, concurrency and token are of no use with a `Worker`, which has its own.
    """
    if reload:
        from obelisk.cli.working import reloading

        arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
        reloading.run([sys.executable, "-m", "obelisk", *arguments], Path.cwd())
        return
    from obelisk.worker.finding import NotServed, found

    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    sys.path.insert(0, str(Path.cwd()))
    if os.environ.get("OBELISK_SUPERVISED"):
        threading.Thread(target=_end_with_the_server, name="obelisk-supervised", daemon=True).start()
    try:
        worker = found(target, {name: value for name, value in options.items() if value})
    except NotServed as error:
        raise CommandError("usage" if error.usage else "config_invalid", error.message, hint=error.hint) from None
    worker.run()


def _end_with_the_server() -> None:
    """A server that is killed cannot stop its workers: its next start would find them there, and start others."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
