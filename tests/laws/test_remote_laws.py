"""Whatever a server says, its guest gets a response or an error code of `wasi:http`, others have their turn meanwhile,
and the next request gets its own answer.

Answers are valid ones with bytes changed, cut out, repeated and put in, cut into segments anywhere, and the connection
then stays open, ends or breaks.
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.runtime.host.wasi.http.exchange import HttpLimits
from obelisk.runtime.host.wasi.http.reading import SLICE
from scripted_servers import END, RESET, SECOND, Client, Got, Server, Step, talk

VALID: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end",
    b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 11\r\n\r\n',
    b"HTTP/1.1 503 \xc3\xa4\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate",
)
TELLING: Final = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b" ", b":", b"0\r\n\r\n", b"0", b"f", b"-1", b"99999999999999999999",
    b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n", b"Upgrade: x\r\nConnection: upgrade\r\n", b"101", b"\xff",
    SECOND,
)  # fmt: skip
PLAIN: Final = frozenset(
    {
        "connection_terminated",
        "connection_read_timeout",
        "HTTP_response_incomplete",
        "HTTP_response_timeout",
        "HTTP_protocol_error",
    }
)
WITH_PAYLOAD: Final = {"HTTP_response_header_section_size": int, "HTTP_response_transfer_coding": str}


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A valid answer, changed in up to six places."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.sampled_from((0, 0, 1, 1, 2, 7, 40))))
        new = draw(st.sampled_from(TELLING) | st.binary(max_size=3) | st.just(text[at:end] * 2))
        text = text[:at] + new + text[end:]
    return text


@st.composite
def said(draw: st.DrawFn) -> list[Step]:
    """It in segments, and how the connection goes on."""
    text = draw(mangled())
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    parts: list[Step] = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]
    return parts + draw(st.sampled_from(([], [END], [RESET])))


def is_code(code: object) -> bool:
    if isinstance(code, dict):
        ((name, payload),) = code.items()  # pyright: ignore[reportUnknownVariableType]
        return isinstance(payload, WITH_PAYLOAD[str(name)])  # pyright: ignore[reportUnknownArgumentType]
    return code in PLAIN


@settings(deadline=None)
@given(steps=said(), method=st.sampled_from(("GET", "GET", "HEAD")))
def test_a_mangled_answer_costs_its_own_request_alone(steps: list[Step], method: str) -> None:
    server = Server(lambda path: steps if path == "/first" else [SECOND])

    async def work(client: Client) -> tuple[Got, Got]:
        first = await client.got("/first", method=method)
        await client.quiet()
        return first, await client.got("/second")

    (first, second), took = talk(server, work, HttpLimits(first_byte_s=5, between_bytes_s=5))
    assert (first.status is None) != (first.code is None)
    assert first.status is None or 200 <= first.status <= 999
    assert first.code is None or is_code(first.code)
    assert first.body_code is None or is_code(first.body_code)
    assert (second.status, second.body, second.headers["X-Second"]) == (200, b"second", b"yes")
    size = sum(len(step) for step in steps if isinstance(step, bytes))
    assert took.most <= 1
    assert took.slices <= len(steps) + 1 + size // SLICE
    assert took.turns <= 40 + 12 * len(steps)
    assert not any(isinstance(value, bytes) and b"\r\n" in value for value in first.headers.values())


@settings(deadline=None)
@given(data=st.data(), segment=st.integers(1, 400))
def test_a_valid_answer_is_the_same_however_it_is_cut(data: Any, segment: int) -> None:
    text = data.draw(st.sampled_from(VALID))

    def got(steps: list[Step]) -> Got:
        async def work(client: Client) -> Got:
            return await client.got("/")

        return talk(Server(lambda _: [*steps, END]), work)[0]

    whole = got([text])
    assert whole.status is not None
    assert whole.body_code is None
    assert got([text[at : at + segment] for at in range(0, len(text), segment)]) == whole
