"""`Worker`: a process of the user's that runs attempts of external activities."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVarTuple, Unpack

from obelisk.runtime.values import JsonValue
from obelisk.worker.conversation import Conversation, Identity
from obelisk.worker.current import Attempt
from obelisk.worker.logs import LinesHandler
from obelisk.worker.operations import Served
from obelisk.worker.outcomes import Outcome, Retryable
from obelisk.worker.running import Running, bind
from obelisk.worker.session import Session, beat_item, line_item

if TYPE_CHECKING:
    import httpx

Ts = TypeVarTuple("Ts")
logger = logging.getLogger("obelisk.worker")
DEFAULT_URL: Final = "http://127.0.0.1:8080"
URL_VARIABLE: Final = "OBELISK_URL"
TOKEN_VARIABLE: Final = "OBELISK_TOKEN"  # noqa: S105 - the name of a variable
_LAST_S: Final = 2.0
"""How long attempts that are cancelled at the end may take, and the request that says goodbye."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """Runs attempts of the functions that `handlers` implement: objects of classes below generated ``…Worker`` classes.

    `url` and `token` are the server's; without them the environment's ``OBELISK_URL`` and ``OBELISK_TOKEN`` count.
    At most `concurrency` attempts run at once, and of a function in `per_function` (by its name
    ``ns:pkg/ifc.function``) at most that many. ``def`` functions run in threads, those marked `in_process` in
    `processes` processes (None: as many as the machine has cores). `retryable` says which exceptions are worth another
    attempt: classes, or a function of the exception; without it all are. `lease_s` is how long the server waits for a
    sign of life before it gives the attempts to others; None is the server's default. `drain_s` bounds how long
    attempts may go on after a SIGTERM. Records of `logging` from `log_level` on become lines of the execution's log.
    `http` is a configured ``httpx.AsyncClient``; it stays open. ValueError for handlers or limits that make no sense.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        handlers: Sequence[Served],
        token: str | None = None,
        name: str = "",
        labels: Sequence[str] = (),
        concurrency: int = 100,
        per_function: Mapping[str, int] | None = None,
        processes: int | None = None,
        retryable: Retryable = None,
        lease_s: float | None = None,
        drain_s: float = 30.0,
        log_level: int = logging.INFO,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency: expected 1 or more, got {concurrency}")
        self.url = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
        self._token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        self._functions = bind(handlers)
        unknown = sorted(set(per_function or ()) - self._functions.keys())
        if unknown:
            raise ValueError(
                f"per_function: no handler has {', '.join(unknown)}; there are {', '.join(self._functions)}"
            )
        self._session = Session(
            concurrency=concurrency, functions=tuple(self._functions), limits=dict(per_function or {})
        )
        self._running = Running(
            self._functions, self._beat, retryable=retryable, threads=concurrency, processes=processes
        )
        signatures = {ffqn: bound.operation.signature for ffqn, bound in self._functions.items()}
        self._identity = Identity(name=name, functions=signatures, labels=tuple(labels), lease_s=lease_s)
        self._drain_s, self._log_level, self._http = drain_s, log_level, http
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._talk: Conversation | None = None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, and then until what runs has ended. `WorkerError`, see `serve`."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        loop, serving = asyncio.get_running_loop(), asyncio.create_task(self.serve())

        def asked() -> None:
            if self._stop.is_set():
                serving.cancel()  # asked twice: at once
            self.stop()

        for number in _SIGNALS:
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, asked)
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    def stop(self) -> None:
        """Claim no more, let what runs end, for `drain_s` seconds at most, and leave. From any thread."""
        if self._loop is not None:
            _in(self._loop, self._stop.set)
        else:
            self._stop.set()

    async def serve(self) -> None:
        """Serve until `stop` or cancellation. A worker serves once. While the server is away it tries again, for ever.

        WorkerRefused for a wrong token, ServerForeign when something else answers at the URL.
        """
        from obelisk.worker.transport import Transport  # here, so that importing generated code stays cheap

        self._loop = asyncio.get_running_loop()
        transport = Transport(self.url, self._token, self._http)
        self._talk = Conversation(transport, self._session, self._identity, start=self._begin, end=self._running.end)
        lines = LinesHandler(self._line, self._log_level)
        logging.getLogger().addHandler(lines)
        try:
            await self._until_stopped(self._talk)
        finally:
            logging.getLogger().removeHandler(lines)
            self._running.end_all("the worker stops")
            await self._running.wait(_LAST_S)
            self._running.close()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_LAST_S):
                    await self._talk.leave()
            await transport.close()

    async def _until_stopped(self, talk: Conversation) -> None:
        talking, stopping = asyncio.create_task(talk.run()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((talking, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not talking.done():
                logger.info("draining: %d attempts run", len(self._session.running))
                talk.drain()
                await asyncio.wait((talking,), timeout=self._drain_s)
            if talking.done():
                talking.result()
            else:
                logger.warning("%d attempts are given to others", len(self._session.running))
        finally:
            for task in (talking, stopping):
                task.cancel()
            await asyncio.gather(talking, stopping, return_exceptions=True)

    # --- what attempts tell ----------------------------------------------------------------------------------------
    def _begin(self, attempt: Attempt) -> None:
        self._running.start(attempt, self._ended)

    def _ended(self, attempt: Attempt, outcome: Outcome | None) -> None:
        self._session.finished(attempt, outcome)
        if self._talk is not None:
            self._talk.wake()

    def _beat(self, attempt: Attempt, detail: JsonValue) -> None:
        self._tell(self._session.beat, attempt.run, beat_item(attempt, detail))

    def _line(self, attempt: Attempt, at: str, level: str, message: str) -> None:
        self._tell(self._session.line, line_item(attempt, at, level, message))

    def _tell(self, take: Callable[[Unpack[Ts]], None], *arguments: *Ts) -> None:
        """Give the session something that may wait for more, from any thread."""
        if self._loop is None or self._talk is None:
            return
        talk = self._talk

        def told() -> None:
            take(*arguments)
            talk.wake_soon()

        _in(self._loop, told)


def _in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call it on the loop, from any thread; never when the loop has ended."""
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is loop:
        call()
    else:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(call)
