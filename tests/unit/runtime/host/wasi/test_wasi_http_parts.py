"""Headers, bodies and failures of HTTP, each alone."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

import pytest

from obelisk.runtime.host.wasi.http.addresses import Connector, Origin, Resolve
from obelisk.runtime.host.wasi.http.failures import connecting, failure_of
from obelisk.runtime.host.wasi.http.fields import MAX_BYTES, Fields, HeaderRefused, declared_length
from obelisk.runtime.host.wasi.http.flows import IN_FLIGHT, Inflow, Outflow
from obelisk.runtime.host.wasi.http.messages import HttpFailed
from obelisk.runtime.host.wasi.io.streams import CHUNK, StreamEnd, StreamError
from obelisk.runtime.ports.guest import HostMemory


# --- headers --------------------------------------------------------------------------------------------------------
def test_fields_keep_order_and_names() -> None:
    fields = Fields(HostMemory())
    for name, value in [("A", b"1"), ("b", b"2"), ("a", b"3")]:
        fields.append(name, value)
    assert fields.get("a") == [b"1", b"3"]
    fields.set("B", [b"4", b"5"])
    assert fields.entries() == (("A", b"1"), ("a", b"3"), ("B", b"4"), ("B", b"5"))
    fields.delete("A")
    assert fields.entries() == (("B", b"4"), ("B", b"5"))


@pytest.mark.parametrize(
    ("name", "value", "case"),
    [
        ("", b"x", "invalid_syntax"),
        ("a b", b"x", "invalid_syntax"),
        ("a:", b"x", "invalid_syntax"),
        ("ä", b"x", "invalid_syntax"),
        ("a", b"x\r\ny", "invalid_syntax"),
        ("a", b"x\x00y", "invalid_syntax"),
        ("a", b" x", "invalid_syntax"),
        ("a", b"x" * MAX_BYTES, "invalid_syntax"),
        ("Connection", b"close", "forbidden"),
        ("transfer-Encoding", b"chunked", "forbidden"),
        ("Host", b"x", "forbidden"),
    ],
)
def test_headers_that_are_refused(name: str, value: bytes, case: str) -> None:
    fields = Fields(HostMemory())
    fields.append("kept", b"1")
    with pytest.raises(HeaderRefused) as appended:
        fields.append(name, value)
    with pytest.raises(HeaderRefused) as replaced:
        fields.set(name, [b"ok", value])
    assert (appended.value.case, replaced.value.case) == (case, case)
    assert fields.entries() == (("kept", b"1"),)


def test_headers_of_a_message_stay_and_copies_change() -> None:
    fields = Fields(HostMemory(), [("a", b"1")]).freeze()
    with pytest.raises(HeaderRefused, match="immutable"):
        fields.append("b", b"2")
    with pytest.raises(HeaderRefused, match="immutable"):
        fields.delete("a")
    with pytest.raises(HeaderRefused, match="immutable"):
        fields.set("a", [])
    copy = fields.clone()
    copy.append("b", b"2")
    assert (len(fields.entries()), len(copy.entries())) == (1, 2)


def test_declared_lengths() -> None:
    assert declared_length(Fields(HostMemory())) is None
    assert declared_length(Fields(HostMemory(), [("Content-Length", b"12"), ("content-length", b"12")])) == 12
    for wrong in ([b"-1"], [b"1", b"2"], [b""], [b"9" * 19], [b"1_0"]):
        with pytest.raises(ValueError, match="content-length"):
            declared_length(Fields(HostMemory(), [("content-length", value) for value in wrong]))


# --- bodies ---------------------------------------------------------------------------------------------------------
def test_an_inflow_holds_the_sender_back() -> None:
    async def flow() -> None:
        inflow, told = Inflow(asyncio.get_running_loop(), HostMemory()), list[str]()
        inflow.signal.watch(lambda: told.append("data"))
        await inflow.put(bytes(IN_FLIGHT))
        assert told == ["data"]
        more = asyncio.ensure_future(inflow.put(b"end"))
        await asyncio.sleep(0)
        assert not more.done()
        assert len(inflow.read(IN_FLIGHT)) == IN_FLIGHT
        await more
        inflow.finish()
        assert inflow.read(100) == b"end"
        with pytest.raises(StreamEnd):
            inflow.read(1)

    asyncio.run(flow())


def test_a_watch_tells_what_became_ready_before_it() -> None:
    async def flow() -> None:
        inflow, told = Inflow(asyncio.get_running_loop(), HostMemory()), list[str]()
        await inflow.put(b"x")
        cancel = inflow.signal.watch(lambda: told.append("cancelled"))
        inflow.signal.watch(lambda: told.append("told"))
        cancel()
        assert told == []
        await asyncio.sleep(0)
        assert told == ["told"]

    asyncio.run(flow())


def test_an_outflow_is_bounded_and_comes_whole_when_it_is_soon() -> None:
    async def flow() -> None:
        outflow = Outflow(asyncio.get_running_loop(), None, HostMemory())
        outflow.write(b"abc")
        assert outflow.room() == CHUNK - 3
        assert outflow.finish()
        assert outflow.room() == 0
        assert await outflow.first() == b"abc"

    asyncio.run(flow())


def test_an_outflow_streams_when_it_is_not_whole_soon() -> None:
    async def flow() -> None:
        outflow = Outflow(asyncio.get_running_loop(), None, HostMemory())
        outflow.write(b"abc")
        assert await outflow.first() is None
        parts = outflow.chunks()
        assert await anext(parts) == b"abc"
        outflow.write(b"d")
        outflow.finish()
        assert [part async for part in parts] == [b"d"]

    asyncio.run(flow())


def given_up(flow: Outflow) -> None:
    flow.abort()


def too_short(flow: Outflow) -> None:
    assert not flow.finish()


def too_long(flow: Outflow) -> None:
    with pytest.raises(StreamEnd, match="longer than its content-length"):
        flow.write(b"xyz")


@pytest.mark.parametrize(("act", "written"), [(given_up, 1), (too_short, 1), (too_long, 4)])
def test_an_outflow_that_breaks_its_word_fails(act: Callable[[Outflow], None], written: int) -> None:
    async def flow() -> None:
        outflow = Outflow(asyncio.get_running_loop(), 3, HostMemory())
        outflow.write(b"a")
        act(outflow)
        with pytest.raises(StreamEnd) as caught:
            await outflow.first()
        assert caught.value.error is not None
        assert caught.value.error.http_code == {"HTTP_request_body_size": written}
        with pytest.raises(StreamEnd):
            outflow.room()

    asyncio.run(flow())


# --- failures -------------------------------------------------------------------------------------------------------
def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "connection_timeout"),
        (ConnectionRefusedError(), "connection_refused"),
        (ConnectionResetError(), "connection_terminated"),
        (ssl.SSLCertVerificationError(), "TLS_certificate_error"),
        (ssl.SSLError(), "TLS_protocol_error"),
        (OSError(errno.EHOSTUNREACH, "no route"), "destination_unavailable"),
        (OSError(errno.EMFILE, "too many open files"), "connection_limit_reached"),
        (caused(OSError("one of several"), ConnectionRefusedError()), "connection_refused"),
    ],
)
def test_failures_to_connect_become_error_codes(error: Exception, code: str) -> None:
    assert connecting(error).code == code


@pytest.mark.parametrize(
    ("error", "in_body", "code"),
    [
        (ConnectionResetError(), False, "connection_terminated"),
        (ConnectionResetError(), True, "HTTP_response_incomplete"),
        (OSError(errno.EHOSTUNREACH, "no route"), True, "HTTP_response_incomplete"),
        (ssl.SSLError("bad record"), True, "TLS_protocol_error"),
        (StreamEnd(StreamError("x", "loop_detected")), False, "loop_detected"),
        (StreamEnd(), False, {"internal_error": "the body was not finished"}),
        (HttpFailed("HTTP_request_denied"), False, "HTTP_request_denied"),
        (UnicodeError("a bug"), False, {"internal_error": "UnicodeError"}),
    ],
)
def test_failures_of_an_exchange_become_error_codes(error: Exception, in_body: bool, code: object) -> None:
    assert failure_of(error, in_body=in_body).code == code


def origin(host: str) -> Origin:
    return Origin("http", host, 80, (frozenset(),))


def tried(host: str, resolve: Resolve) -> object:
    async def tries() -> object:
        with pytest.raises(HttpFailed) as caught:
            await Connector(["http.allow"], resolve, None).addresses(origin(host))
        return caught.value.code

    return asyncio.run(tries())


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["10.0.0.1", "fe80::1%eth0", "::ffff:169.254.169.254"], []],
    ids=["home", "private", "none"],
)
def test_an_address_that_is_not_allowed_is_not_connected_to(found: list[str]) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return found

    assert tried("example.com", resolve) == "destination_IP_prohibited"


@pytest.mark.parametrize(
    ("error", "rcode"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), "NXDOMAIN"),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "SERVFAIL"),
        (UnicodeError("label too long"), "SERVFAIL"),
    ],
)
def test_a_name_that_does_not_resolve(error: Exception, rcode: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise error

    assert tried("nowhere", resolve) == {"DNS_error": {"rcode": rcode, "info_code": None}}
