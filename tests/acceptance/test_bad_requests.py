"""A thousand and more bad requests on raw connections: each gets a documented 4xx, and the server stays well.

Good requests are damaged in their method, path, query, headers, encoding, framing and body; seeded, so that a failure
comes back. `REQUESTS=n` makes a longer run, `SEED=n` another one.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from server import Server

FIBO = Path(__file__).parents[2] / "examples/fibo"
SETTINGS = f"""
default_wait_s = 0.2
max_wait_s = 60
max_follow_s = 0.2
body_timeout_s = 0.2
max_body_bytes = 1000
[component.activity]
path = "{FIBO}/activity.wat"
[component.workflow]
path = "{FIBO}/workflow.wat"
"""
REQUESTS = int(os.environ.get("REQUESTS", "1200"))
SEED = int(os.environ.get("SEED", "1"))
CALL = "/v1/functions/demo:fibo/fibo/fibo"
GARBAGE = (
    b"\x00",
    b"\xff\xfe",
    "é".encode(),
    b"%",
    b"%zz",
    b"%ff",
    b"%00",
    b"..",
    b"//",
    b"\\",
    b"\x7f",
    b"#",
    b"?",
    b" ",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as bytes will be made of it."""

    method: bytes = b"POST"
    target: bytes = CALL.encode()
    version: bytes = b"HTTP/1.1"
    headers: tuple[tuple[bytes, bytes], ...] = field(
        default=((b"Host", b"localhost"), (b"Content-Type", b"application/json"), (b"Connection", b"close"))
    )
    body: bytes = b'{"n": 10}'
    length: bytes | None = None

    def encoded(self) -> bytes:
        length = b"%d" % len(self.body) if self.length is None else self.length
        headers = (*self.headers, (b"Content-Length", length)) if length else self.headers
        lines = [b"%b %b %b" % (self.method, self.target, self.version), *(b"%b: %b" % pair for pair in headers)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body

    def with_header(self, name: bytes, value: bytes) -> Sent:
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))


GOOD = Sent()
GET = Sent(method=b"GET", target=b"/v1/executions", body=b"")
STEER = Sent(target=b"/v1/executions/E_1/cancel", body=b"")
Damage = Callable[[random.Random], Sent]


def _noise(dice: random.Random, most: int = 40) -> bytes:
    return dice.randbytes(dice.randint(1, most))


def _some(dice: random.Random, alphabet: bytes, most: int = 30) -> bytes:
    return bytes(dice.choice(alphabet) for _ in range(dice.randint(1, most)))


def _damaged(dice: random.Random, text: bytes) -> bytes:
    """Not the text that it was."""
    place = dice.randrange(len(text))
    how = dice.randrange(3)
    if how == 0:
        return text[:place]
    return text[:place] + dice.choice(GARBAGE) + text[place + (how == 1) :]


def method(dice: random.Random) -> Sent:
    names = (
        b"GET",
        b"PUT",
        b"DELETE",
        b"PATCH",
        b"TRACE",
        b"NONSENSE",
        b"post",
        b"P OST",
        b"PROPFIND",
        b"LINK",
        b"\x00",
    )
    return replace(GOOD, method=dice.choice(names))


def path(dice: random.Random) -> Sent:
    targets = (
        CALL.encode() + b"x",
        CALL.encode().replace(b":", b"/"),
        _damaged(dice, CALL.encode()[:-1]),
        b"/v1/functions/" + _some(dice, b"abc:/@.-%41", 60),
        b"/" + _some(dice, b"abcdefv1/", 30) + b"!",
        _noise(dice).replace(b"\r", b"").replace(b"\n", b""),
        b"/v1/executions/" + _some(dice, b"E_01./:%2F", 50) + b"/cancel",
        b"http://localhost" + CALL.encode() + b"x",
        b"*",
        b"/" * dice.randint(2, 300),
        b"/" + b"a" * 70_000,
    )
    return replace(GOOD, target=dice.choice(targets))


def query(dice: random.Random) -> Sent:
    queries = (
        b"limit=" + _some(dice, b"0-e.x+", 5) + b"x",
        b"status=" + _some(dice, b"abc", 6),
        b"created_from=" + _some(dice, b"0123-T:Z", 20),
        b"cursor=" + _some(dice, b"abcXYZ012", 40),
        _some(dice, b"abcdefg", 8) + b"q=1",
        b"limit=1&limit=2",
        b"tags=" + _some(dice, b"abc,", 8),
        b"digest=sha256:0",
        b"function=%ff",
        b"&".join(b"a%d=1" % number for number in range(40)),
        b"top_level=" + _some(dice, b"yes01", 4),
        b"result_kind=" + _noise(dice, 4).hex().encode(),
    )
    return replace(GET, target=b"/v1/executions?" + dice.choice(queries))


