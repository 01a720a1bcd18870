"""Requests to a gateway and what it answers, whichever way they get there.

`Client` speaks to a `Transport`: `HttpTransport` here is a running server, `direct.Direct` the gateway of this process
over a database. Commands see no difference.
"""

from __future__ import annotations

import http.client
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from obelisk.cli import progress
from obelisk.cli.errors import CommandError

_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_PROBLEM: Final = "application/problem+json"
_SERVER_HEADER: Final = "Obelisk-Execution-Id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer as it came; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An HTTP answer that is still coming: `lines` of its content, each with its end. They raise as `send` does."""

    status: int
    headers: Mapping[str, str]
    lines: Iterator[bytes]


class Transport(Protocol):
    """A way to a gateway. `name` is what messages call it; `streams`: whether answers can be read as they come."""

    name: str
    streams: bool

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
        """Send a request, wait for its whole answer. CommandError ``server_unreachable``; ObeliskError."""
        ...

    def stream(self, target: str, headers: Mapping[str, str], timeout_s: float) -> AbstractContextManager[Stream]:
        """As `send` of a GET, but the lines of the answer come one by one. Only where `streams`."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class HttpTransport:
    """A running server. CommandError ``config_invalid`` for a URL that is none; `where` says who named it."""

    def __init__(self, url: str, *, token: str | None = None, where: str = "--url") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise CommandError("config_invalid", f'{where}: expected "http://HOST:PORT", found "{url}"')
        self.name, self.streams = url.rstrip("/"), True
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        try:
            self._port = parts.port
        except ValueError:
            raise CommandError("config_invalid", f"{where}: the port in {url} is no number up to 65535") from None
        self._prefix = parts.path.rstrip("/")
        self._token = token

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
        """See `Transport`."""
        with self._asked(method, target, headers, body, timeout_s) as response, self._reachable():
            return Reply(status=response.status, headers=_headers(response), content=response.read())

    @contextmanager
    def stream(self, target: str, headers: Mapping[str, str], timeout_s: float) -> Generator[Stream]:
        """See `Transport`."""
        with self._asked("GET", target, headers, b"", timeout_s) as response:
            yield Stream(status=response.status, headers=_headers(response), lines=self._lines(response))

    def _lines(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        while True:
            with self._reachable():
                line = response.readline()
            if not line:
                return
            yield line

    @contextmanager
    def _asked(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> Generator[http.client.HTTPResponse]:
        """The head of an answer, its content yet to be read."""
        connect = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        sent = dict(headers)
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        with closing(connect(self._host, self._port, timeout=timeout_s)) as connection:
            with self._reachable():
                connection.request(method, self._prefix + target, body or None, sent)
                response = connection.getresponse()
            with response:
                yield response

    @contextmanager
    def _reachable(self) -> Generator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                "server_unreachable",
                f"no server answers at {self.name}: {error or type(error).__name__}",
                hint="start one with `obelisk server run`, name another with --url, or read the database with --direct",
                url=self.name,
            ) from None

    def close(self) -> None:
        """Nothing is held between requests."""
        self._token = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a gateway said: `value` is its JSON or, where asked for, text; None when there was no body."""

    status: int
    execution_id: str
    value: Any


