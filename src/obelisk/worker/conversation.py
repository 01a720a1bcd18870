"""Keeps a worker and its server in step: claims attempts, sends results and news, renews the lease, joins again.

Two loops share one `Session`. One claims: its request waits at the server until there is work. The other sends results
and news as soon as there are any while that request waits. After attempts have come, the first waits a moment for their
results before it claims again, so that quick functions cost one request each.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from obelisk.worker.current import Attempt
from obelisk.worker.messages import Exchanged, Judged
from obelisk.worker.session import Claim, Exchange, Session
from obelisk.worker.transport import LeaseLost, TooLarge, Transport, Unanswered

logger = logging.getLogger("obelisk.worker")
IDLE_WAIT_S: Final = 30.0
LINGER_S: Final = 0.003
"""How long the next claim waits for results of attempts that have just come."""
FLUSH_S: Final = 0.25
"""How long heartbeats and lines wait for more of them."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_GIVE_UP_S: Final = 2.0
_RECHECK_S: Final = 30.0
"""How often the server is asked whether it has functions by now that it did not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """As what a worker registers: its name, its functions with their signatures, labels, and the lease it asks for."""

    name: str
    functions: Mapping[str, str]
    labels: Sequence[str]
    lease_s: float | None


class Conversation:
    """Talks for one worker. `start` is given new attempts; `end` runs that are to end, with the reason."""

    def __init__(
        self,
        transport: Transport,
        session: Session,
        identity: Identity,
        *,
        start: Callable[[Attempt], None],
        end: Callable[[str, str], None],
    ) -> None:
        self._transport = transport
        self._session = session
        self._identity = identity
        self._start = start
        self._end = end
        self._worker = ""
        self._lease_s = IDLE_WAIT_S
        self._refused: dict[str, str] = {}
        self._recheck_at_s = 0.0
        self._drain = asyncio.Event()
        self._news = asyncio.Event()
        """Something is to be sent at once, or the worker drains."""
        self._poke: asyncio.Future[None] | None = None
        """The same for the loop that claims, while it lingers."""
        self._flush: asyncio.TimerHandle | None = None
        self._joining = asyncio.Lock()
        self._claiming: asyncio.Task[None] | None = None
        self._waits = self._given_up = False

    # --- what the worker tells -------------------------------------------------------------------------------------
    def wake(self) -> None:
        """A result is there."""
        if not self._stir():
            self._news.set()

    def wake_soon(self) -> None:
        """A heartbeat or a line is there."""
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_S, self._flushed)

    def _flushed(self) -> None:
        self._flush = None
        if self._session.has_news:
            self.wake()

    def drain(self) -> None:
        """Claim no more. A claim that waits is given up, if the server does not end it."""
        self._drain.set()
        self._news.set()
        self._stir()
        asyncio.get_running_loop().call_later(_GIVE_UP_S, self._give_up)

    def _stir(self) -> bool:
        """Let the loop that claims look around; whether it lingers."""
        if self._poke is None:
            return False
        if not self._poke.done():
            self._poke.set_result(None)
        return True

    def _give_up(self) -> None:
        if self._waits and self._claiming is not None and not self._given_up:
            self._given_up = True
            self._claiming.cancel()

    # --- the loops -------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Talk until a drain has come to its end: nothing runs, every result is acknowledged. `WorkerError`."""
        await self._join("")
        self._claiming = asyncio.create_task(self._claim())
        loops = (asyncio.create_task(self._send()), self._claiming)
        try:
            await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in loops:
                task.cancel()
            ended = await asyncio.gather(*loops, return_exceptions=True)
            if self._flush is not None:
                self._flush.cancel()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def leave(self) -> None:
        """End being a worker: what it still has is given to others at once. A server that is away learns it later."""
        if self._worker:
            with contextlib.suppress(LeaseLost, Unanswered):
                await self._transport.leave(self._worker)

    async def _claim(self) -> None:
        """Claim, over and over; while the worker drains or is full, keep its lease."""
        pauses = _Pauses()
        while not (self._drain.is_set() and self._session.is_idle):
            room = 0 if self._drain.is_set() else self._session.room
            if room:
                sent = await self._wait_for_work(room)
            else:
                await self._linger(self._lease_s / 3)
                sent = await self._exchange(None)
            if sent:
                pauses.reset()
            else:
                await asyncio.sleep(pauses.next_s())

    async def _wait_for_work(self, room: int) -> bool:
        """One claim; whether it was answered. A lull is the time to ask again for functions that were refused."""
        wait_s = min(IDLE_WAIT_S, self._lease_s / 3) if self._session.running else IDLE_WAIT_S
        self._waits = True
        try:
            sent = await self._exchange(Claim(limit=room, wait_s=wait_s))
        except asyncio.CancelledError:
            if self._claiming is None or not self._given_up or self._claiming.uncancel():
                raise
            return True
        finally:
            self._waits = self._given_up = False
        if sent and self._session.running:
            await self._linger(LINGER_S)
        elif self._refused and self._session.is_idle and asyncio.get_running_loop().time() >= self._recheck_at_s:
            await self.leave()
            await self._join(self._worker)
        return sent

    async def _linger(self, seconds: float) -> None:
        """Until a result is there, at most that long."""
        if self._session.has_news:
            return
        loop = asyncio.get_running_loop()
        self._poke = loop.create_future()
        timer = loop.call_later(seconds, self._stir)
        try:
            await self._poke
        finally:
            timer.cancel()
            self._poke = None

    async def _send(self) -> None:
        """Send results and news while a claim waits, and that the worker drains."""
        pauses = _Pauses()
        told = False
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(0)  # what is ready in the same turn goes along
            if self._stir():
                continue
            while self._session.has_news or told is not self._drain.is_set():
                told = self._drain.is_set()
                if await self._exchange(None):
                    pauses.reset()
                else:
                    await asyncio.sleep(pauses.next_s())

    # --- requests --------------------------------------------------------------------------------------------------
    async def _exchange(self, claim: Claim | None) -> bool:
        """One exchange; whether it was answered."""
        exchange, worker = self._session.request(claim, draining=self._drain.is_set()), self._worker
        try:
            answer = await self._transport.exchange(worker, exchange.body, claim.wait_s if claim else 0.0)
        except Unanswered as error:
            self._session.unanswered(exchange)
            logger.warning("%s", error)
            await asyncio.sleep(error.after_s)
            return False
        except TooLarge as error:
            self._session.too_large(exchange)
            logger.warning("%s", error)
            return True
        except LeaseLost:
            self._session.unanswered(exchange)
            await self._join(worker)
            return True
        except asyncio.CancelledError:
            self._session.unanswered(exchange)
            raise
        self._take(exchange, answer)
        return True

    def _take(self, exchange: Exchange, answer: Exchanged) -> None:
        new = self._session.answered(exchange, answer)
        if answer.lease_s is not None:
            self._lease_s = answer.lease_s
        for judged in answer.results:
            _tell(judged)
        for run, state in answer.ended.items():
            if run in self._session.running:
                self._end(run, state)
        for attempt in new:
            self._session.started(attempt)
            self._start(attempt)
        if self._drain.is_set() and self._session.is_idle:
            self._stir()

    async def _join(self, lost: str) -> None:
        """Register, unless another request has done so since the worker `lost` was; attempts of that one are lost."""
        async with self._joining:
            if self._worker != lost:
                return
            if self._session.running:
                logger.warning("the lease has run out: %d attempts are given to others", len(self._session.running))
            for run in list(self._session.running):
                self._end(run, "lost")
            pauses = _Pauses()
            while not (self._drain.is_set() and not lost):
                if await self._registered():
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pauses.next_s()):
                        await self._drain.wait()
                if self._drain.is_set():
                    await asyncio.sleep(_FIRST_PAUSE_S)

    async def _registered(self) -> bool:
        """Register once; whether the server takes this worker and has a function for it."""
        identity = self._identity
        functions = [{"ffqn": ffqn, "signature": text} for ffqn, text in identity.functions.items()]
        try:
            answer = await self._transport.register(identity.name, functions, identity.labels, identity.lease_s)
        except Unanswered as error:
            logger.warning("%s", error)
            await asyncio.sleep(error.after_s)
            return False
        self._worker, self._lease_s = answer.worker, answer.lease_s
        self._recheck_at_s = asyncio.get_running_loop().time() + _RECHECK_S
        if answer.refused != self._refused:
            for ffqn, reason in answer.refused.items():
                logger.warning("the server gives no work for %s: %s", ffqn, reason)
        self._refused = dict(answer.refused)
        self._session.functions = [ffqn for ffqn in identity.functions if ffqn not in self._refused]
        logger.info("worker %s serves %d functions", answer.worker, len(self._session.functions))
        return True


class _Pauses:
    """Growing, random pauses between requests without an answer, so that workers do not return all at once."""

    def __init__(self) -> None:
        self._next_s = _FIRST_PAUSE_S

    def reset(self) -> None:
        """There was an answer."""
        self._next_s = _FIRST_PAUSE_S

    def next_s(self) -> float:
        """Seconds to wait now."""
        pause_s, self._next_s = self._next_s, min(_LONGEST_PAUSE_S, 2 * self._next_s)
        return pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret


def _tell(judged: Judged) -> None:
    if judged.state == "invalid":
        logger.error("%s: the server refuses the result: %s", judged.execution_id, judged.reason)
    elif judged.state == "stale" and judged.reason == "ended":
        logger.info("%s: the result is on record already", judged.execution_id)
    elif judged.state == "stale":
        logger.warning("%s: the result came too late: %s", judged.execution_id, judged.reason)
