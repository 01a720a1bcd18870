"""The generated clients against a live gateway over the real runtime, with the examples deployed."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from obelisk.client import (
    AsyncClient,
    Client,
    Conflict,
    ExecutionCancelled,
    Function,
    InvalidParams,
    NotFinished,
    NotFound,
    Operation,
    QueueFull,
    ReturnedErr,
    Unreachable,
    unwrap,
)
from obelisk.runtime.values import Err, JsonValue, Ok

acceptance = importlib.import_module("server")
gateway_world = importlib.import_module("gateway_world")
ROOT = Path(__file__).parents[2]
COMPONENTS = f"""
default_wait_s = 2
max_wait_s = 2
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[component.trip-activities]
path = "{ROOT}/.cache/examples/trip/activities.wasm"
max_retries = 2
initial_backoff_ms = 1
[component.trip-workflow]
path = "{ROOT}/.cache/examples/trip/workflow.wasm"
[cache]
path = "{ROOT}/.cache/compiled"
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = acceptance.Server(tmp_path_factory.mktemp("server"), COMPONENTS)
    try:
        server.start()
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


@pytest.fixture(autouse=True)
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])


@pytest.fixture
def fibo() -> Any:
    return importlib.import_module("generated.demo_fibo.client")


def test_calls_with_typed_results(url: str, fibo: Any) -> None:
    with Client(url) as server:
        numbers, workflow = fibo.FiboClient(server), fibo.WorkflowClient(server)
        assert numbers.fibo(n=10) == Ok(55)
        assert unwrap(workflow.fiboa(10, iterations=20)) == 55
        assert workflow.fiboa(n=10, iterations=20_000) == Err("more than 10000 iterations")
        with pytest.raises(InvalidParams) as refused:
            numbers.fibo(n=300)
        assert [(problem.pointer, problem.expected) for problem in refused.value.problems] == [("/n", "u8")]


def test_handles(url: str, fibo: Any) -> None:
    with Client(url) as server:
        workflow = fibo.WorkflowClient(server)
        handle = workflow.fiboa_concurrent.submit(n=7, iterations=5)
        assert handle.result(timeout=300) == Ok(13)
        entries = list(handle.events())
        assert [entry.version for entry in entries] == list(range(len(entries)))
        assert [entries[0].event["type"], entries[-1].event["type"]] == ["created", "finished"]
        assert list(handle.events(start=len(entries) - 1)) == entries[-1:]
        assert list(handle.events(start=1, follow=False)) == entries[1:]
        assert workflow.fiboa.handle(handle.execution_id).result() == Ok(13)
        with pytest.raises(NotFound):
            workflow.fiboa.handle("E_01ARZ3NDEKTSV4RRFFQ69G5FAV").result()


def test_time_runs_out_and_the_execution_goes_on(url: str, fibo: Any) -> None:
    with Client(url) as server:
        later = fibo.WorkflowClient(server).fibo_later
        with pytest.raises(NotFinished) as late:
            later.options(timeout=0.2)(n=10, milliseconds=3_600_000)
        with pytest.raises(NotFinished):
            later.handle(late.value.execution_id).result(timeout=0)
        assert later.handle(late.value.execution_id).cancel() == "done"
        handle = later.submit(n=10, milliseconds=100)
        followed = [entry.event["type"] for entry in handle.events()]
        assert followed[-1] == "finished"
        assert handle.result() == Ok(55)


def test_cancelling(url: str, fibo: Any) -> None:
    with Client(url) as server:
        later = fibo.WorkflowClient(server).fibo_later
        handle = later.submit(n=10, milliseconds=3_600_000)
        assert handle.cancel() == "done"
        with pytest.raises(ExecutionCancelled) as cancelled:
            handle.result(timeout=300)
        assert cancelled.value.execution_id == handle.execution_id
        finished = later.submit(n=10, milliseconds=1)
        assert finished.result(timeout=300) == Ok(55)
        assert finished.cancel() == "finished"
        with pytest.raises(NotFound):
            later.handle("E_01ARZ3NDEKTSV4RRFFQ69G5FAV").cancel()


def test_a_key_makes_one_execution_of_many_calls(url: str, fibo: Any) -> None:
    with Client(url) as server:
        keyed = fibo.FiboClient(server).fibo.options(idempotency_key="one-of-many")
        first, second = keyed.submit(n=5), keyed.submit(n=5)
        assert first.execution_id == second.execution_id
        with pytest.raises(Conflict) as conflict:
            keyed(n=6)
        assert conflict.value.execution_id == first.execution_id