class Client:
    """Requests to one gateway. CommandError: server_unreachable, answer_foreign; see `checked` for problems."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def name(self) -> str:
        """What messages call the gateway."""
        return self._transport.name

    def get(self, path: str, query: Mapping[str, object] | None = None, *, timeout_s: float = 30) -> Answer:
        """GET; parameters that are None are left out."""
        return self._request("GET", _target(path, query or {}), b"", {}, timeout_s)

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, object] = MappingProxyType({}),
        timeout_s: float = 30,
    ) -> Answer:
        """POST JSON, or nothing; parameters of the query that are None are left out."""
        typed = {"Content-Type": _JSON} if body else {}
        return self._request("POST", _target(path, query), body, {**typed, **headers}, timeout_s)

    def put(self, path: str, body: bytes) -> Answer:
        """PUT JSON."""
        return self._request("PUT", path, body, {"Content-Type": _JSON}, 30)

    def put_bytes(self, path: str, body: bytes, query: Mapping[str, str], *, timeout_s: float) -> Answer:
        """PUT bytes as they are."""
        return self._request("PUT", _target(path, query), body, {"Content-Type": "application/octet-stream"}, timeout_s)

    @property
    def streams(self) -> bool:
        """Whether `stream` can be used."""
        return self._transport.streams

    @contextmanager
    def stream(
        self, path: str, query: Mapping[str, object], headers: Mapping[str, str], *, timeout_s: float
    ) -> Generator[Iterator[bytes] | None]:
        """GET server-sent events: their lines, or None when there is nothing to come. What is refused is raised."""
        with self._transport.stream(_target(path, query), headers, timeout_s) as found:
            media_type = _media_type(found.headers)
            if found.status == 204:
                yield None
            elif media_type == _EVENTS and found.status == 200:
                yield found.lines
            else:
                reply = Reply(status=found.status, headers=found.headers, content=b"".join(found.lines))
                checked(self._answer(reply))
                raise self._foreign(reply)

    def text(self, path: str) -> Answer:
        """GET plain text."""
        return self._request("GET", path, b"", {"Accept": "text/plain"}, 30)

    def close(self) -> None:
        """Let go of the gateway."""
        self._transport.close()

    def _request(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        with progress.waiting(f"waiting for {self.name}"):
            reply = self._transport.send(method, target, headers, body, timeout_s)
        return self._answer(reply)

    def _answer(self, reply: Reply) -> Answer:
        media_type = _media_type(reply.headers)
        try:
            value: Any = msgspec.json.decode(reply.content) if reply.content else None
        except msgspec.DecodeError:
            value = None
        if media_type == "text/plain" and reply.status < 400:
            return Answer(status=reply.status, execution_id="", value=reply.content.decode(errors="replace"))
        problem = media_type == _PROBLEM and isinstance(value, dict)
        if (reply.status >= 400 and not problem) or (reply.content and media_type not in (_PROBLEM, _JSON)):
            raise self._foreign(reply)
        return Answer(status=reply.status, execution_id=reply.headers.get(_SERVER_HEADER.lower(), ""), value=value)

    def _foreign(self, reply: Reply) -> CommandError:
        said = _media_type(reply.headers) or "no media type"
        return CommandError(
            "answer_foreign",
            f"{self.name} is no Obelisk server: it answered {reply.status} with {said}",
            hint="name the server with --url",
        )


def _target(path: str, query: Mapping[str, object]) -> str:
    """A path with its query; parameters that are None are left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return path + (f"?{urlencode(given)}" if given else "")


def _headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip()


def checked(answer: Answer) -> Any:
    """The value of a good answer; a problem is raised as the CommandError of its code."""
    if answer.status < 400:
        return answer.value
    raise problem_error(answer.value)


def problem_error(problem: Mapping[str, Any], *, hint: str = "") -> CommandError:
    """The error of problem details, one line per fault."""
    detail = str(problem.get("detail", ""))
    faults = [
        f"{fault['pointer'] or '(root)'}: expected {fault['expected']}, {fault['detail']}"
        for fault in problem.get("errors", ())
    ]
    lines = [detail, *(f"  {fault}" for fault in faults if fault not in detail)]
    standard = ("type", "title", "status", "code", "detail")
    fields = {name: value for name, value in problem.items() if name not in standard}
    return CommandError(str(problem.get("code", "internal")), "\n".join(lines), hint=hint, **fields)


def execution_path(execution_id: str) -> str:
    """Where an execution is found; the id is one segment."""
    return f"/v1/executions/{quote(execution_id, safe=':')}"


def component_path(name: str) -> str:
    """Where a component is found."""
    return f"/v1/components/{quote(name, safe='')}"
