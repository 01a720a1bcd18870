"""Servers that lie, flood, drip, stall and break: each costs the guest that asked them its request, and nobody else."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from obelisk.runtime.host.wasi.http.exchange import HttpLimits
from obelisk.runtime.host.wasi.http.messages import HttpFailed, Timeouts
from obelisk.runtime.host.wasi.http.reading import MAX_HEAD, MAX_HEADERS, MAX_INFORMATIONAL, SLICE
from scripted_servers import END, RESET, SECOND, Client, Got, Server, Step, read, talk

OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\nok"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROTOCOL, INCOMPLETE, TERMINATED = "HTTP_protocol_error", "HTTP_response_incomplete", "connection_terminated"
HEAD_SIZE = {"HTTP_response_header_section_size": MAX_HEAD}
MOST = 10**6
BODY_SIZE = {"HTTP_response_body_size": MOST}
LARGE = bytes(0x30000)
FIRST_BYTE_S, BETWEEN_S = 60.0, 60.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a server says to a request, `more` of it without end, and what its guest gets; `reused`: whether the
    connection serves the next."""

    says: tuple[Step, ...]
    more: bytes = b""
    status: int | None = 200
    code: object = None
    body: bytes = b""
    body_code: object = None
    reused: bool = False
    method: str = "GET"
    at_most_s: float = 1.0

    def script(self) -> Iterable[Step]:
        return itertools.chain(self.says, itertools.repeat(self.more)) if self.more else self.says


def of(*says: Step, **expected: Any) -> Case:
    return Case(says=says, **expected)


def failed(code: object, *says: Step, **expected: Any) -> Case:
    return Case(says=says, status=None, code=code, **expected)


