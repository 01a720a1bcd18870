"""Following a log by server-sent events: how bytes become entries, and how a broken stream is taken up again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk.client import AnswerForeign, AsyncClient, Client, Function, NotFound, Operation, Unavailable, Unreachable
from obelisk.client.asynchronous import AsyncFunction
from obelisk.client.exchange import Answer
from obelisk.client.following import Following, Frame, Frames

AT = "2031-01-02T03:04:05.000006Z"


def frame(version: int, kind: str = "history") -> bytes:
    data = json.dumps({"version": version, "at": AT, "event": {"type": kind}})
    return f"id: {version}\ndata: {data}\n\n".encode()


END = b"event: end\ndata: {}\n\n"
PROBLEM = {"type": "t", "status": 404, "code": "execution_not_found", "detail": "no such execution"}


@given(st.integers(1, 7))
def test_a_stream_is_the_same_however_it_is_cut(size: int) -> None:
    text = ": hello\n\nid: 1\r\ndata: a\r\ndata:  b\r\n\r\nevent: x\ndata: \u2028\nother: y\n\ndata: not ended".encode()
    frames = Frames()
    found = [frame for at in range(0, len(text), size) for frame in frames.feed(text[at : at + size])]
    assert found == [Frame("1", "", "a\n b"), Frame("", "x", "\u2028")]


def test_a_broken_stream_is_taken_up_after_the_last_entry() -> None:
    following = Following("E_1", 3, retries=1)
    assert (following.request().query, following.request().pause_s) == ({"from": 3}, 0.0)
    following.opened()
    assert [entry.version for entry in following.entries(frame(3) + frame(4)[:-1])] == [3]
    following.broken(Unreachable("server_unreachable", "gone"))
    assert following.request().query == {"from": 4}
    assert following.request().pause_s > 0
    following.opened()
    assert [entry.version for entry in following.entries(frame(4) + END)] == [4]
    assert following.ended


def test_following_ends_when_no_server_answers_or_it_refuses() -> None:
    following = Following("E_1", 0, retries=1)
    following.broken(Unreachable("server_unreachable", "gone"))
    with pytest.raises(Unreachable):
        following.broken(Unreachable("server_unreachable", "gone"))
    following = Following("E_1", 0, retries=1)
    headers = {"content-type": "application/problem+json"}
    following.refused(Answer(status=503, headers=headers, body=b'{"code": "not_ready"}'))
    with pytest.raises(Unavailable):
        following.refused(Answer(status=503, headers=headers, body=b'{"code": "not_ready"}'))
    with pytest.raises(NotFound):
        Following("E_1", 0, 9).refused(Answer(status=404, headers=headers, body=json.dumps(PROBLEM).encode()))
    with pytest.raises(NotFound):
        list(Following("E_1", 0, 9).entries(f"event: problem\ndata: {json.dumps(PROBLEM)}\n\n".encode()))
    with pytest.raises(AnswerForeign):
        list(Following("E_1", 0, 9).entries(b"data: nonsense\n\n"))


def test_a_server_that_ends_streams_at_once_is_asked_ever_less_often() -> None:
    following, pauses = Following("E_1", 0, retries=0), list[float]()
    for _ in range(8):
        pauses.append(following.request().pause_s)
        following.opened()
        following.broken()
    assert pauses == [0.0, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


class Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Gives some bytes, then the connection breaks."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        raise httpx.ReadError("reset")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        raise httpx.ReadError("reset")


def served(asked: list[str]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url.query, "ascii"))
        assert request.url.path == "/v1/executions/E_1/events/follow"
        if len(asked) == 1:
            return httpx.Response(200, stream=Breaking(frame(0), frame(1)[:10]))
        return httpx.Response(200, content=b": still here\n\n" + frame(1, "finished") + END)

    return httpx.MockTransport(answer)


def nothing(data: object) -> None:
    assert data is None


OPERATION: Operation[..., None] = Operation("a:b/c", "f", dict, nothing)


def test_both_clients_follow_over_a_broken_connection() -> None:
    asked: list[str] = []
    with Client(http=httpx.Client(transport=served(asked))) as client:
        handle = Function(client, OPERATION).handle("E_1")
        assert [entry.event["type"] for entry in handle.events()] == ["history", "finished"]
    assert asked == ["from=0", "from=1"]

    async def follow() -> list[int]:
        async with AsyncClient(http=httpx.AsyncClient(transport=served(asked))) as client:
            handle = AsyncFunction(client, OPERATION).handle("E_1")
            return [entry.version async for entry in handle.events()]

    asked.clear()
    assert asyncio.run(follow()) == [0, 1]
    assert asked == ["from=0", "from=1"]
