"""Lists that are followed by many: each is read once, all get all of it in order, and calls keep the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message

from gateway_world import World, world
from obelisk.gateway import feeds
from obelisk.gateway.feeds import FIRST, PAGE, Feeds, Part
from obelisk.runtime.errors import ExecutionNotFound
from obelisk.runtime.log.events import JoinSetCreate
from obelisk.runtime.pacing import SHARE, SLACK_S, Pacer
from obelisk.runtime.ports.news import News
from obelisk.runtime.ports.store import LoggedEvent
from obelisk.runtime.usecases.api import Submission

pytestmark = pytest.mark.anyio
E = "E_1"
HANG_S = 60.0


class Growing:
    """A list in a store."""

    def __init__(self) -> None:
        self.news, self.entries, self.reads = News(), list[bytes](), 0
        self.whole = self.gone = False
        self.largest = 0
        self.feeds = Feeds(self.news)

    async def read(self, start: int, limit: int) -> Part:
        self.reads += 1
        self.largest = max(self.largest, sum(map(len, self.entries[start : start + limit])))
        await asyncio.sleep(0)
        if self.gone:
            raise ExecutionNotFound("gone", execution_id=E)
        entries = self.entries[start : start + limit]
        whole = self.whole and start + len(entries) == len(self.entries)
        more = start + len(entries) < len(self.entries)
        return Part(start=start, entries=entries, whole=whole, limit=limit, has_more=more)

    def add(self, *entries: bytes, tell: bool = True) -> None:
        self.entries += entries
        if tell:
            self.news.tell((E,))

    async def follow(self, start: int = 0) -> list[bytes]:
        """All there is from a number on, until the list is whole."""
        feed, got = self.feeds.join("list", E, self.read, start), list[bytes]()
        try:
            while True:
                part = await feed.after(start, HANG_S)
                if part is None:
                    part = await self.read(start, FIRST)
                got += part.entries
                start = part.next
                if part.whole:
                    return got
        finally:
            self.feeds.leave("list", feed)


async def followed(count: int, entries: int) -> int:
    """How often a list is read that grows by so many entries and has so many followers."""
    growing = Growing()
    followers = [asyncio.ensure_future(growing.follow()) for _ in range(count)]
    for number in range(entries):
        growing.add(b"%d" % number)
        await asyncio.sleep(0.001)
    growing.whole = True
    growing.news.tell((E,))
    async with asyncio.timeout(HANG_S):
        for got in await asyncio.gather(*followers):
            assert got == [b"%d" % number for number in range(entries)]
    assert not growing.news.is_followed
    return growing.reads


async def test_reads_do_not_grow_with_the_followers() -> None:
    entries = 50
    assert await followed(1, entries) <= entries + 20
    assert await followed(300, entries) <= entries + 20


async def test_one_that_comes_too_late_reads_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "KEPT_PARTS", 2)
    growing = Growing()
    early = asyncio.ensure_future(growing.follow())
    late = growing.feeds.join("list", E, growing.read, 0)
    for number in range(6):
        growing.add(b"%d" % number)
        async with asyncio.timeout(HANG_S):
            assert await late.after(number, HANG_S) is not None
    assert await late.after(0, HANG_S) is None
    middle = await late.after(4, HANG_S)
    assert middle is not None
    assert middle.frames.startswith(b"id: 4\n")
    growing.whole = True
    growing.news.tell((E,))
    async with asyncio.timeout(HANG_S):
        assert len(await early) == 6
    growing.feeds.leave("list", late)


@pytest.mark.parametrize(("size", "count"), [(10, 1000), (1 << 20, 40)])
async def test_a_page_is_small_in_bytes_and_large_in_entries(size: int, count: int) -> None:
    growing = Growing()
    growing.add(*[b"x" * size] * count)
    growing.whole = True
    async with asyncio.timeout(HANG_S):
        assert len(await growing.follow()) == count
    assert growing.largest <= max(FIRST * size, PAGE * 10)
    assert growing.reads <= count // PAGE + 6 or size > 10


async def test_what_another_process_commits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_SHORTEST_S", 0.01)
    growing = Growing()
    following = asyncio.ensure_future(growing.follow())
    await asyncio.sleep(0.05)
    growing.add(b"0", tell=False)
    growing.whole = True
    async with asyncio.timeout(HANG_S):
        assert await following == [b"0"]


async def test_a_list_that_is_gone_is_told_to_all() -> None:
    growing = Growing()
    followers = [asyncio.ensure_future(growing.follow()) for _ in range(3)]
    await asyncio.sleep(0)
    growing.gone = True
    growing.news.tell((E,))
    async with asyncio.timeout(HANG_S):
        found = await asyncio.gather(*followers, return_exceptions=True)
    assert [type(error) for error in found] == [ExecutionNotFound] * 3


async def test_nothing_comes_in_time_and_a_stop_wakes_all() -> None:
    growing = Growing()
    feed = growing.feeds.join("list", E, growing.read, 0)
    assert await feed.after(0, 0.01) == Part(start=0, entries=(), whole=False)
    waiting = asyncio.ensure_future(feed.after(0, HANG_S))
    await asyncio.sleep(0.01)
    growing.feeds.stop()
    async with asyncio.timeout(HANG_S):
        assert await waiting == Part(start=0, entries=(), whole=False)
    growing.feeds.leave("list", feed)


async def test_work_is_paced_to_its_share_of_the_time() -> None:
    loop, pacer = asyncio.get_running_loop(), Pacer()
    begin = loop.time()
    for _ in range(100):
        await pacer.turn(0.0005)
    # A hundred times half a millisecond are a quarter of what passed, but for the slack at the beginning.
    assert loop.time() - begin >= 100 * 0.0005 / SHARE - 2 * SLACK_S


# --- over HTTP ------------------------------------------------------------------------------------------------------
class Client:
    """One that follows, without a connection."""

    def __init__(self, shop: World, path: str) -> None:
        self._shop, self._path = shop, path
        self.body = b""

    async def follow(self) -> None:
        scope = {"type": "http", "method": "GET", "path": self._path, "query_string": b"", "headers": [(b"host", b"x")]}
        await self._shop.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await asyncio.Event().wait()  # it never disconnects
        raise AssertionError

    async def _send(self, message: Message) -> None:
        body: bytes = message.get("body", b"")
        self.body += body


def ids_of(body: bytes) -> Sequence[int]:
    return [int(line[4:]) for line in body.split(b"\n") if line.startswith(b"id: ")]


async def test_a_hundred_followers_cost_the_reads_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, reads = world(), 0
    submission = Submission(ffqn="demo:shop/cart@1.2.0.never", params=[])
    submitted = (await shop.api.submit(submission)).execution_id
    events = shop.api.events

    async def counted(execution_id: str, *, from_version: int = 0, limit: int = 100) -> Sequence[LoggedEvent]:
        nonlocal reads
        reads += 1
        return await events(execution_id, from_version=from_version, limit=limit)

    monkeypatch.setattr(shop.api, "events", counted)
    clients = [Client(shop, f"/v1/executions/{submitted}/events/follow") for _ in range(100)]
    streams = [asyncio.ensure_future(client.follow()) for client in clients]
    appended = 40
    for number in range(appended):
        await shop.append(submitted, JoinSetCreate(join_set=f"g:{number}"))
    async with asyncio.timeout(HANG_S):
        while min(len(ids_of(client.body)) for client in clients) < appended + 2:
            await asyncio.sleep(0.01)
    assert all(ids_of(client.body) == list(range(appended + 2)) for client in clients)
    assert reads <= len(clients) + appended + 20, "each reads once to begin with; what is added is read for all"
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    assert not shop.store.news.is_followed