HARMLESS = {
    "a length": of(OK + TWO, body=b"ok", reused=True),
    "chunks": of(OK + CHUNKED + b"1;x=y\r\no\r\n1\r\nk\r\n0\r\nX-Sum: 1\r\n\r\n", body=b"ok", reused=True),
    "byte by byte": of(*(bytes([byte]) for byte in OK + TWO), body=b"ok", reused=True),
    "a 100 first": of(CONTINUE + OK + TWO, body=b"ok", reused=True),
    "no body": of(b"HTTP/1.1 204 No Content\r\n\r\n", status=204, reused=True),
    "not modified, with the length it would have": of(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status=304, reused=True
    ),
    "the head alone": of(OK + b"Content-Length: 5\r\n\r\n", method="HEAD", reused=True),
    "until the end": of(OK + b"\r\nok", END, body=b"ok"),
    "a connection that closes": of(OK + b"Connection: close\r\n" + TWO, body=b"ok"),
    "an old one": of(b"HTTP/1.0 200 OK\r\n" + TWO, body=b"ok"),
    "a large chunk": of(OK + CHUNKED + b"30000\r\n%s\r\n0\r\n\r\n" % LARGE, body=LARGE, reused=True),
}
SURPLUS = {
    "another answer": of(OK + TWO + SECOND, body=b"ok"),
    "another answer in a segment of its own": of(OK + TWO, SECOND, body=b"ok"),
    "another answer while the connection rests": of(OK + TWO, 1.0, SECOND, body=b"ok"),
    "line ends": of(OK + TWO + b"\r\n", body=b"ok"),
    "a longer body than its length": of(OK + TWO + b"!", body=b"ok"),
    "something after the last chunk": of(OK + CHUNKED + b"2\r\nok\r\n0\r\n\r\n!", body=b"ok"),
    "a body of a head": of(OK + b"Content-Length: 80\r\n\r\n" + SECOND, method="HEAD"),
    "a body of a head, later": of(OK + b"Content-Length: 80\r\n\r\n", SECOND, method="HEAD"),
    "a body where there is none": of(b"HTTP/1.1 204 No Content\r\nContent-Length: 80\r\n\r\n" + SECOND, status=204),
    "a length where there is no body": of(b"HTTP/1.1 204 No Content\r\nContent-Length: 80\r\n\r\n", status=204),
    "its end after a whole answer": of(OK + TWO, END, body=b"ok"),
    "a reset after a whole answer": of(OK + TWO, RESET, body=b"ok"),
}
MALFORMED = {
    "nothing of HTTP": failed(PROTOCOL, b"I do not speak HTTP\r\n\r\n"),
    "TLS": failed(PROTOCOL, b"\x15\x03\x01\x00\x02\x02\x46"),
    "HTTP/2": failed(PROTOCOL, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    "another version": failed(PROTOCOL, b"HTTP/2.0 200 OK\r\n" + TWO),
    "status 99": failed(PROTOCOL, b"HTTP/1.1 099 Low\r\n" + TWO),
    "status 1000": failed(PROTOCOL, b"HTTP/1.1 1000 High\r\n" + TWO),
    "another protocol": failed(PROTOCOL, b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    "two lengths": failed(PROTOCOL, OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "two lengths in one": failed(PROTOCOL, OK + b"Content-Length: 2, 2\r\n\r\nok"),
    "a length with a sign": failed(PROTOCOL, OK + b"Content-Length: +2\r\n\r\nok"),
    "a negative length": failed(PROTOCOL, OK + b"Content-Length: -2\r\n\r\nok"),
    "a length beyond all": failed(PROTOCOL, OK + b"Content-Length: 99999999999999999999\r\n\r\nok"),
    "a length and chunks": failed(PROTOCOL, OK + b"Content-Length: 2\r\n" + CHUNKED + b"2\r\nok\r\n0\r\n\r\n"),
    "a coding": failed(
        {"HTTP_response_transfer_coding": "gzip, chunked"},
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ),
    "chunks in chunks": failed(
        {"HTTP_response_transfer_coding": "chunked, chunked"}, OK + b"Transfer-Encoding: chunked\r\n" + CHUNKED
    ),
    "a coding that is none": failed(
        {"HTTP_response_transfer_coding": "xchunked"}, OK + b"Transfer-Encoding: xchunked\r\n\r\n"
    ),
    "bytes in a name": failed(PROTOCOL, OK + b"X-\xff: 1\r\n" + TWO),
    "a space before the colon": failed(PROTOCOL, OK + b"X : 1\r\n" + TWO),
    "a name that is none": failed(PROTOCOL, OK + b": 1\r\n" + TWO),
    "a folded line": failed(PROTOCOL, OK + b"X: 1\r\n 2\r\n" + TWO),
    "a zero in a value": failed(PROTOCOL, OK + b"X: 1\x002\r\n" + TWO),
    "a lone carriage return": failed(PROTOCOL, OK + b"X: 1\r2\r\n" + TWO),
    "lone line feeds": failed(PROTOCOL, b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    "a chunk of no size": of(OK + CHUNKED, b"\r\nok\r\n0\r\n\r\n", body_code=PROTOCOL),
    "a chunk of a negative size": of(OK + CHUNKED, b"-2\r\nok\r\n0\r\n\r\n", body_code=PROTOCOL),
    "a chunk of a size beyond all": of(OK + CHUNKED, b"fffffffffffffffff\r\nok", body_code=PROTOCOL),
    "a chunk longer than its size": of(OK + CHUNKED, b"1\r\nok\r\n0\r\n\r\n", body_code=PROTOCOL),
}
BROKEN = {
    "nothing": failed(TERMINATED, END),
    "a reset": failed(TERMINATED, RESET),
    "half a head": failed(INCOMPLETE, OK + b"Content-Le", END),
    "a reset in the head": failed(TERMINATED, OK, RESET),
    "an informational answer alone": failed(INCOMPLETE, CONTINUE, END),
    "half a body": of(OK + b"Content-Length: 100\r\n\r\nsome", END, body=b"some", body_code=INCOMPLETE),
    "half a chunk": of(OK + CHUNKED + b"10\r\nsome", END, body=b"some", body_code=INCOMPLETE),
    "no last chunk": of(OK + CHUNKED + b"4\r\nsome\r\n", END, body=b"some", body_code=INCOMPLETE),
    "a reset in the body": of(OK + b"Content-Length: 9\r\n\r\nsome", RESET, body=b"some", body_code=INCOMPLETE),
}
SLOW = {
    "nothing, ever": failed("HTTP_response_timeout", at_most_s=FIRST_BYTE_S),
    "a head byte by byte": failed(
        "HTTP_response_timeout", *(step for byte in OK + TWO for step in (b"%c" % byte, 2.0)), at_most_s=FIRST_BYTE_S
    ),
    "an informational answer every ten seconds": failed(
        "HTTP_response_timeout", *((CONTINUE, 10.0) * 9), at_most_s=FIRST_BYTE_S
    ),
    "a body that stops": of(
        OK + b"Content-Length: 9\r\n\r\nsome", body=b"some", body_code="connection_read_timeout", at_most_s=BETWEEN_S
    ),
    "the extension of a chunk, for ever": of(
        OK + CHUNKED + b"4\r\nsome\r\n1;",
        *((b"x", 1.0) * 200),
        body=b"some",
        body_code="connection_read_timeout",
        at_most_s=BETWEEN_S,
    ),
    "trailers, for ever": of(
        OK + CHUNKED + b"4\r\nsome\r\n0\r\n",
        *((b"X: 1\r\n", 1.0) * 200),
        body=b"some",
        body_code="connection_read_timeout",
        at_most_s=BETWEEN_S,
    ),
}
ENDLESS = {
    "informational answers": failed(PROTOCOL, more=CONTINUE),
    "informational answers at once": failed(PROTOCOL, CONTINUE * 20_000),
    "a reason": failed(HEAD_SIZE, b"HTTP/1.1 200 ", more=b"x" * 999),
    "headers": failed(HEAD_SIZE, OK, more=b"X: 1\r\n" * 99),
    "a header's name": failed(HEAD_SIZE, OK, more=b"x" * 999),
    "a header's value": failed(HEAD_SIZE, OK, b"X:", more=b"x" * 999),
    "line ends": failed(HEAD_SIZE, more=b"\r\n" * 999),
    "the extension of a chunk": of(OK + CHUNKED + b"1;", more=b"x" * 999, body_code=PROTOCOL),
    "large extensions of small chunks": of(OK + CHUNKED, more=b"1;" + b"x" * 9_000 + b"\r\na\r\n", body_code=PROTOCOL),
    "trailers": of(OK + CHUNKED + b"0\r\n", more=b"X: 1\r\n" * 99, body_code=HEAD_SIZE),
    "a trailer": of(OK + CHUNKED + b"0\r\nX:", more=b"x" * 999, body_code=PROTOCOL),
    "a body": of(OK + b"\r\n", more=bytes(65_536), body_code=BODY_SIZE),
    "chunks of a byte": of(OK + CHUNKED, more=b"1\r\na\r\n" * 9_999, body_code=BODY_SIZE, at_most_s=60.0),
}
ALL = {
    f"{kind}: {name}": case
    for kind, cases in (
        ("harmless", HARMLESS),
        ("surplus", SURPLUS),
        ("malformed", MALFORMED),
        ("broken", BROKEN),
        ("slow", SLOW),
        ("endless", ENDLESS),
    )
    for name, case in cases.items()
}


@pytest.mark.parametrize("case", ALL.values(), ids=ALL)
def test_a_guest_gets_an_answer_or_a_code_and_the_next_request_its_own(case: Case) -> None:
    async def work(client: Client) -> tuple[Got, float, Got]:
        first = await client.got("/first", method=case.method)
        took_s = asyncio.get_running_loop().time()
        if case.status is not None and case.body_code is None:
            await asyncio.sleep(2)  # whatever it still says has come
        return first, took_s, await client.got("/second")

    server = Server(lambda path: case.script() if path == "/first" else [SECOND])
    (first, took_s, second), steps = talk(server, work, HttpLimits(response_bytes=MOST))
    assert (first.status, first.code, first.body_code) == (case.status, case.code, case.body_code)
    if case.body_code is None or case.body:
        assert first.body == case.body
    assert took_s <= case.at_most_s
    assert (second.status, second.body, second.headers["X-Second"]) == (200, b"second", b"yes")
    assert server.lines == [f"{case.method} /first HTTP/1.1", "GET /second HTTP/1.1"]
    assert len(server.pipes) == (1 if case.reused else 2)
    assert steps.most <= 1, "others have their turn between any two slices"


def test_chunks_of_a_byte_come_together_and_hold_nobody() -> None:
    """1.2 MB in chunks of one byte: it was parsed in one go, for seconds, and each byte woke the guest."""
    size = 1_200_000
    says = [OK + CHUNKED, *[b"1\r\na\r\n" * 40_000] * 30, b"0\r\n\r\n"]
    server = Server(lambda _: says)

    async def work(client: Client) -> Got:
        return await client.got("/")

    got, steps = talk(server, work)
    assert (got.status, len(got.body), got.body_code) == (200, size, None)
    assert steps.most == 1
    assert steps.slices <= 6 * size / SLICE + len(says)
    assert steps.ends_at_s > 0.1, "it is paced: it takes a quarter of the loop's time at most"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"authority": "a..example"}, "HTTP_request_URI_invalid"),
        ({"authority": "."}, "HTTP_request_URI_invalid"),
        ({"authority": f"{'a' * 64}.example"}, "HTTP_request_URI_invalid"),
        ({"path": "/" + "a" * 20_000}, "HTTP_request_URI_too_long"),
        ({"path": "/a b"}, "HTTP_request_URI_invalid"),
        ({"method": "GET /"}, "HTTP_request_method_invalid"),
    ],
)
def test_what_no_request_may_say_is_refused_at_once(changes: dict[str, Any], code: str) -> None:
    async def work(client: Client) -> object:
        with pytest.raises(HttpFailed) as caught:
            client.send(**({"path": "/"} | changes))
        return caught.value.code

    assert talk(Server(lambda _: []), work)[0] == code


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ((("content-length", b"5"),), {"HTTP_request_body_size": 0}),
        ((("content-length", b"5"), ("Content-Length", b"6")), PROTOCOL),
        ((("content-length", b"+5"),), PROTOCOL),
        ((("x", b"a\r\ny: b"),), "configuration_error"),
        ((("x", b"a\x00b"),), "configuration_error"),
    ],
)
def test_a_head_that_cannot_be_sent_fails_and_nothing_leaves(headers: Any, code: object) -> None:
    server = Server(lambda _: [SECOND])

    async def work(client: Client) -> Got:
        return await client.got("/", headers=headers)

    assert talk(server, work)[0].code == code
    assert (server.lines, server.pipes) == ([], [])


