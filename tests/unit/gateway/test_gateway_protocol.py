"""What is no proper HTTP on a raw connection: a refusal in our form where one can be given, and the server goes on."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator

import httpx
import pytest

from gateway_world import served, world
from obelisk.gateway.http import protocol
from obelisk.gateway.settings import GatewaySettings

pytestmark = pytest.mark.usefixtures("each_loop")
SHOP = "/v1/functions/demo:shop/cart@1.2.0"
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def port() -> Iterator[int]:
    settings = GatewaySettings(max_body_bytes=1000, body_timeout_s=0.2)
    with served(world(settings=settings).app) as url:
        yield int(url.rpartition(":")[2])
        assert httpx.get(f"{url}/livez").status_code == 200


def exchange(port: int, *sent: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        for part in sent:
            raw.sendall(part)
        answer = b""
        while part := raw.recv(65_536):
            answer += part
        return answer


def refused(answer: bytes) -> tuple[int, str]:
    """Status and code of the last answer, which is a problem."""
    head, _, body = answer[answer.rindex(b"HTTP/1.1 4") :].partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    problem = json.loads(body)
    assert int(head.split()[1]) == problem["status"]
    return problem["status"], problem["code"]


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET /livez HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00",
        b"NONSENSE /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: \x00\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.test:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        f"POST {SHOP}/ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n".encode(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(port: int, sent: bytes) -> None:
    assert refused(exchange(port, sent)) == (400, "bad_request")


def test_a_head_that_is_too_large_is_refused_in_whatever_form_it_comes(port: int) -> None:
    large = b"x" * (protocol.MAX_HEAD_BYTES + 1)
    for sent in (
        b"GET /" + large + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        GET + b"X: " + large + b"\r\n\r\n",
        GET + b"X: 1\r\n" * 20_000 + b"\r\n",
        GET + b"X: " + 3 * large,
        b"GET /" + 5 * large,
        large * 3,
    ):
        status, code = refused(exchange(port, sent))
        assert (status, code) in ((431, "head_too_large"), (400, "bad_request"))
        assert status == 431 or sent.startswith(b"x")


def test_a_head_that_just_fits_is_taken(port: int) -> None:
    value = b"X: " + b"x" * protocol.MAX_VALUE_BYTES + b"\r\n"
    fitting = value * (protocol.MAX_HEAD_BYTES // (len(value) + 2))
    answer = exchange(port, GET + fitting + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    longer = value.replace(b"xx", b"xxx", 1)
    assert refused(exchange(port, GET + longer + b"\r\n")) == (431, "head_too_large")


def test_a_head_that_takes_too_long_is_refused_and_silence_is_closed(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.1)
    assert exchange(port) == b""
    assert refused(exchange(port, GET)) == (408, "request_timeout")
    after_another = exchange(port, GET + b"\r\n", GET)
    assert after_another.startswith(b"HTTP/1.1 200 OK")
    assert refused(after_another) == (408, "request_timeout")


def test_a_body_that_takes_too_long_is_refused(port: int) -> None:
    head = f"POST {SHOP}/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n[1"
    assert refused(exchange(port, head.encode())) == (408, "request_timeout")
    chunked = f"POST {SHOP}/ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    typed = chunked.replace("Host: x", "Host: x\r\nContent-Type: application/json")
    assert refused(exchange(port, typed.encode())) == (408, "request_timeout")


def test_a_client_that_sends_too_much_gets_to_read_the_refusal(port: int) -> None:
    head = f"POST {SHOP}/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n"
    assert refused(exchange(port, head.encode(), b"1" * 4_000_000)) == (413, "body_too_large")


def test_a_client_that_asks_before_it_sends_hears_at_once(port: int) -> None:
    head = (
        f"POST {SHOP}/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 4000000\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = exchange(port, head.encode())  # which sends no more than this: who waits for the body answers 408
    assert b"100 Continue" not in answer
    assert refused(answer) == (413, "body_too_large")


def test_nothing_is_written_into_an_answer_that_is_under_way(port: int) -> None:
    slow = f"POST {SHOP}/never HTTP/1.1\r\nHost: x\r\nPrefer: wait=1\r\n\r\n".encode()
    assert exchange(port, slow + b"garbage\r\n\r\n") == b""


def test_requests_in_a_row_are_answered_in_a_row(port: int) -> None:
    last = GET + b"Connection: close\r\n\r\n"
    assert exchange(port, (GET + b"\r\n") * 20 + last).count(b'{"status":"ok"}') == 21


def test_the_log_hears_of_many_refusals_once(
    port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "tally", protocol.Tally())
    for _ in range(50):
        assert refused(exchange(port, b"hello\r\n\r\n")) == (400, "bad_request")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "1 refused before they were requests; the last: bad_request, from 127.0.0.1"
    ]
    monkeypatch.setattr(protocol, "LOGGED_EVERY_S", 0.0)
    assert refused(exchange(port, GET + b"x: " + b"y" * 140_000)) == (431, "head_too_large")
    assert caplog.records[-1].getMessage().startswith("50 refused before they were requests; the last: head_too_large")
    assert protocol.tally.counts.by_labels == {("bad_request",): 50, ("head_too_large",): 1}


def test_metrics_count_what_was_refused(port: int) -> None:
    def counted() -> float:
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
        return next((float(x.split()[1]) for x in lines if x.startswith('obelisk_http_refused_total{code="bad')), 0.0)

    before = counted()
    exchange(port, b"hello\r\n\r\n")
    assert counted() == before + 1
