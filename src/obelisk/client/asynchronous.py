"""The asynchronous client, on asyncio: as `client.blocking`, with ``await``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from obelisk.client import checking, exchange
from obelisk.client.blocking import ANSWER_WITHIN_S, DEFAULT_URL, credentials, new_key
from obelisk.client.errors import Unreachable
from obelisk.client.exchange import Answer, Policy, Request, Steps
from obelisk.client.following import SILENCE_S, Following
from obelisk.client.operations import Configured, LogEntry, Operation, Options
from obelisk.runtime.values import JsonValue

if TYPE_CHECKING:
    import httpx

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


async def _sleep(seconds: float) -> None:
    import asyncio  # here, so that importing generated code stays cheap

    await asyncio.sleep(seconds)


class AsyncClient:
    """A server. Sends with ``httpx``. One client serves one event loop.

    `token` is a bearer token; without one that of the environment variable ``OBELISK_TOKEN`` is sent, if there is one.
    `http` is a configured ``httpx.AsyncClient`` to use instead of one of its own; it stays open. A request without
    an answer is repeated up to `retries` times: calls carry an idempotency key, so none runs twice.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 5,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        import httpx  # here, so that importing generated code stays cheap

        self._failures = (httpx.TransportError,)
        self._silence = httpx.Timeout(ANSWER_WITHIN_S, read=SILENCE_S)
        self._url, self._headers, self._owned = url.rstrip("/"), credentials(token, headers), http is None
        self._http = httpx.AsyncClient() if http is None else http
        self.policy = Policy(retries=retries, now_s=time.monotonic, new_key=new_key)

    async def close(self) -> None:
        """Close the connections."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(self, steps: Steps[T]) -> T:
        """Send what a use case asks for; gives its result."""
        try:
            request = next(steps)
            while True:
                try:
                    answer = await self._send(request)
                except self._failures as error:
                    request = steps.throw(self._unreachable(error))
                else:
                    request = steps.send(answer)
        except StopIteration as done:
            value: T = done.value
            return value

    async def follow(self, following: Following) -> AsyncIterator[LogEntry]:
        """The entries of a log as they come, until it is whole."""
        while not following.ended:
            request = following.request()
            await _sleep(request.pause_s)
            sent = self._http.stream(
                request.method,
                self._url + request.path,
                params=dict(request.query),
                headers={**self._headers, **request.headers},
                timeout=self._silence,
            )
            try:
                async with sent as response:
                    if response.status_code != 200:
                        body = await response.aread()
                        following.refused(Answer(status=response.status_code, headers=response.headers, body=body))
                        continue
                    following.opened()
                    async for chunk in response.aiter_bytes():
                        for entry in following.entries(chunk):
                            yield entry
            except self._failures as error:
                following.broken(self._unreachable(error))
            else:
                following.broken()

    async def _send(self, request: Request) -> Answer:
        if request.pause_s > 0:
            await _sleep(request.pause_s)
        response = await self._http.request(
            request.method,
            self._url + request.path,
            params=dict(request.query) or None,
            headers={**self._headers, **request.headers},
            content=request.body,
            timeout=ANSWER_WITHIN_S + request.wait_s,
        )
        return Answer(status=response.status_code, headers=response.headers, body=response.content)

    def _unreachable(self, error: Exception) -> Unreachable:
        message = f"no server answers at {self._url}: {error or type(error).__name__}"
        return Unreachable("server_unreachable", message, url=self._url)


class AsyncHandle(Generic[R]):
    """One execution of a function."""

    def __init__(self, client: AsyncClient, operation: Operation[Any, R], execution_id: str) -> None:
        self._client, self._operation = client, operation
        self.execution_id = execution_id

    async def result(self, *, timeout: float | None = None) -> R:
        """Wait for the result, at most `timeout` seconds: then NotFinished. Failures are raised as ExecutionFailed."""
        return await self._client.run(exchange.result(self._operation, self.execution_id, timeout, self._client.policy))

    async def events(self, *, start: int = 0, follow: bool = True) -> AsyncIterator[LogEntry]:
        """The execution's log from the version `start` on: as it grows, until the execution has finished.

        It is followed by server-sent events and taken up again after the last entry when the connection breaks. Without
        `follow` it is what there is now. NotFound, Unreachable, …
        """
        if follow:
            following = Following(self.execution_id, start, self._client.policy.retries)
            async for entry in self._client.follow(following):
                yield entry
        has_more = not follow
        while has_more:
            entries, has_more = await self._client.run(exchange.events(self.execution_id, start, self._client.policy))
            for entry in entries:
                yield entry
            start += len(entries)

    async def cancel(self) -> str:
        """Ask for cancellation; `result` raises ExecutionCancelled once it has happened. Conflict, Unsupported.

        Gives what it did: ``done``, ``already`` (asked for before), or ``finished`` (too late: it has a result).
        """
        return await self._client.run(exchange.cancel(self.execution_id, self._client.policy))

    async def give(self, result: R) -> str:
        """Give the result of a stub, a function that is deployed without code. InvalidParams: it is of another type.

        Gives what it did: ``done``, or ``already`` (it has this very result). Conflict: it has another result, or its
        function has code.
        """
        value = checking.result(self._operation, result)
        return await self._client.run(exchange.give(self.execution_id, value, self._client.policy))

    def __repr__(self) -> str:
        return f"AsyncHandle({self.execution_id!r})"


class AsyncRemoteFunction(Configured, Generic[R]):
    """A function of a server: the base of generated classes, whose methods have its parameters.

    Calling it waits for the result, a WIT ``result`` as `Ok` or `Err`. `submit` records the call, which goes on by
    itself. Parameters are checked before anything is sent: InvalidParams. QueueFull, ExecutionFailed, NotFinished, …
    """

    def __init__(self, client: AsyncClient, operation: Operation[..., R], options: Options | None = None) -> None:
        self._client, self._operation = client, operation
        self._options = Options() if options is None else options

    def handle(self, execution_id: str) -> AsyncHandle[R]:
        """An execution of this function that was recorded before."""
        return AsyncHandle(self._client, self._operation, execution_id)

    async def _call(self, *values: object) -> R:
        return await self._call_with(checking.params(self._operation, values))

    async def _submit(self, *values: object) -> AsyncHandle[R]:
        return await self._submit_with(checking.params(self._operation, values))

    async def _call_with(self, params: Mapping[str, JsonValue]) -> R:
        return await self._client.run(exchange.call(self._operation, params, self._options, self._client.policy))

    async def _submit_with(self, params: Mapping[str, JsonValue]) -> AsyncHandle[R]:
        steps = exchange.submit(self._operation, params, self._options, self._client.policy)
        return self.handle(await self._client.run(steps))


class AsyncFunction(AsyncRemoteFunction[R], Generic[P, R]):
    """A function without a generated class: its parameters are those of its operation's `encode`."""

    _operation: Operation[P, R]

    def __init__(self, client: AsyncClient, operation: Operation[P, R], options: Options | None = None) -> None:
        super().__init__(client, operation, options)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it and wait for the result. InvalidParams, QueueFull, ExecutionFailed, NotFinished, …"""
        return await self._call_with(checking.checked(self._operation, self._operation.encode(*args, **kwargs)))

    async def submit(self, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[R]:
        """Record the call, which goes on by itself."""
        return await self._submit_with(checking.checked(self._operation, self._operation.encode(*args, **kwargs)))
