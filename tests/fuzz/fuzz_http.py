"""HTTP of clients and of remote servers.

Promises for a request: every answer is of HTTP and none is a 500; nothing is raised on the event loop; once the client
has gone nothing is kept of it; and no header that reaches the application holds a line end.
For an answer: a guest gets a response or an error code, no more body than bytes came, and whether the bytes come at
once or one by one changes nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from fuzzing import Target

REQUESTS = (
    b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\nhello world",
    b"POST /v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"PUT /c HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
)
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 11\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate",
)
TOKENS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\x00",
    b"\t",
    b":",
    b": ",
    b"0\r\n\r\n",
    b"ffffffff\r\n",
    b"-1",
    b"+1",
    b"0x1",
    b"99999999999999999999",
    b" HTTP/1.1\r\n",
    b"HTTP/1.1 ",
    b"HTTP/1.0",
    b"HTTP/9.9",
    b"GET ",
    b"CONNECT a:1 ",
    b"PRI * HTTP/2.0",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Upgrade: x\r\nConnection: upgrade\r\n",
    b"Host: x\r\n",
    b"Host: y\r\n",
    b"Expect: 100-continue\r\n",
    b"100 ",
    b"101 ",
    b"204 ",
    b"X: " + b"x" * 900 + b"\r\n",
    b"X: 1\r\n" * 90,
    b" folded\r\n",
)
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
STATUSES = {200, 400, 408, 413, 431, 503}


class _Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_closed = bytearray(), False

    def write(self, data: Any) -> None:
        self.written += data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def get_write_buffer_size(self) -> int:
        return 0

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def _load_request() -> Callable[[bytes], object]:
    import uvicorn
    from uvicorn.server import ServerState

    from obelisk.gateway.http.connections import Connections
    from obelisk.gateway.http.protocol import Protocol
    from scripted_servers import Loop

    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            more = message["more_body"]
        text = b"%d" % size
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    loop, wrong = Loop(), list[Any]()
    loop.set_exception_handler(lambda _, context: wrong.append(context))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", loop="none")
    config.load()
    connections = Connections(most=4)

    async def talk(data: bytes, cut: int) -> bytes:
        transport = _Transport()
        made = Protocol(config, ServerState(), {}, loop, connections=connections)
        made.connection_made(transport)
        for part in (data[:cut], data[cut:]):
            if part and not transport.is_closed:
                made.data_received(part)
                for _ in range(6):
                    await asyncio.sleep(0)
        await asyncio.sleep(100)  # every deadline has come
        made.eof_received()
        made.connection_lost(None)
        await asyncio.sleep(0)
        return bytes(transport.written)

    def feed(data: bytes) -> object:
        seen.clear()
        answers = loop.run_until_complete(talk(data[1:], data[0] * len(data) // 256 if data else 0))
        assert not wrong, wrong
        assert len(connections) == 0
        statuses = [int(status) for status in STATUS.findall(answers)]
        assert not answers or answers.startswith(b"HTTP/1.1 ")
        assert set(statuses) <= STATUSES | {100}, statuses
        for scope in seen:
            assert scope["method"].isupper()
            assert all(b"\r" not in part and b"\n" not in part for pair in scope["headers"] for part in pair)
        return 200 in statuses

    return feed


def _load_response() -> Callable[[bytes], object]:
    from obelisk.runtime.host.wasi.http.fields import is_value
    from obelisk.runtime.host.wasi.http.messages import HttpFailed
    from obelisk.runtime.host.wasi.http.reading import SLICE, Reading

    def read(data: bytes, method: str, size: int) -> tuple[object, ...]:
        reading, body = Reading(method), bytearray()
        code: object = None
        try:
            for at in range(0, len(data), size):
                body += reading.feed(data[at : at + size])
                if reading.is_done:
                    break
            else:
                reading.end()
        except HttpFailed as failed:
            code = failed.code
            assert isinstance(code, str | dict)
        assert len(body) <= len(data)
        if reading.has_head:
            assert 200 <= reading.status <= 999
            assert all(is_value(value) for _, value in reading.headers)
        head = (reading.status, tuple(reading.headers)) if reading.has_head else None
        return head, bytes(body) if code is None else None, code, reading.is_done

    def feed(data: bytes) -> object:
        method = "HEAD" if data[:1] == b"\x01" else "GET"
        text = data[1:]
        whole = read(text, method, SLICE)
        assert read(text, method, 1) == whole
        return whole[2] is None

    return feed


REQUEST = Target(name="http-request", load=_load_request, seeds=lambda: [b"\x80" + r for r in REQUESTS], tokens=TOKENS)
RESPONSE = Target(
    name="http-response", load=_load_response, seeds=lambda: [b"\x00" + a for a in ANSWERS], tokens=TOKENS
)
