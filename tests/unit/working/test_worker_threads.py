"""Plain functions run in threads and processes; a worker drains when it is told; none of it needs the engine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

import worker_world
from fake_server import Call, FakeServer
from obelisk.worker import current, in_process
from worker_world import PING, TOTAL, payments, serving

T = TypeVar("T")
GUARD_S = 120
ROOT = Path(__file__).parents[3]


def in_real_time(world: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(world, GUARD_S))


def test_plain_functions_run_in_threads_each_in_its_attempt() -> None:
    both = threading.Barrier(2, timeout=GUARD_S)

    def total(self: object, cents: list[int]) -> int:
        both.wait()  # two attempts are here at once, or none goes on
        logging.getLogger("shop").warning("%s", current().execution_id)
        current().heartbeat({"at": threading.get_ident()})
        return sum(cents)

    async def world() -> FakeServer:
        server = FakeServer()
        calls = [server.call(TOTAL, {"cents": [n, 1]}) for n in (1, 2)]
        async with serving(server, [payments(total=total)]):
            for call in calls:
                await call.ended.wait()
        assert [call.outcome for call in calls] == [{"ok": 2}, {"ok": 3}]
        return server

    server = in_real_time(world())
    assert sorted(line["message"] for line in server.lines) == sorted(server.calls)
    assert all(line["message"] == line["execution_id"] for line in server.lines)


def test_code_in_a_thread_sees_that_its_attempt_is_to_end() -> None:
    begun, seen = threading.Event(), threading.Event()

    def ping(self: object) -> None:
        begun.set()
        while not current().cancelled:
            seen.wait(0.01)
        seen.set()

    async def world() -> Call:
        server = FakeServer()
        call = server.call(PING)
        async with serving(server, [payments(ping=ping)]):
            while not begun.is_set():
                await asyncio.sleep(0.01)
            server.cancel(call)
            while not seen.is_set():
                await asyncio.sleep(0.01)
        assert not server.judged
        return call

    assert in_real_time(world()).outcome == {"state": "cancelled"}


def test_what_computes_runs_in_another_process_when_marked_so() -> None:
    async def world() -> Call:
        server = FakeServer()
        call = server.call(TOTAL, {"cents": []})
        async with serving(server, [Computing()], processes=1):
            await call.ended.wait()
        return call

    outcome = in_real_time(world()).outcome
    assert outcome is not None
    assert outcome["ok"] not in (0, os.getpid())


class Computing(worker_world.base()):  # type: ignore[misc]  # a class that pickle finds
    """An implementation whose `total` tells the process that it runs in."""

    async def charge(self, card: object, cents: int) -> str:
        """Charge nothing."""
        return ""

    async def refund(self, cents: int) -> None:
        """Refund nothing."""

    @in_process
    def total(self, cents: list[int]) -> int:
        """Give the number of the process."""
        return os.getpid()

    async def ping(self) -> None:
        """Do nothing."""

    async def nested(self, n: int) -> None:
        """Do nothing."""


def test_spans_of_an_attempt_continue_the_trace_of_its_call() -> None:
    from opentelemetry import trace

    seen: list[str] = []

    async def ping(self: object) -> None:
        seen.append(f"{trace.get_current_span().get_span_context().trace_id:032x}")

    def total(self: object, cents: list[int]) -> int:
        seen.append(f"{trace.get_current_span().get_span_context().trace_id:032x}")
        return 0

    async def world() -> None:
        server = FakeServer()
        calls = [
            server.call(PING, traceparent=f"00-{1:032x}-{2:016x}-01"),
            server.call(TOTAL, {"cents": []}, traceparent=f"00-{3:032x}-{4:016x}-01"),
            server.call(PING),
        ]
        async with serving(server, [payments(ping=ping, total=total)]):
            for call in calls:
                await call.ended.wait()

    in_real_time(world())
    assert sorted(seen) == [f"{n:032x}" for n in (0, 1, 3)]


ALONE = """
import sys

class Engine:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages}:
            raise ImportError(f"{{name}} is not installed here")

sys.meta_path.insert(0, Engine())
import {module}
from obelisk.worker import Worker
from obelisk.worker.transport import Transport
loaded = sorted(name for name in sys.modules if name.startswith("obelisk."))
print(*loaded)
"""
ENGINE = [
    "wasmtime", "starlette", "uvicorn", "uvloop", "jinja2", "click", "rich", "sqlite_utils", "re2", "prometheus_client",
]  # fmt: skip


def test_generated_workers_need_httpx_and_msgspec_alone() -> None:
    module = worker_world.package()
    place = str(Path(str(module.__file__)).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(packages=set(ENGINE), module=module.__name__)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": place},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rooms = {".".join(name.split(".")[:3]) for name in done.stdout.split()}
    assert {name for name in rooms if name.startswith("obelisk.runtime.")} == {
        "obelisk.runtime.errors",
        "obelisk.runtime.forms",
        "obelisk.runtime.values",
    }
    assert {name for name in rooms if name.startswith("obelisk.codegen.")} == {"obelisk.codegen.model"}


PROGRAM = """
import asyncio, sys
sys.path[:0] = {paths!r}
import httpx
from fake_server import FakeServer
from worker_world import PING, payments
from obelisk.worker import Worker, current

async def ping(self):
    print("begun", flush=True)
    await asyncio.sleep({seconds})
    print("ended", flush=True)

server = FakeServer()
server.call(PING)
http = httpx.AsyncClient(transport=httpx.MockTransport(server.handle))
Worker("http://fake", handlers=[payments(ping=ping)], http=http).run()
print(*(told["state"] for told in server.judged), len(server.workers), flush=True)
"""


@pytest.mark.parametrize(("seconds", "signals", "said"), [(0.5, 1, "ended\naccepted 0\n"), (600, 2, "0\n")])
def test_a_signal_drains_and_a_second_one_ends_at_once(seconds: float, signals: int, said: str) -> None:
    paths = [str(ROOT / "tests/unit/working"), str(ROOT / "tests/sim")]
    program = PROGRAM.format(paths=paths, seconds=seconds)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        for _ in range(signals):
            child.send_signal(signal.SIGTERM)
            if signals > 1:
                # A second signal that is sent before the first is taken in counts as one.
                threading.Event().wait(0.5)
        output, _ = child.communicate(timeout=GUARD_S)
    assert child.returncode == 0
    assert output == said
