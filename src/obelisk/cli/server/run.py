"""``obelisk server run``: gateway and executor in one process, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
import uvloop

from obelisk import __version__
from obelisk.cli import console, progress
from obelisk.cli.errors import CommandError
from obelisk.cli.exit_status import of_code
from obelisk.cli.server import log as server_log
from obelisk.cli.server import starting
from obelisk.cli.server.supervising import Supervised
from obelisk.cli.settings import config_option, read_config
from obelisk.cli.sources import stamps
from obelisk.gateway.entry import OPEN_TO_ALL, Admission, admission, gateway_app
from obelisk.gateway.server import Server, bind, url_of
from obelisk.gateway.views.describe import example_params, function_path
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.wiring.bootstrap import open_runtime, settle
from obelisk.runtime.wiring.config import Config, parse_listen

logger = logging.getLogger("obelisk.server")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_LEVELS: Final = ("debug", "info", "warning", "error")


@click.command()
@config_option
@click.option("--listen", help="HOST:PORT instead of the configuration's; port 0 is any free one.")
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="How much to log.")
@click.option(
    "--log-format", type=click.Choice(server_log.FORMATS), default="text", show_default=True, help="JSON: a line each."
)
def serve(config_path: Path | None, listen: str | None, log_level: str, log_format: str) -> None:
    """Run executions and answer HTTP until SIGINT or SIGTERM.

    What is deployed: the components of the configuration file and those of `obelisk component add`. A component added
    while the server runs is picked up by it.
    """
    server_log.configure(log_level, log_format)
    try:
        config = read_config(config_path)
        if listen is not None:
            host, port = parse_listen(listen, where="--listen")
            config = dataclasses.replace(config, host=host, port=port)
        uvloop.run(_serve(config, _greet_in_json if log_format == "json" else _greet))
    except ObeliskError as error:
        if log_format != "json":
            raise
        hint = console.hint_of(error)
        logger.error("%s", f"{error.message}; {hint}" if hint else error.message, extra={"code": error.code})
        click.get_current_context().exit(of_code(error.code))


async def _serve(config: Config, greet: Callable[[str, Registry, Admission], None]) -> None:
    """Bind first, so that a busy port is told before a database is opened; then run until told to stop."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[str] = loop.create_future()
    failed: list[str] = []

    def stop(reason: str) -> None:
        if not end.done():
            end.set_result(reason)

    def fail(reason: str) -> None:
        failed.append(reason)
        stop(reason)

    for told in stamps.stale(config.components):
        logger.warning("%s; `obelisk build %s` builds it again", told, config.folder)
    admitted = admission(config)
    with bind(config.host, config.port) as bound:
        for number in _SIGNALS:
            loop.add_signal_handler(number, stop, number.name)
        async with contextlib.AsyncExitStack() as stack:
            opening = open_runtime(config, execute=True, early=True, on_failed=fail)
            opened = asyncio.create_task(stack.enter_async_context(opening))
            with progress.waiting("opening the database"):
                await asyncio.wait((opened, end), return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():  # the database may be locked, and is waited for without end
                console.say(f"stopping: {end.result()}", err=True)
                opened.cancel()
                await asyncio.wait((opened,))
                return
            runtime = opened.result()
            server = Server(gateway_app(config, runtime.api, admitted.access), bound)
            serving = asyncio.create_task(server.serve())
            stack.push_async_callback(_end, server, serving)
            await asyncio.wait((asyncio.create_task(server.started()), serving), return_when=asyncio.FIRST_COMPLETED)
            workers = Supervised(config.workers, config.folder, url=url_of(bound), token=admitted.worker_secret)
            stack.push_async_callback(workers.stop)
            await starting.until_ready(runtime, url_of(bound), until=(serving, end))
            if runtime.completed.done() and not end.done():
                settle()
                greet(url_of(bound), runtime.api.registry, admitted)
                workers.start()
                await asyncio.wait((serving, end), return_when=asyncio.FIRST_COMPLETED)
            for number in _SIGNALS:
                loop.add_signal_handler(number, _hurry, workers, server)
            stop("the gateway ended")
            logger.info("stopping: %s", end.result())
            await workers.stop()  # before the gateway: they have results to send
            server.stop()
            await serving
    if failed:
        raise CommandError("internal", failed[0], hint="this is a bug; what was not finished goes on at the next start")


async def _end(server: Server, serving: asyncio.Task[None]) -> None:
    """Answer no more, if that is not so yet: a component could not be deployed."""
    if not serving.done():
        server.stop()
        await serving


def _hurry(workers: Supervised, server: Server) -> None:
    workers.kill()
    server.stop()


def _greet(url: str, registry: Registry, admitted: Admission) -> None:
    console.say("\n".join(greeting(url, registry, admitted)))


def _greet_in_json(url: str, registry: Registry, admitted: Admission) -> None:
    """The greeting as an object like those of the log. It goes to stdout all the same: a token is in no log."""
    token = {"token": admitted.secret} if admitted.secret else {}
    console.say(server_log.line(greeting(url, registry, admitted)[0], url=url, **token))


def greeting(url: str, registry: Registry, admitted: Admission = OPEN_TO_ALL) -> Sequence[str]:
    """What a server says when it answers: where, a token if one was made for it, and one call that works."""
    served = [function for function in registry.functions.values() if not function.unsupported]
    lines = [
        f"Obelisk {__version__} serves {_count(len(served), 'function')} of "
        f"{_count(len(registry.components), 'component')}",
        f"  API      {url}",
        f"  Swagger  {url}/docs",
    ]
    if admitted.secret:
        lines.append(f"  token    {admitted.secret}  (admin, until this server ends; shown only here)")
    call = easiest_call(url, served)
    if call and admitted.access.required:
        call += ' -H "Authorization: Bearer $OBELISK_TOKEN"'
    return [*lines, f"  try      {call}" if call else "  next     obelisk component add PATH"]


def easiest_call(url: str, functions: Sequence[DeployedFunction]) -> str:
    """A curl line for the function with the shortest example, workflows first; empty when there is none."""
    calls: list[tuple[bool, int, str]] = []
    for function in functions:
        params = example_params(function)
        if params is None:
            continue
        body = msgspec.json.encode(params).decode()
        target = shlex.quote(f"{url}{function_path(function)}")
        call = f"curl {target} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
        rank = (function.kind is not ComponentKind.WORKFLOW, len(body) if params else 1 << 16, call)
        calls.append(rank)
    return min(calls)[2] if calls else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
