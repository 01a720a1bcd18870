"""Activities that wait through our WASI: parked without a thread, interrupted at once, bounded in time, drained."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.usecases.effects import Effect
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

GUESTS = Path(__file__).parents[1] / "conformance" / "guests_wasi"
TIMERS = GUESTS / "timers.wat"
NAP = "test:wasi/timers@1.0.0.nap"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, settings: str = "", executor: str = "") -> configuration.Config:
    text = f'[executor]\n{executor}\n[component.timers]\npath = "{TIMERS}"\nmax_retries = 0\n{settings}\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def nap(runtime: OpenRuntime, milliseconds: int) -> str:
    return (await runtime.api.submit(Submission(ffqn=NAP, params=[milliseconds]))).execution_id


@pytest.fixture
def alive() -> Callable[[], int]:
    """How many guests live that did not before the test."""
    before = fibers.live_count()
    return lambda: fibers.live_count() - before


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def outcome_of(runtime: OpenRuntime, execution_id: str) -> log.Outcome:
    outcome = await runtime.api.wait(execution_id, 300)
    assert outcome is not None
    return outcome


def test_a_thousand_wait_at_once_without_a_thread(tmp_path: Path, alive: Callable[[], int]) -> None:
    async def work() -> None:
        settings = "attempt_timeout_ms = 3600000"
        async with open_runtime(config_of(tmp_path, settings), execute=True) as runtime:
            assert isinstance(await outcome_of(runtime, await nap(runtime, 1)), log.Returned)
            sleepers = await asyncio.gather(*(nap(runtime, 3_600_000) for _ in range(1_000)))
            await until(lambda: alive() == 1_000)
            assert sum(thread.name == "obelisk-computing" for thread in threading.enumerate()) <= 4
            assert threading.active_count() < 30
            assert (await runtime.api.get(sleepers[-1])).status == "locked"
            for execution_id in sleepers[:900]:
                assert (await runtime.api.cancel(execution_id)).effect is Effect.DONE
            await until(lambda: alive() == 100)
            done = [await outcome_of(runtime, await nap(runtime, 1)) for _ in range(3)]
            assert all(isinstance(outcome, log.Returned) for outcome in done)
            for execution_id in sleepers[900:]:
                assert (await runtime.api.pause(execution_id)).effect is Effect.DONE
            await until(lambda: alive() == 0)

    run(work())


def test_the_time_limit_counts_while_a_guest_waits(tmp_path: Path, alive: Callable[[], int]) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, "attempt_timeout_ms = 200"), execute=True) as runtime:
            execution_id = await nap(runtime, 3_600_000)
            outcome = await outcome_of(runtime, execution_id)
            assert isinstance(outcome, log.Failed)
            assert (outcome.kind, outcome.reason) == (
                log.FailureKind.TIMED_OUT,
                "the attempt ran longer than 200 ms",
            )
            assert alive() == 0

    run(work())


def test_a_stop_waits_for_what_waits_up_to_the_grace(tmp_path: Path, alive: Callable[[], int]) -> None:
    async def work() -> tuple[str, str]:
        async with open_runtime(config_of(tmp_path, executor="grace_ms = 5000"), execute=True) as runtime:
            short, long = await nap(runtime, 300), await nap(runtime, 3_600_000)
            await until(lambda: alive() == 2)
        assert alive() == 0
        return short, long

    async def look(short: str, long: str) -> None:
        async with open_runtime(config_of(tmp_path), execute=False) as runtime:
            assert (await runtime.api.get(short)).status == "finished"
            assert (await runtime.api.get(long)).status == "pending_at"

    run(look(*run(work())))


def test_a_lost_lease_lets_go_of_what_waits(tmp_path: Path, alive: Callable[[], int]) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, executor="grace_ms = 3600000"), execute=True) as runtime:
            await nap(runtime, 3_600_000)
            await until(lambda: alive() == 1)
            assert runtime.executor is not None
            runtime.executor.abandon()
            assert alive() == 0
        # The stop did not wait for the grace: nothing was left to wait for.

    run(work())


def test_a_refused_import_is_named(tmp_path: Path) -> None:
    source = TIMERS.read_bytes().replace(b"wasi:cli/exit@0.2.8", b"wasi:cli/leave@0.2.8")

    async def work() -> str:
        async with open_runtime(config_of(tmp_path), execute=False) as runtime:
            try:
                await runtime.deployment.add("timers", source, {})
            except Exception as error:
                return f"{type(error).__name__}: {error}"
        raise AssertionError("it was taken")

    refused = run(work())
    assert refused.startswith("ImportRefused: ")
    assert "component.timers" in refused
    assert "wasi:cli/leave@0.2.8" in refused


def test_a_thousand_wait_for_http_at_once(tmp_path: Path) -> None:
    """The server answers nobody before all have asked."""
    rule = 'host = "127.0.0.1"\nschemes = ["http"]\nports = [{port}]\n'

    async def work() -> None:
        asked, everybody = 0, asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            if asked == 1_000:
                everybody.set()
            await everybody.wait()
            writer.write(b"HTTP/1.1 204 Nothing\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1_000)
        port = server.sockets[0].getsockname()[1]
        head = f'[component.http]\npath = "{GUESTS}/http.wat"\nmax_retries = 0\n'
        text = f"{head}[component.http.http]\nconnections = 1000\n"
        text += f"[[component.http.http.allow]]\n{rule}[[http.allow]]\n{rule}".format(port=port)
        config = configuration.parse(text, file=tmp_path / "obelisk.toml")
        async with open_runtime(config, execute=True) as runtime:
            ask = Submission(ffqn="test:wasi/http@1.0.0.get", params=[f"127.0.0.1:{port}"])
            submitted = await asyncio.gather(*(runtime.api.submit(ask) for _ in range(1_000)))
            outcomes = [await outcome_of(runtime, one.execution_id) for one in submitted]
            assert sum(thread.name == "obelisk-computing" for thread in threading.enumerate()) <= 4
        server.close()
        values = {bytes(o.value) if isinstance(o, log.Returned) else o.reason for o in outcomes}
        assert values == {b"204"}

    run(work())
