"""A log that cannot be read any more is set aside: nothing else suffers, and once it is repaired it goes on."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from msgspec import structs

from obelisk.gateway.app import create_app
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import DropDelay, Respond
from obelisk.runtime.store import maintenance
from obelisk.runtime.store.sqlite.store import SqliteStore
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.usecases.effects import Effect
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
FIBOA = "demo:fibo/workflow.fiboa"
LATER = "demo:fibo/workflow.fibo-later"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path) -> configuration.Config:
    text = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
    config = configuration.parse(text, file=folder / "obelisk.toml")
    return dataclasses.replace(config, executor=structs.replace(config.executor, lease_ms=2_000, poll_ms=50))


def change(config: configuration.Config, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(config.database)) as connection:
        assert connection.execute(statement, values).rowcount > 0
        connection.commit()


def body_of(config: configuration.Config, execution_id: str) -> bytes:
    sql = "select body from log where version = 0 and execution = (select number from execution where execution_id = ?)"
    with closing(sqlite3.connect(config.database)) as connection:
        return bytes(connection.execute(sql, (execution_id,)).fetchone()[0])


def write(config: configuration.Config, execution_id: str, body: bytes) -> None:
    number = "(select number from execution where execution_id = ?)"
    change(config, f"update log set body = ? where version = 0 and execution = {number}", body, execution_id)


async def submitted(config: configuration.Config, ffqn: str, *each: dict[str, int]) -> list[str]:
    """Executions that nobody has begun."""
    async with open_runtime(config, execute=False) as runtime:
        return [(await runtime.api.submit(Submission(ffqn=ffqn, params=params))).execution_id for params in each]


async def until_paused(runtime: OpenRuntime, execution_id: str) -> str:
    """Why it was paused."""
    while (line := await runtime.api.get(execution_id)).status != "paused":
        await asyncio.sleep(0.02)
    return line.reason


def test_nothing_else_suffers_and_what_is_repaired_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        one, damaged, other = await submitted(config, FIBOA, *[{"n": 10, "iterations": n} for n in (3, 4, 5)])
        body = body_of(config, damaged)
        write(config, damaged, b"{")
        async with open_runtime(config, execute=True) as runtime:
            for execution_id in (one, other):
                assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
            reason = await until_paused(runtime, damaged)
            assert reason.startswith("its log cannot be read: stored event of kind 1")
            assert f"{damaged} is paused: its log cannot be read" in caplog.text
            assert any(problem.startswith(f"{damaged}: ") for problem in maintenance.check(config.database))

            assert (await runtime.api.unpause(damaged)).effect is Effect.DONE  # as before: it is found again
            assert await until_paused(runtime, damaged) == reason
            write(config, damaged, body)
            await runtime.api.unpause(damaged)
            outcome = await runtime.api.wait(damaged, 300)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":55}'
        assert list(maintenance.check(config.database)) == []

    run(work())


def test_what_cannot_be_repaired_is_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        (damaged,) = await submitted(config, FIBOA, {"n": 10, "iterations": 3})
        write(config, damaged, b"[]")
        async with open_runtime(config, execute=True) as runtime:
            await until_paused(runtime, damaged)
            assert (await runtime.api.cancel(damaged)).effect is Effect.DONE
            outcome = await runtime.api.wait(damaged, 300)
            assert isinstance(outcome, log.Failed)
            assert outcome.kind is log.FailureKind.CANCELLED

    run(work())


async def sleeping(runtime: OpenRuntime) -> str:
    """A workflow that sleeps for an hour."""
    params = {"n": 10, "milliseconds": 3_600_000}
    execution_id = (await runtime.api.submit(Submission(ffqn=LATER, params=params))).execution_id
    while (await runtime.api.get(execution_id)).waits_for is None:
        await asyncio.sleep(0.005)
    return execution_id


def test_a_damaged_response_keeps_no_other_back(tmp_path: Path) -> None:
    """Two workflows wait here; what another process answers the one cannot be read, what it answers the other can."""

    async def work() -> None:
        config = config_of(tmp_path)
        async with open_runtime(config, execute=True) as runtime:
            first, second = await sleeping(runtime), await sleeping(runtime)
            damaged = """insert into response (execution, source, at_us, kind, body)
                select number, 'o:1_1', 1, 2, cast('{' as blob) from execution where execution_id = ?"""
            change(config, damaged, first)
            another = SqliteStore.open(config.database)
            delay = f"Delay_{second[2:]}.o:1_1"
            response = log.DelayFinished(join_set="o:1", delay=delay)
            await commit(another, (DropDelay(delay=delay), Respond(execution_id=second, response=response, at_us=1)))
            await another.close()
            assert isinstance(await runtime.api.wait(second, 300), log.Returned)
            assert await until_paused(runtime, first) == "its log cannot be read: a response is damaged"

    run(work())


def test_over_http_it_is_said_what_cannot_be_read(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        (damaged,) = await submitted(config, FIBOA, {"n": 10, "iterations": 3})
        write(config, damaged, b"{")
        async with open_runtime(config, execute=True) as runtime:
            await until_paused(runtime, damaged)
            transport = httpx.ASGITransport(app=create_app(runtime.api, GatewaySettings()))
            async with httpx.AsyncClient(transport=transport, base_url="http://obelisk") as http:
                execution = (await http.get(f"/v1/executions/{damaged}")).json()
                assert execution["status"] == "paused"
                assert execution["reason"].startswith("its log cannot be read: ")
                events = await http.get(f"/v1/executions/{damaged}/events")
                assert (events.status_code, events.json()["code"]) == (500, "log_corrupt")
                assert events.json()["detail"].startswith("stored event of kind 1: ")
                assert (await http.get("/v1/executions")).status_code == 200

    run(work())
