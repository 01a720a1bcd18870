"""Connections that are left open in every state: each ends by itself, none keeps another client out, nothing is kept.

Deadlines are made short where one is waited for; no test depends on how fast the machine is.
"""

from __future__ import annotations

import gc
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import httpx
import pytest

from gateway_world import served, world
from obelisk.gateway.auth.access import Access
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Scope, Tokens, issue
from obelisk.gateway.context import Gateway
from obelisk.gateway.http import protocol
from obelisk.gateway.http.connections import Connections
from obelisk.gateway.http.protocol import Protocol
from obelisk.gateway.settings import GatewaySettings

pytestmark = pytest.mark.usefixtures("each_loop")
SHOP = "/v1/functions/demo:shop/cart@1.2.0"
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST {SHOP}/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
NEVER = f"POST {SHOP}/never HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n".encode()
LARGE = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
ISSUED = issue("reader", Scope.READ, random=bytes(range(RANDOM_BYTES)), now_us=1)
GUARDED = Access(required=True, tokens=lambda: Tokens((ISSUED.token,)))
MOST = 20
HANG_S = 60.0


class Served:
    """A server under attack."""

    def __init__(self, url: str, gateway: Gateway) -> None:
        self.url, self.port, self.gateway = url, int(url.rpartition(":")[2]), gateway

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), HANG_S)

    def exchange(self, *sent: bytes) -> bytes:
        """All that comes until the server ends the connection."""
        with self.connect() as raw:
            for part in sent:
                raw.sendall(part)
            return rest(raw)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that comes by itself."""
        end = time.monotonic() + HANG_S
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.01)


def rest(raw: socket.socket) -> bytes:
    answer = b""
    while part := raw.recv(65_536):
        answer += part
    return answer


def serve(access: Access, most_of_one: int = MOST) -> Iterator[Served]:
    settings = GatewaySettings(body_timeout_s=0.2, max_connections=MOST, max_connections_per_client=most_of_one)
    app = world(settings=settings, access=access).app
    with served(app) as url:
        yield Served(url, app.state.gateway)


@pytest.fixture
def server() -> Iterator[Served]:
    yield from serve(Access())


@pytest.fixture
def guarded() -> Iterator[Served]:
    yield from serve(GUARDED)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_S", 0.2)
    monkeypatch.setattr(protocol, "tally", protocol.Tally())


# --- each state ends ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [b"Content-Length: 1000000\r\n\r\n[1", b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1"])
def test_a_refusal_before_the_body_was_read_ends_the_connection(guarded: Served, body: bytes) -> None:
    answer = guarded.exchange(POST + body)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close\r\n" in answer.lower()


def test_a_client_that_still_sends_gets_to_read_its_refusal(guarded: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_S", HANG_S)
    with guarded.connect() as raw:
        raw.sendall(POST + b"Content-Length: 4000000\r\n\r\n")
        raw.sendall(b" " * 4_000_000)
        assert rest(raw).startswith(b"HTTP/1.1 401 ")


def test_a_refusal_of_a_request_that_is_whole_keeps_the_connection(guarded: Served) -> None:
    with guarded.connect() as raw, closing(raw.makefile("rb")) as answers:
        for _ in range(3):
            raw.sendall(POST + b"Content-Length: 2\r\n\r\n[]")
            assert answers.readline().startswith(b"HTTP/1.1 401 ")
            length = 0
            while (line := answers.readline()) != b"\r\n":
                length = int(line.split()[1]) if line.lower().startswith(b"content-length:") else length
            answers.read(length)


def test_line_ends_are_no_request(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "KEEP_ALIVE_S", 0.3)
    assert server.exchange(GET, b"\r\n", b"\r\n").startswith(b"HTTP/1.1 200 OK")
    with server.connect() as raw:
        raw.sendall(GET)
        assert raw.recv(65_536).startswith(b"HTTP/1.1 200 OK")
        with suppress(ConnectionError):  # however often they come
            while server.gateway.connections:
                raw.sendall(b"\r\n")
                time.sleep(0.01)
    server.until(lambda: len(server.gateway.connections) == 0)


def test_line_ends_before_the_first_request_are_none(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.2)
    assert server.exchange(b"\r\n" * 5) == b""


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Transfer-Encoding: chunked\r\n\r\n5",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y",
        POST + b"Content-Length: 10\r\n\r\n[1",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1",
        b"OPTIONS /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1",
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[1",
        GET + POST + b"Content-Length: 10\r\n\r\n[1",
    ],
)
def test_a_body_that_never_ends_ends_the_connection(server: Served, sent: bytes) -> None:
    assert b"HTTP/1.1 " in server.exchange(sent)


def test_an_answer_that_is_not_read_is_dropped(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WRITE_TIMEOUT_S", 0.2)
    with server.connect() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(LARGE * 8)
        server.until(lambda: bool(protocol.tally.counts.by_labels) and not len(server.gateway.connections))
    assert protocol.tally.counts.by_labels == {("answer_unread",): 1}


def test_an_answer_that_is_read_slowly_is_not(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WRITE_TIMEOUT_S", 2.0)
    monkeypatch.setattr(protocol, "WRITE_STEP_BYTES", 1)
    last = LARGE.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
    with server.connect() as raw:
        raw.sendall(LARGE * 7 + last)
        read = 0
        while part := raw.recv(400_000):
            read += len(part)
            time.sleep(0.1)
    assert read > 8 * 1_000_000
    assert protocol.tally.counts.by_labels == {}


def test_requests_sent_ahead_are_bounded(server: Served) -> None:
    assert server.exchange(NEVER + GET * (protocol.MAX_PIPELINED + 1)) == b""
    assert httpx.get(f"{server.url}/livez").status_code == 200


# --- how many -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("sent", [b"", GET, b"\r\n", GET + b"\r\n"])
def test_connections_that_wait_keep_nobody_out(server: Served, sent: bytes) -> None:
    with ExitStack() as held:
        for _ in range(5 * MOST):
            raw = held.enter_context(server.connect())
            raw.sendall(sent)
        for _ in range(3):
            server.until(lambda: httpx.get(f"{server.url}/livez").status_code == 200)
        assert len(server.gateway.connections) <= MOST


def test_while_all_are_at_work_a_new_one_is_refused_and_the_log_hears(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as held:
        for _ in range(MOST):
            held.enter_context(server.connect()).sendall(NEVER)
        connections = server.gateway.connections
        server.until(lambda: len(connections) == MOST and not connections.waiting)
        head, _, body = server.exchange().partition(b"\r\n\r\n")
        assert (head.split()[1], json.loads(body)["code"]) == (b"503", "too_many_connections")
        for _ in range(10):
            server.exchange()
    warned = [record.getMessage() for record in caplog.records if "refused before" in record.getMessage()]
    assert warned == ["1 refused before they were requests; the last: too_many_connections, from 127.0.0.1"]
    server.until(lambda: len(server.gateway.connections) == 0)
    assert httpx.get(f"{server.url}/livez").status_code == 200


class Held:
    """A connection."""

    def __init__(self, *, is_sending: bool = False) -> None:
        self.evicted, self.is_sending = 0, is_sending

    def evict(self) -> bool:
        self.evicted += not self.is_sending
        return not self.is_sending


def test_no_client_can_have_all() -> None:
    connections = Connections(most=4)
    hostile = [Held() for _ in range(5)]
    assert all(connections.enter(one, "hostile") for one in hostile[:2])
    assert connections.enter(hostile[2], "hostile")
    assert [one.evicted for one in hostile] == [1, 0, 0, 0, 0]
    for one in hostile[1:3]:
        connections.works(one)
    assert not connections.enter(hostile[3], "hostile")
    others = [Held() for _ in range(3)]
    assert all(connections.enter(one, f"client {number}") for number, one in enumerate(others))
    assert [one.evicted for one in others] == [1, 0, 0]
    assert len(connections) == 4
    connections.works(others[1])
    connections.works(others[2])
    assert not connections.enter(Held(), "another")
    connections.waits(hostile[1])
    assert connections.enter(Held(), "another")
    assert hostile[1].evicted == 1
    for one in (*hostile, *others):
        connections.leave(one)
    assert len(connections) == 1


def test_an_answer_that_is_under_way_is_not_cut_off_to_make_room() -> None:
    connections = Connections(most=2, most_of_one=2)
    slow, idle = Held(is_sending=True), Held()
    for one in (slow, idle):
        assert connections.enter(one, "a")
    assert connections.enter(Held(is_sending=True), "b")
    assert (slow.evicted, idle.evicted) == (0, 1)
    assert not connections.enter(Held(), "b")


# --- nothing is kept ------------------------------------------------------------------------------------------------
def test_connections_that_are_reset_leave_nothing(server: Served) -> None:
    def reset() -> None:
        with server.connect() as raw:
            raw.sendall(GET)
            assert raw.recv(65_536).startswith(b"HTTP/1.1 200 OK")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def left() -> int:
        return sum(isinstance(one, Protocol) for one in gc.get_objects())

    reset()
    server.until(lambda: len(server.gateway.connections) == 0)
    gc.collect()
    gc.disable()
    try:
        before = left()
        for _ in range(100):
            reset()
        server.until(lambda: len(server.gateway.connections) == 0)
        server.until(lambda: left() <= before + 2)
    finally:
        gc.enable()


# --- trailers -------------------------------------------------------------------------------------------------------
def test_trailers_are_no_headers(guarded: Served) -> None:
    chunked = b"GET /v1/executions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    bearer = f"Authorization: Bearer {ISSUED.secret}\r\n".encode()
    assert guarded.exchange(chunked + bearer + b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    assert guarded.exchange(chunked + b"\r\n0\r\n" + bearer + b"\r\n").startswith(b"HTTP/1.1 401 ")
    twice = guarded.exchange(chunked + bearer + b"\r\n0\r\n" + bearer + b"Host: y\r\n\r\n")
    assert twice.startswith(b"HTTP/1.1 200 OK")