def test_an_answer_before_all_was_sent_is_one_and_the_connection_serves_no_other() -> None:
    server = Server(lambda path: [OK + TWO] if path == "/first" else [SECOND])

    async def work(client: Client) -> tuple[Got, Got]:
        body = client.body()
        body.write(b"begin")
        exchange = client.send("/first", method="POST", body=body)
        return await read(exchange), await client.got("/second")

    (first, second), steps = talk(server, work)
    assert (first.status, first.body, second.body) == (200, b"ok", b"second")
    assert len(server.pipes) == 2
    assert steps.ends_at_s < 1


def test_a_server_that_takes_nothing() -> None:
    server = Server(lambda _: [], reads=False)

    async def work(client: Client) -> Got:
        body = client.body()

        async def write() -> None:
            while True:
                body.write(bytes(body.room()))
                await asyncio.sleep(1)

        writing = asyncio.ensure_future(write())
        got = await client.got("/", method="POST", body=body)
        await asyncio.gather(writing, return_exceptions=True)
        return got

    got, steps = talk(server, work, HttpLimits(between_bytes_s=7.0))
    assert got.code == "connection_write_timeout"
    assert steps.ends_at_s < 20


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (Server(lambda _: [SECOND], resolves_after_s=99), "DNS_timeout"),
        (Server(lambda _: [SECOND], connects_after_s=99), "connection_timeout"),
        (Server(lambda _: [SECOND], resolves_after_s=6, connects_after_s=6), "connection_timeout"),
    ],
    ids=["its name", "its connection", "both together"],
)
def test_connecting_has_one_time_for_all_of_it(server: Server, code: str) -> None:
    async def work(client: Client) -> Got:
        return await client.got("/", timeouts=Timeouts(connect_ns=10 * 10**9))

    got, steps = talk(server, work)
    assert (got.code, steps.ends_at_s) == (code, 10.0)


