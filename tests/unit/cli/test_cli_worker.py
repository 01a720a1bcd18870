"""``obelisk worker run`` finds what it is to serve, starts again on changes, and is supervised by a server."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from obelisk.cli import main
from obelisk.cli.exit_status import of_code
from obelisk.cli.server.supervising import Supervised
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.wiring.config import WorkerConfig, parse
from obelisk.worker import Worker
from obelisk.worker.finding import NotServed, found
from worker_world import base, payments

GUARD_S = 120


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    made = types.ModuleType("payments_of_a_test")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def test_what_a_module_implements_is_found(module: Any) -> None:
    made = type(payments())
    made.__module__ = module.__name__
    module.Payments, module.Base = made, base()
    for target in (module.__name__, f"{module.__name__}:Payments"):
        assert found(target, {"url": "http://elsewhere"}).url == "http://elsewhere"
    module.many = [made()]
    assert isinstance(found(f"{module.__name__}:many", {"concurrency": 3}), Worker)


def test_a_worker_that_a_module_has_comes_first_and_keeps_its_settings(module: Any) -> None:
    module.worker = Worker("http://its.own", handlers=[payments()])
    assert found(module.__name__, {}) is module.worker
    assert module.worker.url == "http://its.own"
    assert found(module.__name__, {"url": "http://other"}).url == "http://other"
    with pytest.raises(NotServed, match="is a Worker and has its own concurrency"):
        found(module.__name__, {"concurrency": 3})


def test_what_cannot_be_served_is_told_with_what_there_is(module: Any) -> None:
    module.number = 3
    module.other = payments()
    with pytest.raises(NotServed, match="no module no_such_module_here"):
        found("no_such_module_here", {})
    with pytest.raises(NotServed, match="has no Missing") as missing:
        found(f"{module.__name__}:Missing", {})
    assert missing.value.hint == "it has other"
    with pytest.raises(NotServed, match="found a int"):
        found(f"{module.__name__}:number", {})
    with pytest.raises(NotServed, match="found nothing of that kind"):
        found(module.__name__, {})


def test_the_command_says_what_is_missing_and_how_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["worker", "run", "no_such_module_here"]) == of_code("config_invalid")
    assert "no module no_such_module_here" in capsys.readouterr().err


def test_a_change_of_a_source_starts_the_worker_again(tmp_path: Path) -> None:
    source = tmp_path / "tree" / "payments.py"
    source.parent.mkdir()
    source.write_text("print('first', flush=True); import time; time.sleep(600)")
    program = (
        "import sys; from pathlib import Path; from obelisk.cli.working.reloading import run; "
        "run([sys.executable, sys.argv[1]], Path(sys.argv[1]).parent)"
    )
    with subprocess.Popen([sys.executable, "-c", program, source], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "first\n"
        source.write_text("print('the second', flush=True)")
        assert child.stdout.readline() == "the second\n"
        source.write_text("print('and the third', flush=True); import time; time.sleep(600)")
        assert child.stdout.readline() == "and the third\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.read() == ""  # the worker has ended with it
        assert child.wait(GUARD_S) == 0


def supervised(folder: Path, *programs: str) -> Supervised:
    workers = {f"w{n}": WorkerConfig(command=(sys.executable, "-c", text)) for n, text in enumerate(programs)}
    return Supervised(workers, folder, url="http://here", token="secret")


async def until(said: str, caplog: pytest.LogCaptureFixture, times: int = 1) -> None:
    async with asyncio.timeout(GUARD_S):
        while caplog.text.count(said) < times:
            await asyncio.sleep(0.05)


def test_a_server_starts_its_workers_again_and_stops_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    brief = "import os; print(os.environ['OBELISK_URL'], os.environ['OBELISK_TOKEN'], os.getcwd())"
    lasting = """
import signal, sys, time
def end(*_): print("drained", flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("x" * 100_000, flush=True)
print("waits", flush=True)
time.sleep(600)
"""

    async def world() -> None:
        workers = supervised(tmp_path, brief, lasting)
        workers.start()
        await until(f"w0: http://here secret {tmp_path}", caplog, times=2)
        await until("w1: waits", caplog)
        await workers.stop()
        await workers.stop()  # a second time does nothing

    asyncio.run(world())
    assert "w0: has ended with status 0; it is started again in 0.5 s" in caplog.text
    assert caplog.text.count("started as process") >= 3
    assert "w1: drained" in caplog.text
    assert caplog.text.count("x" * 100) > 0


def test_a_worker_that_cannot_be_started_and_one_that_ignores_the_end_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )

    async def world() -> None:
        workers = Supervised(
            {
                "none": WorkerConfig(command=("/no/such/program",)),
                "deaf": WorkerConfig(command=(sys.executable, "-c", deaf)),
            },
            tmp_path,
            url="http://here",
            token="",
        )
        workers.start()
        await until("none: cannot be started: /no/such/program: No such file", caplog)
        await until("deaf: deaf", caplog)
        stopping = asyncio.create_task(workers.stop())
        await asyncio.sleep(0.2)
        workers.kill()
        await stopping

    asyncio.run(world())
    assert "deaf: killed" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[worker.a]", "worker.a: expected either command"),
        ('[worker.a]\nmodule = "m"\ncommand = ["x"]', "worker.a: expected either command"),
        ('[worker.a]\nmodul = "m"', "modul"),
    ],
)
def test_a_worker_of_the_configuration_is_a_command_or_a_module(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text, file=Path("obelisk.toml"))


def test_the_configuration_names_workers() -> None:
    config = parse('[worker.a]\nmodule = "shop.worker"', file=Path("obelisk.toml"))
    assert config.workers["a"].module == "shop.worker"