def test_calls_are_found_by_their_tags(url: str, fibo: Any) -> None:
    with Client(url) as server:
        tagged = fibo.FiboClient(server).fibo.options(tags={"test": "tags"})
        handle = tagged.submit(n=5)
        assert tagged(n=6) == Ok(8)

        async def later() -> str:
            async with AsyncClient(url) as asynchronous:
                function = fibo.FiboClientAsync(asynchronous).fibo.options(tags={"test": "tags", "at": "last"})
                return str((await function.submit(n=7)).execution_id)

        last = asyncio.run(later())
    listed = httpx.get(f"{url}/v1/executions", params={"tags": "test=tags"}).json()["items"]
    assert [item["execution_id"] for item in listed][::2] == [last, handle.execution_id]


def test_a_full_queue() -> None:
    def encode(a: int, the_other: int) -> dict[str, JsonValue]:
        return {"a": a, "the_other": the_other}

    add: Operation[..., int] = Operation("demo:shop/cart@1.2.0", "add", encode, int)
    with gateway_world.served(gateway_world.world(max_pending=1, placed=False).app) as idle, Client(idle) as server:
        function = Function(server, add)
        handle = function.submit(1, 2)
        with pytest.raises(QueueFull) as full:
            function.submit(1, the_other=3)
        assert full.value.retry_after_s >= 1
        assert handle.cancel() in ("done", "cancelling")


def test_a_trip_with_all_its_types(url: str) -> None:
    client: Any = importlib.import_module("generated.demo_trip.client")
    types: Any = importlib.import_module("generated.demo_trip.types.workflow")
    more: Any = importlib.import_module("generated.demo_trip.types.types")
    request = types.TripRequest(
        traveller=types.Traveller(name="Ada"),
        origin="Prague",
        destination="Lisbon",
        start=types.Date(year=2031, month=5, day=4),
        nights=3,
        cabin=types.Cabin.ECONOMY,
        comforts=types.Comforts.BREAKFAST,
        car=types.CarClass.SMALL,
        mishaps=[],
    )
    with Client(url) as server:
        book_trip = client.WorkflowClient(server).book_trip
        booked: Any = unwrap(book_trip(request))
        assert isinstance(booked, types.Itinerary)
        assert [booking.service for booking in booked.bookings] == list(types.Service)
        sold_out = replace(request, mishaps=[(types.Service.CAR, more.Mishap_SoldOut())])
        with pytest.raises(ReturnedErr) as refused:
            unwrap(book_trip(request=sold_out))
        error: Any = refused.value.error
        assert type(error) is types.TripError_NotBooked
        setback = error.value
        assert setback.service is types.Service.CAR
        assert [b.service for b in setback.cancelled] == [types.Service.HOTEL, types.Service.FLIGHT]


def test_asynchronous_calls_run_side_by_side(url: str, fibo: Any) -> None:
    async def work() -> list[Any]:
        async with AsyncClient(url) as server:
            numbers, workflow = fibo.FiboClientAsync(server), fibo.WorkflowClientAsync(server)
            handle = await workflow.fibo_later.submit(n=10, milliseconds=50)
            results: list[Any] = [
                *await asyncio.gather(numbers.fibo(n=8), numbers.fibo(n=9)),
                await handle.result(timeout=300),
            ]
            assert [e.event["type"] async for e in handle.events()][-1] == "finished"
            with pytest.raises(InvalidParams):
                await numbers.fibo(n=-1)
            with pytest.raises(NotFinished):
                await workflow.fibo_later.options(timeout=0)(n=1, milliseconds=3_600_000)
            return results

    assert asyncio.run(work()) == [Ok(21), Ok(34), Ok(55)]


def test_nobody_there(fibo: Any) -> None:
    free = f"http://127.0.0.1:{acceptance.free_port()}"
    with Client(free, retries=0) as server, pytest.raises(Unreachable, match="no server answers"):
        fibo.FiboClient(server).fibo(n=1)

    async def ask() -> None:
        async with AsyncClient(free, retries=1) as server:
            await fibo.FiboClientAsync(server).fibo(n=1)

    with pytest.raises(Unreachable):
        asyncio.run(ask())


def test_a_client_of_ones_own_is_used_and_stays_open(fibo: Any) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=55)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        with Client("http://engine/prefix/", headers={"Authorization": "Bearer key"}, http=http) as server:
            assert fibo.FiboClient(server).fibo(n=10) == Ok(55)
        assert not http.is_closed
    assert str(seen[0].url) == "http://engine/prefix/v1/functions/demo:fibo/fibo/fibo"
    assert seen[0].headers["authorization"] == "Bearer key"
