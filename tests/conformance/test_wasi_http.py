"""A Python guest that calls a real server through `wasi:http`: what it may, what comes back, and how it fails."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from obelisk.codegen.model.types import Field, ListType, OptionType, Primitive, RecordType, ResultType, TupleType
from obelisk.runtime.errors import ImportRefused
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.wasi.calls.http import WITH_HTTP
from obelisk.runtime.host.wasi.driving import WasiPrepared
from obelisk.runtime.host.wasi.guests import ActivityGuest, WorkflowGuest
from obelisk.runtime.host.wasi.http.client import HttpClient
from obelisk.runtime.host.wasi.http.exchange import HttpLimits
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Rule
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import ExportFunction, JsonValue, Pending, Poll, Returned
from wasi_runs import CACHE, ended, exported, prepared, python_guest, run
from wasi_server import Seen, serving

INTERFACE = "test:wasi/client@1.0.0"
STRING, U16, U32 = Primitive.STRING, Primitive.U16, Primitive.U32
BYTES, PAIRS = ListType(Primitive.U8), ListType(TupleType((STRING, STRING)))
ANSWER = RecordType(
    (Field("status", U16), Field("headers", PAIRS), Field("body", BYTES), Field("trailers", Primitive.BOOL))
)
CALL = RecordType(
    (
        *(Field(name, STRING) for name in ("method", "scheme", "authority", "path")),
        Field("headers", PAIRS),
        Field("body", OptionType(BYTES)),
        Field("first-byte-ms", U32),
        Field("between-bytes-ms", U32),
    )
)
FETCH = exported(INTERFACE, "fetch", ResultType(ANSWER, STRING), call=CALL)
PEEK = exported(INTERFACE, "peek", ResultType(ANSWER, STRING), call=CALL)
PUMP = exported(INTERFACE, "pump", ResultType(Primitive.U64, STRING), call=CALL, parts=U32)
FAN = exported(INTERFACE, "fan", ResultType(ListType(U16), STRING), calls=ListType(CALL))
HERE = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def cache() -> Iterator[ComponentCache]:
    with Engine(activity_settings()) as engine:
        yield ComponentCache(engine, CACHE / "compiled")


def activity(client: object) -> ActivityGuest:
    assert client is None or isinstance(client, HttpClient)
    return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(1000), http=client)


@pytest.fixture(scope="module")
def guest(cache: ComponentCache) -> WasiPrepared:
    return prepared(cache, python_guest("client", "calling"), [FETCH, PEEK, PUMP, FAN], activity, WITH_HTTP)


def open_rule(port: int, **changes: Any) -> Rule:
    known: dict[str, Any] = {"host": "localhost", "schemes": ("http",), "ports": (port,), "networks": HERE}
    return Rule(**(known | changes))


async def to_loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def call(path: str = "/echo", method: str = "GET", body: bytes | None = None, **changes: Any) -> dict[str, JsonValue]:
    made: dict[str, JsonValue] = {
        "method": method,
        "scheme": "http",
        "authority": "localhost:{port}",
        "path": path,
        "headers": [],
        "body": None if body is None else base64.b64encode(body).decode(),
        "first_byte_ms": 5_000,
        "between_bytes_ms": 5_000,
    }
    return made | changes


def placed(value: JsonValue, port: int) -> JsonValue:
    return cast("JsonValue", json.loads(json.dumps(value).replace("{port}", str(port))))


def talk(
    guest: WasiPrepared,
    export: ExportFunction,
    *args: JsonValue,
    rules: Sequence[dict[str, Any]] = ({},),
    limits: HttpLimits | None = None,
    times: int = 1,
) -> tuple[list[Poll], Seen]:
    """How calls of an export end, `times` of them at once, beside a server on the same loop."""

    async def beside() -> tuple[list[Poll], Seen]:
        async with serving() as seen:
            policy = HttpPolicy(tuple(open_rule(seen.port, **rule) for rule in rules))
            client = HttpClient([policy], limits or HttpLimits(), resolve_=to_loopback)
            try:
                arguments = [placed(arg, seen.port) for arg in args]
                calls = [ended(guest.start(export, arguments, client)) for _ in range(times)]
                return list(await asyncio.wait_for(asyncio.gather(*calls), 120)), seen
            finally:
                await client.close()

    return asyncio.run(beside())


def answer(guest: WasiPrepared, sent: dict[str, JsonValue], **around: Any) -> dict[str, Any]:
    (polled,), _ = talk(guest, FETCH, sent, **around)
    assert isinstance(polled, Returned)
    value = cast("dict[str, dict[str, Any]]", polled.value)
    assert "ok" in value, value
    return value["ok"]


def refusal(guest: WasiPrepared, sent: dict[str, JsonValue], **around: Any) -> str:
    (polled,), _ = talk(guest, FETCH, sent, **around)
    assert isinstance(polled, Returned)
    return cast("dict[str, str]", polled.value)["err"]


def body_of(found: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(base64.b64decode(found["body"])))


def test_a_get(guest: WasiPrepared) -> None:
    found = answer(guest, call("/echo?q=1", headers=[["x-mine", "grün"], ["accept", "text/plain"]]))
    assert (found["status"], found["trailers"]) == (200, False)
    assert [value for name, value in found["headers"] if name.lower() == "x-twice"] == ["a", "b"]
    assert not [name for name, _ in found["headers"] if name.lower() == "connection"]
    heard = body_of(found)
    assert heard["line"] == "GET /echo?q=1 HTTP/1.1"
    names = [name for name, _ in heard["headers"]]
    assert names == ["host", "x-mine", "accept"], "nothing is added"
    assert fibers.live_count() == 0


@pytest.mark.parametrize(
    ("method", "body", "length", "framing"),
    [
        ("POST", b"hello", 5, "content-length"),
        ("POST", b"", 0, "content-length"),
        ("GET", b"", 0, None),
        ("GET", None, 0, None),
        ("PATCH", b"x" * 200_000, 200_000, "transfer-encoding"),
    ],
)
def test_bodies_are_framed(
    guest: WasiPrepared, method: str, body: bytes | None, length: int, framing: str | None
) -> None:
    heard = body_of(answer(guest, call(method=method, body=body)))
    assert (heard["line"].split()[0], heard["length"]) == (method, length)
    framed = [name for name, _ in heard["headers"] if name in ("content-length", "transfer-encoding")]
    assert framed == ([] if framing is None else [framing])


def test_a_declared_length_is_kept(guest: WasiPrepared) -> None:
    declared: list[JsonValue] = [["content-length", "5"]]
    heard = body_of(answer(guest, call(method="POST", body=b"12345", headers=declared)))
    assert (heard["length"], ["content-length", "5"] in heard["headers"]) == (5, True)
    for wrong in (b"1234", b"123456"):
        assert refusal(guest, call(method="POST", body=wrong, headers=declared)) == "HttpRequestBodySize"


def test_a_head_has_no_body(guest: WasiPrepared) -> None:
    assert answer(guest, call(method="HEAD"))["body"] == ""


def test_bodies_stream_both_ways_in_bounded_memory(guest: WasiPrepared) -> None:
    (polled,), _ = talk(guest, PUMP, call("/back", method="POST", body=b""), 48)
    assert polled == Returned({"ok": 48 * 65_536})


def test_connections_are_used_again(guest: WasiPrepared) -> None:
    calls: list[JsonValue] = [call() for _ in range(30)]
    (polled,), seen = talk(guest, FAN, calls, limits=HttpLimits(connections=5))
    assert isinstance(polled, Returned)
    assert polled.value == {"ok": [200] * 30}
    assert (len(seen.requests), seen.connections <= 5) == (30, True)


def test_many_guests_wait_at_once(guest: WasiPrepared) -> None:
    polls, seen = talk(guest, PEEK, call(), times=40)
    assert all(isinstance(polled, Returned) and "ok" in cast("dict[str, Any]", polled.value) for polled in polls)
    assert len(seen.requests) == 40


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/close", "ConnectionTerminated"),
        ("/garbage", "HttpProtocolError"),
        ("/cut", "HttpResponseIncomplete"),
        ("/no-head", "HttpResponseTimeout"),
        ("/drip", "HttpResponseTimeout"),
        ("/stall", "ConnectionReadTimeout"),
        ("/flood", "HttpResponseBodySize"),
    ],
)
def test_bad_servers(guest: WasiPrepared, path: str, error: str) -> None:
    limit_ms = 300 if "Timeout" in error else 60_000  # only what runs out of time has little of it
    sent = call(path, first_byte_ms=limit_ms, between_bytes_ms=limit_ms)
    assert refusal(guest, sent, limits=HttpLimits(response_bytes=1_000_000)) == error


def test_a_redirect_is_not_followed_and_its_target_not_reached(guest: WasiPrepared) -> None:
    found = answer(guest, call("/redirect"))
    assert (found["status"], ["Location", "http://169.254.169.254/latest"] in found["headers"]) == (302, True)
    assert refusal(guest, call("/latest", authority="169.254.169.254")) == "HttpRequestDenied"
    rules = [{"host": "*", "ports": (80,)}]
    assert refusal(guest, call("/latest", authority="169.254.169.254"), rules=rules) != "HttpRequestDenied"


@pytest.mark.parametrize(
    ("changes", "rule", "error"),
    [
        ({"authority": "127.0.0.1:{port}"}, {}, "HttpRequestDenied"),
        ({"scheme": "https"}, {}, "HttpRequestDenied"),
        ({"authority": "localhost:1"}, {}, "HttpRequestDenied"),
        ({"method": "POST"}, {"methods": ("GET",)}, "HttpRequestDenied"),
        ({}, {"networks": ()}, "DestinationIpProhibited"),
        ({"authority": "user@localhost:{port}"}, {}, "HttpRequestUriInvalid"),
        ({"path": "/a b"}, {}, "HttpRequestUriInvalid"),
        ({"path": "/echo HTTP/1.1\r\nx: y"}, {}, "HttpRequestUriInvalid"),
        ({"method": "GET /x HTTP/1.1\r\n"}, {}, "HttpRequestMethodInvalid"),
        ({"scheme": "ftp"}, {}, "HttpProtocolError"),
        ({"headers": [["x", "a\r\nb: c"]]}, {}, "InvalidSyntax"),
        ({"headers": [["x: y\r\nz", "a"]]}, {}, "InvalidSyntax"),
        ({"headers": [["Host", "other"]]}, {}, "Forbidden"),
        ({"headers": [["Transfer-Encoding", "chunked"]]}, {}, "Forbidden"),
    ],
)
def test_what_is_not_allowed_never_leaves(
    guest: WasiPrepared, changes: dict[str, Any], rule: dict[str, Any], error: str
) -> None:
    (polled,), seen = talk(guest, FETCH, call(**changes), rules=[rule])
    assert polled == Returned({"err": error})
    assert (seen.requests, seen.connections) == ([], 0)


def test_nothing_is_allowed_by_default(guest: WasiPrepared) -> None:
    assert refusal(guest, call(), rules=[]) == "HttpRequestDenied"

    async def without() -> Poll:
        return await ended(guest.start(FETCH, [placed(call(), 80)], None))

    assert asyncio.run(without()) == Returned({"err": "HttpRequestDenied"})


def test_a_workflow_may_import_it_and_is_denied(cache: ComponentCache) -> None:
    class Still(SystemClock):
        def sleep_until(self, at_ns: int, answer: Callable[[], JsonValue]) -> JsonValue | Pending:
            raise AssertionError("it does not sleep")

    def workflow(_context: object) -> WorkflowGuest:
        return WorkflowGuest(None, Still(), randomness=SystemRandomness(), output=BoundedOutput(0))

    ready = prepared(cache, python_guest("client", "calling"), [FETCH], workflow, WITH_HTTP)
    assert run(ready, FETCH, placed(call(), 80)) == Returned({"err": "HttpRequestDenied"})
    assert run(ready, FETCH, placed(call(method="POST", body=b"x"), 80)) == Returned({"err": "refused"})


def test_connections_that_fail(guest: WasiPrepared) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        sent = call(authority=f"localhost:{port}")
        assert refusal(guest, sent, rules=[{"ports": (port,)}]) == "ConnectionRefused"
    plain = call(scheme="https")
    assert refusal(guest, plain, rules=[{"schemes": ("https",)}]) == "TlsProtocolError"


def test_http_is_no_import_of_guests_without_it(cache: ComponentCache) -> None:
    with pytest.raises(ImportRefused) as caught:
        prepared(cache, python_guest("client", "calling"), [FETCH], activity)
    missing = cast("list[str]", caught.value.fields["imports"])
    assert "wasi:http/outgoing-handler@0.2.9" in missing
    assert all(name.startswith("wasi:http/") for name in missing)


def test_a_guest_that_ends_early_lets_go(guest: WasiPrepared) -> None:
    async def cut_short() -> int:
        async with serving() as seen:
            client = HttpClient([HttpPolicy((open_rule(seen.port),))], HttpLimits(), resolve_=to_loopback)
            fiber = guest.start(FETCH, [placed(call("/no-head"), seen.port)], client)
            running = asyncio.ensure_future(ended(fiber))
            while not seen.requests:
                await asyncio.sleep(0.01)
            running.cancel()
            fiber.close()
            while client.live:
                await asyncio.sleep(0.01)
            live = client.live
            await client.close()
            return live

    assert asyncio.run(asyncio.wait_for(cut_short(), 120)) == 0
