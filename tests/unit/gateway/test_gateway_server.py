"""Serving: addresses, promptness on kept connections, and stopping without breaking a promise."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading

import pytest

from gateway_world import served, world
from obelisk.gateway.server import AddressUnusable, PortBusy, Server, bind, url_of
from obelisk.runtime.ports.store import Query

SHOP = "/v1/functions/demo:shop/cart@1.2.0"


def test_any_free_port_is_taken_and_told() -> None:
    with bind("127.0.0.1", 0) as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_all_interfaces_are_shown_as_the_loopback() -> None:
    with bind("0.0.0.0", 0) as bound:
        assert url_of(bound).startswith("http://127.0.0.1:")


def test_the_loopback_of_ipv6() -> None:
    with bind("::1", 0) as bound:
        assert url_of(bound).startswith("http://[::1]:")


def test_a_busy_port_is_told() -> None:
    with bind("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(PortBusy, match=rf"^127\.0\.0\.1:{port} is in use by another program$"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "::ffff:ffff:1"])
def test_an_address_that_cannot_be_had_is_told(host: str) -> None:
    with pytest.raises(AddressUnusable, match=r"^cannot listen on "):
        bind(host, 0)


def test_answers_on_a_kept_connection_are_prompt() -> None:
    """Nagle's algorithm, which costs 40 ms for each answer with a body, is off on accepted connections."""
    with served(world().app) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        for _ in range(20):
            connection.request("POST", f"{SHOP}/ping")
            assert connection.getresponse().read() == b""
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"ok"}'
        connection.close()

    async def accepted() -> int:
        loop = asyncio.get_running_loop()
        option: asyncio.Future[int] = loop.create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            option.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with bind("127.0.0.1", 0) as bound:
            async with await asyncio.start_server(connected, sock=bound):
                _, writer = await asyncio.open_connection(*bound.getsockname())
                writer.close()
                return await option

    assert asyncio.run(accepted()) == 1


def test_stopping_answers_those_who_wait_and_ends() -> None:
    app = world().app
    statuses: list[int] = []

    def call(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", f"{SHOP}/never", headers={"Prefer": "wait=60"})
        statuses.append(connection.getresponse().status)
        connection.close()

    async def scenario() -> None:
        bound = bind("127.0.0.1", 0)
        server = Server(app, bound)
        serving = asyncio.create_task(server.serve())
        await server.started()
        caller = threading.Thread(target=call, args=(bound.getsockname()[1],))
        caller.start()
        gateway = app.state.gateway
        while not (await gateway.api.list(Query())).items:
            await asyncio.sleep(0.01)
        server.stop()
        await asyncio.wait_for(serving, 120)
        caller.join(120)

    asyncio.run(scenario())
    assert statuses == [202]


def test_a_stopped_server_listens_no_more() -> None:
    with served(world().app) as url:
        port = int(url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1).close()
