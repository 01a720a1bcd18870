"""Rules do not combine: a request goes to a private address only by a rule that allows that very request."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from obelisk.runtime import patterns
from obelisk.runtime.host.wasi.http.client import HttpClient
from obelisk.runtime.host.wasi.http.exchange import HttpLimits
from obelisk.runtime.host.wasi.http.messages import Head, HttpFailed, Request, Timeouts
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Rule

HOME = (ipaddress.ip_network("127.0.0.0/8"),)
PROHIBITED = "destination_IP_prohibited"


async def to_loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


class Server:
    """Answers every request with 204 and keeps connections open."""

    def __init__(self) -> None:
        self.connections, self.lines = 0, list[str]()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.lines.append(head.decode().partition("\r\n")[0])
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def asked(rules: Callable[[int], Sequence[Sequence[Rule]]], *requests: dict[str, Any]) -> tuple[list[object], Server]:
    """The status or the code of each request, one after another, on one client with a policy for each of `rules`."""

    async def work() -> tuple[list[object], Server]:
        server = Server()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        policies = [HttpPolicy(tuple(some)) for some in rules(server.port)]
        client = HttpClient(policies, HttpLimits(), resolve_=to_loopback)
        try:
            found = [await outcome(client, server.port, request) for request in requests]
        finally:
            await client.close()
            listening.close()
        return found, server

    return asyncio.run(asyncio.wait_for(work(), 120))


async def outcome(client: HttpClient, port: int, request: dict[str, Any]) -> object:
    host = request.pop("host", "127.0.0.1")
    plain = Request(
        method="GET", scheme="http", authority=f"{host}:{port}", path="/", headers=(), timeouts=Timeouts(), body=None
    )
    exchange = client.send(replace(plain, **request))
    while exchange.task is None:
        await asyncio.sleep(0)
    await exchange.task
    assert exchange.outcome is not None
    return exchange.outcome.status if isinstance(exchange.outcome, Head) else exchange.outcome.code


def anywhere(port: int, **keys: Any) -> Rule:
    known: dict[str, Any] = {"host": "*", "schemes": ("http",), "ports": (port,)}
    return Rule(**(known | keys))


OTHERS: list[dict[str, Any]] = [
    {"host": "127.0.0.1", "ports": (1,)},
    {"host": "127.0.0.1", "schemes": ("https",)},
    {"host": "127.0.0.1", "methods": ("POST",)},
    {"host": "127.0.0.1", "path": patterns.compiled("/only/this")},
    {"host": "*", "ports": (1,), "networks": HOME},
    {"host": "*", "methods": ("POST",), "networks": HOME},
    {"host": "*.internal", "networks": HOME},
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: "-".join(other))
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "example.com"])
def test_a_rule_lends_its_addresses_to_no_other(other: dict[str, Any], host: str) -> None:
    found, server = asked(lambda port: [[anywhere(port), anywhere(port, **other)]], {"host": host})
    assert (found, server.connections) == ([PROHIBITED], 0)


def test_each_policy_is_judged_by_its_own_rules() -> None:
    def mixed(port: int) -> list[list[Rule]]:
        open_, closed = anywhere(port, networks=HOME), [anywhere(port), anywhere(1, networks=HOME)]
        return [[open_], closed]

    def both(port: int) -> list[list[Rule]]:
        return [[anywhere(port, networks=HOME)], [anywhere(1), anywhere(port, host="127.0.0.1")]]

    assert asked(mixed, {})[0] == [PROHIBITED]
    assert asked(both, {}, {})[0] == [204, 204]


def test_a_connection_serves_only_requests_that_may_go_where_it_goes() -> None:
    """The first is allowed and leaves its connection open; it must not serve what only the other rule allows."""

    def rules(port: int) -> list[list[Rule]]:
        private = anywhere(port, host="db.internal", path=patterns.compiled("/v1/.*"), networks=HOME)
        return [[private, anywhere(port)]]

    private, public = {"host": "db.internal", "path": "/v1/a"}, {"host": "db.internal", "path": "/admin"}
    found, server = asked(rules, dict(private), dict(public), dict(private))
    assert found == [204, PROHIBITED, 204]
    assert server.lines == ["GET /v1/a HTTP/1.1"] * 2
    assert server.connections == 1, "what may go to the same addresses has it again"


def test_rules_that_reach_the_same_share_connections() -> None:
    def rules(port: int) -> list[list[Rule]]:
        return [[anywhere(port, methods=("GET",), networks=HOME), anywhere(port, methods=("PUT",), networks=HOME)]]

    found, server = asked(rules, {}, {"method": "PUT"})
    assert (found, server.connections) == ([204, 204], 1)


def test_the_message_says_which_rules_count() -> None:
    async def work() -> str:
        client = HttpClient([HttpPolicy((anywhere(9),), "http.allow")], HttpLimits(), resolve_=to_loopback)
        told: list[str] = []
        request = Request(
            method="GET", scheme="http", authority="a:9", path="/", headers=(), timeouts=Timeouts(), body=None
        )
        exchange = client.send(request, tell=told.append)
        while exchange.task is None:
            await asyncio.sleep(0)
        await exchange.task
        assert isinstance(exchange.outcome, HttpFailed)
        exchange.explain()
        await client.close()
        return told[0]

    assert "name it in `networks` of a rule of http.allow that allows the request" in asyncio.run(work())