def test_who_finds_no_room_waits_in_turn_and_not_for_ever() -> None:
    server = Server(lambda path: [25.0, OK + TWO] if path == "/long" else [OK + TWO])
    limits = HttpLimits(connections=1, connect_s=10.0)

    async def work(client: Client) -> list[Got]:
        long = client.send("/long")
        await asyncio.sleep(0.1)
        late = await client.got("/late")
        await asyncio.sleep(10)
        waiting = [client.send(f"/{number}") for number in range(3)]
        return [late, await read(long), *[await read(one) for one in waiting]]

    (late, *others), _ = talk(server, work, limits)
    assert late.code == "connection_limit_reached"
    assert [got.body for got in others] == [b"ok"] * 4
    assert server.lines[1:] == [f"GET /{number} HTTP/1.1" for number in range(3)]
    assert len(server.pipes) == 1


def test_a_resting_connection_makes_room_for_another_host() -> None:
    server = Server(lambda _: [OK + TWO])

    async def work(client: Client) -> list[int | None]:
        return [(await client.got("/", authority=f"{name}.example")).status for name in "aab"]

    assert talk(server, work, HttpLimits(connections=1))[0] == [200, 200, 200]
    assert len(server.pipes) == 2


def test_bounds_are_as_they_are_documented() -> None:
    assert (MAX_HEAD, MAX_HEADERS, MAX_INFORMATIONAL) == (65_536, 256, 16)