def header(dice: random.Random) -> Sent:
    choices = (
        GOOD.with_header(b"Content-Type", dice.choice((b"text/plain", b"", b"application/xml", _some(dice, b"ab/;=")))),
        GOOD.with_header(b"Content-Encoding", dice.choice((b"gzip", b"br", b"x", b"identity, gzip"))),
        GOOD.with_header(b"Idempotency-Key", dice.choice((b"", b"a b", b"x" * 256, "ä".encode()))),
        GOOD.with_header(
            b"Obelisk-Tags", dice.choice((b"", b"a", b"a=", b"a=b,", b"a=b c", "a=ä".encode(), b"a=b," * 20))
        ),
        GOOD.with_header(b"Host", dice.choice((b"evil.test", b"", b"127.0.0.1.evil.test", b"[::2]", b"a, b"))),
        GOOD.with_header(b"Origin", dice.choice((b"null", b"https://evil.test", b"", b"http://localhost:1"))),
        GOOD.with_header(_some(dice, b"a b\x00(", 6) + b"(", b"1"),
        GOOD.with_header(b"X", b"\x00" + _noise(dice)),
        GOOD.with_header(b"X", b"x" * 70_000),
        replace(GOOD, headers=(*GOOD.headers, (b"Host", b"localhost"))),
        replace(GOOD, headers=(*GOOD.headers, *((b"X%d" % n, b"y" * 50) for n in range(1500)))),
        replace(GET, target=b"/v1/executions/E_1/events/follow").with_header(b"Last-Event-ID", _some(dice, b"-.ex")),
    )
    return dice.choice(choices)


def framing(dice: random.Random) -> Sent:
    choices = (
        replace(GOOD, version=dice.choice((b"HTTP/0.9", b"HTTP/3", b"HTTP/1.x", b"", b"HTTPS/1.1", b"HTTP/1.1 x"))),
        replace(GOOD, length=dice.choice((b"-1", b"1e3", b"0x9", b"+9", b"9, 9", b"1" * 40, b"9 9"))),
        replace(GOOD, length=b"%d" % (len(GOOD.body) + dice.randint(1, 50))),
        replace(GOOD, length=b"%d" % dice.randint(1, len(GOOD.body) - 1)),
        replace(GOOD, length=b"9").with_header(b"Transfer-Encoding", b"chunked"),
        replace(GOOD, length=b"", body=_some(dice, b"0123xyz\r\n;", 20) + b"!").with_header(
            b"Transfer-Encoding", b"chunked"
        ),
        replace(GOOD, length=b"").with_header(b"Transfer-Encoding", dice.choice((b"gzip", b"chunked, x", b"identity"))),
        replace(STEER, body=_noise(dice)),
    )
    return dice.choice(choices)


def body(dice: random.Random) -> Sent:
    bodies = (
        _damaged(dice, GOOD.body),
        _noise(dice),
        b"[" * dice.randint(201, 900),
        b'{"n": ' + _some(dice, b"-+.eE", 10) + b"}",
        b'{"n": %d}' % dice.choice((-1, 256, 10**30)),
        b'{"n": 1, "n": 2}',
        b'{"n": "' + _noise(dice) + b'"}',
        b'{"n": NaN}',
        b'"\\ud800"',
        b"\xef\xbb\xbf" + GOOD.body,
        b'{"n": 10, "more": 1}',
        b"[10, 11]",
        b"[]",
        b"x" * 1001,
        GOOD.body.decode().encode("utf-16"),
        b"",
    )
    return replace(GOOD, body=dice.choice(bodies))


DAMAGES: tuple[Damage, ...] = (method, path, query, header, framing, body)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"), SETTINGS)
    started.start()
    yield started
    started.close()


def answer_to(port: int, sent: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 120) as raw:
        raw.sendall(sent)
        answer = b""
        while part := raw.recv(65_536):
            answer += part
        return answer


def documented(document: dict[str, Any]) -> dict[tuple[str, re.Pattern[str]], set[int]]:
    """The statuses of every operation, by method and pattern of its path."""
    table: dict[tuple[str, re.Pattern[str]], set[int]] = {}
    for template, operations in document["paths"].items():
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)) + r"\Z")
        for name, operation in operations.items():
            table[name.upper(), pattern] = {int(status) for status in operation["responses"]}
    return table


def test_bad_requests_get_documented_refusals(server: Server) -> None:
    statuses = documented(server.http.get("/openapi.json").json())
    everywhere = {status for status in range(400, 500) if all(status in own for own in statuses.values())}
    dice, seen = random.Random(SEED), Counter[str]()
    for number in range(REQUESTS):
        damage = DAMAGES[number % len(DAMAGES)]
        sent = damage(dice)
        raw = sent.encoded()
        answer = answer_to(server.port, raw)
        said = f"request {number} ({damage.__name__}) {raw[:300]!r} got {answer[:300]!r}"
        head, _, rest = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0
        assert 400 <= status < 500, said
        assert b"content-type: application/problem+json" in head.lower(), said
        problem = json.loads(rest)
        assert problem["status"] == status, said
        place = sent.target.partition(b"?")[0].decode("latin-1")
        own = [
            kept for (verb, pattern), kept in statuses.items() if verb == sent.method.decode() and pattern.match(place)
        ]
        assert status in {*everywhere, 404, 405}.union(*own), said
        seen[problem["code"]] += 1
    assert sum(seen.values()) == REQUESTS
    assert len(seen) >= 14, seen
    assert server.http.post(CALL, json={"n": 10}, headers={"Prefer": "wait=60"}).json() == 55
    recorded = server.http.get("/v1/executions").json()["items"]
    assert len(recorded) == 1, "what is refused leaves nothing behind"
    assert "Traceback" not in server.log()
    assert "internal error" not in server.log()
