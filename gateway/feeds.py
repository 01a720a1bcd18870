"""Lists that grow, read once however many follow them.

Those who have read a list to its end share a *feed*: one reader of the store, woken by what this process commits
(`runtime.ports.news`) and, for what others commit, by a look from time to time. What it reads is made into frames once
and kept for a while; a follower that comes back later than that reads what it missed by itself, page by page. So a list
costs what is added to it, not what asks for it, and a follower that is slow costs one page.

Followers may not take the event loop from the calls that it also serves: reads and wake-ups are paced to `SHARE` of its
time, so that with very many followers news come later instead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.pacing import Pacer
from obelisk.runtime.ports.news import News

FIRST: Final = 8
PAGE: Final = 100
LARGE: Final = 1 << 16
"""A page begins with `FIRST` entries. After one of more than so many bytes the next has a quarter of its entries, after
others twice as many, up to `PAGE`: an entry may have megabytes, and a client that reads slowly keeps its page."""
KEPT_PARTS: Final = 16
KEPT_BYTES: Final = 1 << 18
READ_S: Final = 0.001
"""What one read is taken to cost."""
WAKE_S: Final = 0.0002
"""What waking a follower and writing to its connection is taken to cost."""
_SHORTEST_S: Final = 0.25
_LONGEST_S: Final = 5.0
_PAUSE_SHARE: Final = 4
_TOGETHER_S: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Part:
    """Entries of a list from some number on, as JSON; `whole`: no entry will ever follow the last one.

    `numbers` are theirs where they do not follow one another without gaps.
    """

    start: int
    entries: Sequence[bytes]
    whole: bool
    numbers: Sequence[int] | None = None
    limit: int = PAGE
    """So many were asked for."""
    has_more: bool = False
    """Whether others followed when they were read."""

    @property
    def next_limit(self) -> int:
        """How many to ask for next."""
        return max(1, self.limit // 4) if len(self.frames) > LARGE else min(PAGE, 2 * self.limit)

    @cached_property
    def frames(self) -> bytes:
        """The entries as frames of an event stream."""
        return b"".join(map(_frame, self._numbers, self.entries))

    @property
    def next(self) -> int:
        """Where to go on."""
        return self.numbers[-1] + 1 if self.numbers else self.start + len(self.entries)

    def since(self, start: int) -> Part:
        """What there is from a number on."""
        if start <= self.start:
            return self
        kept = [(number, entry) for number, entry in zip(self._numbers, self.entries, strict=True) if number >= start]
        numbers = [number for number, _ in kept]
        return Part(start=start, entries=[entry for _, entry in kept], whole=self.whole, numbers=numbers)

    @property
    def _numbers(self) -> Sequence[int]:
        return range(self.start, self.start + len(self.entries)) if self.numbers is None else self.numbers


Read = Callable[[int, int], Awaitable[Part]]
"""Entries from a number on, at most so many."""


def _frame(number: int, entry: bytes) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (number, entry)  # JSON text as we write it has no line breaks


class Feeds:
    """The feeds of one gateway, by what is followed."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._pacer = Pacer()
        self._feeds: dict[Hashable, Feed] = {}

    def join(self, key: Hashable, execution_id: str, read: Read, start: int) -> Feed:
        """The feed of a list, for one more follower that has read it up to `start`; it calls `leave` at last."""
        feed = self._feeds.get(key)
        if feed is None or feed.has_ended:
            feed = self._feeds[key] = Feed(read, start, self._pacer)
            feed.start(self._news, execution_id)
        feed.followers += 1
        return feed

    def stop(self) -> None:
        """Nothing comes any more: those who wait go on at once."""
        for feed in self._feeds.values():
            feed.stop()

    def leave(self, key: Hashable, feed: Feed) -> None:
        """A follower needs it no more."""
        feed.followers -= 1
        if not feed.followers:
            feed.stop()
            if self._feeds.get(key) is feed:
                del self._feeds[key]


class Feed:
    """One list from `start` on. `whole` is its end, `error` why it cannot be read."""

    def __init__(self, read: Read, start: int, pacer: Pacer) -> None:
        self.followers = 0
        self.error: ObeliskError | None = None
        self._read, self._next, self._limit, self._pacer = read, start, FIRST, pacer
        self._parts: deque[Part] = deque()
        self._bytes = 0
        self._whole = False
        self._waiting: list[asyncio.Future[None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._end_news: Callable[[], None] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it reads no more."""
        return self._whole or self.error is not None

    def start(self, news: News, execution_id: str) -> None:
        """Begin to read."""
        told = asyncio.Event()
        told.set()
        self._end_news = news.follow(execution_id, told.set)
        self._reading = asyncio.get_running_loop().create_task(self._keep_reading(told))

    def stop(self) -> None:
        """Read no more, and let those go on that wait."""
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)
        if self._end_news is not None:
            self._end_news()
        if self._reading is not None:
            self._reading.cancel()

    async def after(self, start: int, within_s: float) -> Part | None:
        """What came from a number on, an empty part when nothing did in time, or None when that is not kept any more:
        the follower has to read it. Raises what reading raised."""
        if not self._has(start):
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(news)
            try:
                async with asyncio.timeout(within_s):
                    await news
            except TimeoutError:
                return Part(start=start, entries=(), whole=False)
            finally:
                if not news.done() or news.cancelled():
                    self._forget(news)
        if self.error is not None:
            raise self.error.with_traceback(None)
        if start >= self._next:
            return Part(start=start, entries=(), whole=self._whole)
        return next((part.since(start) for part in self._parts if part.start <= start < part.next), None)

    def _has(self, start: int) -> bool:
        return start < self._next or self.has_ended

    def _forget(self, news: asyncio.Future[None]) -> None:
        if news in self._waiting:
            self._waiting.remove(news)

    async def _keep_reading(self, told: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while not self.has_ended:
            await self._pacer.turn(READ_S)
            told.clear()
            try:
                part = await self._read(self._next, self._limit)
            except ObeliskError as error:
                self.error = error
                await self._wake()
                return
            if part.entries or part.whole:
                self._keep(part)
                await self._wake()
                heard_at = loop.time()
            if part.entries:
                self._limit = part.next_limit
            if not part.has_more and not self.has_ended:
                quiet_s = loop.time() - heard_at
                await _either(told, min(_LONGEST_S, max(_SHORTEST_S, quiet_s / _PAUSE_SHARE)))
                await asyncio.sleep(_TOGETHER_S)  # what is committed one after another is read at once

    def _keep(self, part: Part) -> None:
        self._next, self._whole = part.next, part.whole
        if not part.entries:
            return
        self._parts.append(part)
        self._bytes += len(part.frames)
        while len(self._parts) > KEPT_PARTS or (self._bytes > KEPT_BYTES and len(self._parts) > 1):
            self._bytes -= len(self._parts.popleft().frames)

    async def _wake(self) -> None:
        """Tell who waits, a few at a time."""
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            await self._pacer.turn(WAKE_S)
            if not news.done():
                news.set_result(None)


async def _either(told: asyncio.Event, within_s: float) -> None:
    """Wait for news, or so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await told.wait()
