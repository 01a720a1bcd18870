"""Executions begin while the commit that creates them is in flight, and nothing of them is seen before"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from obelisk.runtime.catalog.settings import RUNNABLE
from obelisk.runtime.errors import StoreError
from obelisk.runtime.executor import early
from obelisk.runtime.host.wasi.http.client import HttpClient
from obelisk.runtime.host.wasi.http.exchange import HttpExchange
from obelisk.runtime.host.wasi.http.messages import Request
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Append, Committed, Create, Transaction
from obelisk.runtime.store.sqlite.store import SqliteStore
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from wasi_runs import CACHE, python_guest
from wasi_server import serving

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
ACTIVITY = f'[component.activity]\npath = "{FIBO}/activity.wat"\n'
WORKFLOW = f'[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
FIBO_10 = Submission(ffqn="demo:fibo/fibo.fibo", params=[10])
FIBOA = Submission(ffqn="demo:fibo/workflow.fiboa", params=[10, 20])
FULL = StoreError("no space left on device", reason="full")
T = TypeVar("T")


class Held:
    """A store whose writes do not land until they are let go, in order."""

    def __init__(self) -> None:
        self.holding = True
        self.transactions: list[tuple[SqliteStore, Transaction, Committed]] = []
        self._right = SqliteStore.enqueue

    def enqueue(self, store: SqliteStore, transaction: Transaction, committed: Committed) -> None:
        if self.holding:
            self.transactions.append((store, transaction, committed))
        else:
            self._right(store, transaction, committed)

    def let_go(self, *, refuse: int = 0) -> None:
        """Let go of what is held, after the first `refuse` were refused, and hold nothing any more."""
        self.holding = False
        held, self.transactions = self.transactions, []
        for place, (store, transaction, committed) in enumerate(held):
            if place < refuse:
                committed(FULL)
            else:
                self._right(store, transaction, committed)

    def writes(self) -> list[str]:
        """What is held: the names of the writes, of appends those of the events."""
        found: list[str] = []
        for _, transaction, _ in self.transactions:
            for write in transaction:
                events = write.events if isinstance(write, Append) else ()
                found += [type(event).__name__ for event in events] or [type(write).__name__]
        return found


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    held = Held()

    def enqueue(store: SqliteStore, transaction: Transaction, committed: Committed) -> None:
        held.enqueue(store, transaction, committed)

    monkeypatch.setattr(SqliteStore, "enqueue", enqueue)
    return held


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("client") / "client.wasm"
    path.write_bytes(python_guest("client", "calling"))
    return path


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, text: str) -> configuration.Config:
    return configuration.parse(text, file=folder / "obelisk.toml")


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0.005)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def places_held(runtime: OpenRuntime) -> int:
    assert runtime.executor is not None
    return sum(runtime.executor.places.held(kind) for kind in RUNNABLE)


def test_a_guest_computes_before_it_is_on_record_and_nobody_hears_of_it(tmp_path: Path, held: Held) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, ACTIVITY), execute=True) as runtime:
            submitting = asyncio.ensure_future(runtime.api.submit(FIBO_10))
            await until(lambda: len(held.writes()) >= 2)
            await turns()
            assert held.writes() == ["Create", "Finished"]
            assert not submitting.done()
            (_, (create,), _), *_ = held.transactions
            assert isinstance(create, Create)
            assert runtime.executor is not None
            assert runtime.executor.is_running(create.execution_id)  # its end will be heard of: nobody need look for it
            held.let_go()
            execution_id = (await submitting).execution_id
            outcome = await runtime.api.wait(execution_id, 300)
            assert isinstance(outcome, log.Returned)
            assert not runtime.executor.is_running(execution_id)
            events = await runtime.api.events(execution_id)
            assert [type(e.event).__name__ for e in events] == ["Created", "Locked", "Finished"]
            assert places_held(runtime) == 0

    run(work())


def test_a_workflow_runs_ahead_of_the_disk_so_far_and_no_further(
    tmp_path: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "MAX_EARLY", 5)

    async def work() -> None:
        async with open_runtime(config_of(tmp_path, ACTIVITY + WORKFLOW), execute=True) as runtime:
            submitting = asyncio.ensure_future(runtime.api.submit(FIBOA))
            await until(lambda: held.writes().count("Create") >= 6 and held.writes().count("Finished") >= 4)
            await turns()
            assert held.writes().count("Create") == 6  # the workflow, four children, one that waits
            assert held.writes().count("Finished") == 4
            held.let_go()
            outcome = await runtime.api.wait((await submitting).execution_id, 300)
            assert isinstance(outcome, log.Returned)
            assert places_held(runtime) == 0

    run(work())


@pytest.mark.parametrize("refused", [1, 2])
def test_a_refused_creation_takes_its_run_with_it(tmp_path: Path, held: Held, refused: int) -> None:
    """Whether the end that was queued behind it is refused by the store or by the same failure."""

    async def work() -> None:
        async with open_runtime(config_of(tmp_path, ACTIVITY), execute=True) as runtime:
            submitting = asyncio.ensure_future(runtime.api.submit(FIBO_10))
            await until(lambda: held.writes() == ["Create", "Finished"])
            (_, (create,), _), *_ = held.transactions
            assert isinstance(create, Create)
            held.let_go(refuse=refused)
            with pytest.raises(StoreError):
                await submitting
            executor = runtime.executor
            assert executor is not None
            # An end that failed with the disk is tried again, and then refused as well.
            await until(lambda: not executor.is_running(create.execution_id) and places_held(runtime) == 0)
            assert await executor.store.load(create.execution_id) is None

    run(work())


def test_children_of_a_refused_step_are_withdrawn_and_made_again(tmp_path: Path, held: Held) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, ACTIVITY + WORKFLOW), execute=True) as runtime:
            held.holding = False
            submitted = await runtime.api.submit(Submission(ffqn="demo:fibo/workflow.fiboa", params=[10, 300]))
            held.holding = True
            await until(lambda: "Create" in held.writes())
            held.let_go(refuse=1)
            outcome = await runtime.api.wait(submitted.execution_id, 300)
            assert isinstance(outcome, log.Returned)
            assert places_held(runtime) == 0

    run(work())


@pytest.mark.parametrize("setting", ["begin_early = false", "[directories.d]\npath = '.'"])
def test_who_must_not_begin_early_waits(tmp_path: Path, held: Held, setting: str) -> None:
    text = ACTIVITY + setting
    if "directories" in setting:
        text = f'{setting}\n{ACTIVITY}directories = {{ "/d" = "d" }}\n'

    async def work() -> None:
        async with open_runtime(config_of(tmp_path, text), execute=True) as runtime:
            submitting = asyncio.ensure_future(runtime.api.submit(FIBO_10))
            await until(lambda: bool(held.writes()))
            await turns()
            assert held.writes() == ["Create"]
            held.let_go()
            assert isinstance(await runtime.api.wait((await submitting).execution_id, 300), log.Returned)

    run(work())


def test_a_request_waits_for_the_commit(
    tmp_path: Path, held: Held, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    right = HttpClient.send

    def send(client: HttpClient, request: Request, *rest: Any) -> HttpExchange:
        asked.append(request.path)
        return right(client, request, *rest)

    monkeypatch.setattr(HttpClient, "send", send)
    rule = 'host = "127.0.0.1"\nschemes = ["http"]\nports = [{port}]\n'
    text = (
        f'[cache]\npath = "{CACHE / "compiled"}"\n[component.client]\npath = "{client}"\n'
        f"[[http.allow]]\n{rule}[[component.client.http.allow]]\n{rule}"
    )

    async def work() -> None:
        async with serving() as seen:
            config = config_of(tmp_path, text.format(port=seen.port))
            call: dict[str, Any] = {
                "method": "GET",
                "scheme": "http",
                "authority": f"127.0.0.1:{seen.port}",
                "path": "/echo",
                "headers": [],
                "body": None,
                "first_byte_ms": 20_000,
                "between_bytes_ms": 20_000,
            }
            async with open_runtime(config, execute=True) as runtime:
                submission = Submission(ffqn="test:wasi/client@1.0.0.fetch", params=[call])
                submitting = asyncio.ensure_future(runtime.api.submit(submission))
                await until(lambda: bool(asked))
                await turns()
                assert (asked, seen.connections) == (["/echo"], 0)
                held.let_go()
                outcome = await runtime.api.wait((await submitting).execution_id, 300)
                assert isinstance(outcome, log.Returned)
                assert len(seen.requests) == 1

    run(work())
