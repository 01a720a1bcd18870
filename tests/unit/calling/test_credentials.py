"""Clients send their token, or that of the environment, to a server that wants one."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from obelisk.client import AsyncClient, Client
from obelisk.client.blocking import credentials
from obelisk.client.errors import Busy, Unauthenticated, of_problem
from obelisk.gateway.auth.access import Access
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Scope, Tokens, issue

gateway_world: Any = importlib.import_module("gateway_world")

ISSUED = issue("tests", Scope.SUBMIT, random=b"r" * RANDOM_BYTES, now_us=0)
READER = issue("reader", Scope.READ, random=b"s" * RANDOM_BYTES, now_us=0)
GUARDED = Access(required=True, tokens=lambda: Tokens((ISSUED.token, READER.token)))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gateway_world.served(gateway_world.world(access=GUARDED).app) as served:
        yield served


@pytest.fixture
def execution(url: str) -> str:
    import httpx

    path = f"{url}/v1/functions/demo:shop/cart@1.2.0/add"
    answer = httpx.post(path, json=[1, 2], headers=credentials(ISSUED.secret, None))
    return str(answer.headers["obelisk-execution-id"])


def versions(url: str, execution: str, **options: Any) -> list[int]:
    from obelisk.client import exchange

    with Client(url, **options) as client:
        entries, _ = client.run(exchange.events(execution, 0, client.policy))
        return [entry.version for entry in entries]


def test_a_token_is_sent(url: str, execution: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBELISK_TOKEN", raising=False)
    assert versions(url, execution, token=ISSUED.secret) == [0, 1, 2]
    assert versions(url, execution, headers={"authorization": f"Bearer {READER.secret}"}) == [0, 1, 2]
    with pytest.raises(Unauthenticated) as refused:
        versions(url, execution)
    assert refused.value.code == "unauthenticated"
    with pytest.raises(Unauthenticated):
        versions(url, execution, token="obk_wrong")
    monkeypatch.setenv("OBELISK_TOKEN", READER.secret)
    assert versions(url, execution) == [0, 1, 2]
    with pytest.raises(Unauthenticated):
        versions(url, execution, token="")


def test_the_asynchronous_client_sends_it_too(url: str, execution: str) -> None:
    from obelisk.client import exchange

    async def work() -> int:
        async with AsyncClient(url, token=ISSUED.secret) as client:
            entries, _ = await client.run(exchange.events(execution, 0, client.policy))
            return len(entries)

    assert asyncio.run(work()) == 3


def test_headers_that_say_who_asks_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBELISK_TOKEN", "of the environment")
    assert credentials(None, None) == {"Authorization": "Bearer of the environment"}
    assert credentials("given", {"X": "1"}) == {"X": "1", "Authorization": "Bearer given"}
    assert credentials("given", {"AUTHORIZATION": "mine"}) == {"AUTHORIZATION": "mine"}
    assert credentials("", None) == {}


def test_a_client_that_asks_too_much_may_try_again() -> None:
    error = of_problem(429, {"retry-after": "7"}, {"code": "too_many_requests", "detail": "…"})
    assert type(error) is Busy
    assert error.retry_after_s == 7
