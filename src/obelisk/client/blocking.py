"""The blocking client: `Client` sends, `Function` is a function of a server, `Handle` one execution of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from obelisk.client import exchange
from obelisk.client.errors import Unreachable
from obelisk.client.exchange import Answer, Policy, Request, Steps
from obelisk.client.operations import LogEntry, Operation, Options

if TYPE_CHECKING:
    import httpx

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

BEARER_VARIABLE = "OBELISK_TOKEN"
DEFAULT_URL = "http://127.0.0.1:8080"
ANSWER_WITHIN_S = 30.0
FOLLOW_EVERY_S = 0.2


def new_key() -> str:
    """A key that no other call has."""
    return os.urandom(16).hex()


def credentials(token: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of every request: `headers`, and a bearer token unless they say who asks themselves."""
    given = dict(headers or {})
    token = os.environ.get(BEARER_VARIABLE, "") if token is None else token
    if token and not any(name.lower() == "authorization" for name in given):
        given["Authorization"] = f"Bearer {token}"
    return given


class Client:
    """A server. Sends with ``httpx``. One client may serve many threads.

    `token` is a bearer token; without one that of the environment variable ``OBELISK_TOKEN`` is sent, if there is one.
    `http` is a configured ``httpx.Client`` to use instead of one of its own; it stays open. A request that nobody
    answers is repeated up to `retries` times: calls carry an idempotency key, so none runs twice.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 5,
        http: httpx.Client | None = None,
    ) -> None:
        import httpx  # here, so that importing generated code stays cheap

        self._failures = (httpx.TransportError,)
        self._url, self._headers, self._owned = url.rstrip("/"), credentials(token, headers), http is None
        self._http = httpx.Client() if http is None else http
        self.policy = Policy(retries=retries, now_s=time.monotonic, new_key=new_key)

    def close(self) -> None:
        """Close the connections."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, steps: Steps[T]) -> T:
        """Send what a use case asks for; gives its result."""
        try:
            request = next(steps)
            while True:
                try:
                    answer = self._send(request)
                except self._failures as error:
                    message = f"no server answers at {self._url}: {error or type(error).__name__}"
                    request = steps.throw(Unreachable("server_unreachable", message, url=self._url))
                else:
                    request = steps.send(answer)
        except StopIteration as done:
            value: T = done.value
            return value

    def _send(self, request: Request) -> Answer:
        if request.pause_s > 0:
            time.sleep(request.pause_s)
        response = self._http.request(
            request.method,
            self._url + request.path,
            params=dict(request.query) or None,
            headers={**self._headers, **request.headers},
            content=request.body,
            timeout=ANSWER_WITHIN_S + request.wait_s,
        )
        return Answer(status=response.status_code, headers=response.headers, body=response.content)


class Handle(Generic[R]):
    """One execution of a function."""

    def __init__(self, client: Client, operation: Operation[Any, R], execution_id: str) -> None:
        self._client, self._operation = client, operation
        self.execution_id = execution_id

    def result(self, *, timeout: float | None = None) -> R:
        """Wait for the result, at most `timeout` seconds: then NotFinished. Failures are raised as ExecutionFailed."""
        return self._client.run(exchange.result(self._operation, self.execution_id, timeout, self._client.policy))

    def events(self, *, start: int = 0, follow: bool = False) -> Iterator[LogEntry]:
        """The execution's log from the version `start` on; with `follow` until the execution has finished."""
        while True:
            entries, has_more = self._client.run(exchange.events(self.execution_id, start, self._client.policy))
            yield from entries
            start += len(entries)
            if not has_more:
                if not follow or (entries and exchange.is_last(entries[-1])):
                    return
                time.sleep(FOLLOW_EVERY_S)

    def cancel(self) -> str:
        """Ask for cancellation; `result` raises ExecutionCancelled once it has happened. Conflict, Unsupported.

        Gives what it did: ``done``, ``already`` (asked for before), or ``finished`` (too late: it has a result).
        """
        return self._client.run(exchange.cancel(self.execution_id, self._client.policy))

    def __repr__(self) -> str:
        return f"Handle({self.execution_id!r})"


class Function(Generic[P, R]):
    """A function of a server, with its typed parameters. A WIT ``result`` comes back as `Ok` or `Err`."""

    def __init__(self, client: Client, operation: Operation[P, R], options: Options | None = None) -> None:
        self._client, self._operation = client, operation
        self._options = Options() if options is None else options

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it and wait for the result. InvalidParams, QueueFull, ExecutionFailed, NotFinished, …"""
        params = self._operation.encode(*args, **kwargs)
        return self._client.run(exchange.call(self._operation, params, self._options, self._client.policy))

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Record the call, which goes on by itself."""
        params = self._operation.encode(*args, **kwargs)
        steps = exchange.submit(self._operation, params, self._options, self._client.policy)
        return self.handle(self._client.run(steps))

    def handle(self, execution_id: str) -> Handle[R]:
        """An execution of this function that was recorded before."""
        return Handle(self._client, self._operation, execution_id)

    def options(
        self,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> Function[P, R]:
        """The same function with these options: calls of one key and the same parameters are one execution; `tags`
        are what it can be found by. ValueError for tags that are not of the form that ``docs/wit-to-http.md`` has."""
        options = self._options._replace(timeout_s=timeout, idempotency_key=idempotency_key, tags=tags)
        return Function(self._client, self._operation, options)
