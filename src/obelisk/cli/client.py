"""A small HTTP client for the gateway of a running server."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import click
import msgspec

from obelisk.cli.errors import CommandError

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_PROBLEM: Final = "application/problem+json"
Command = TypeVar("Command", bound=Callable[..., Any])


def url_option(command: Command) -> Command:
    """``--url`` for a command; it gets `url`."""
    return click.option(
        "--url", envvar="OBELISK_URL", default=DEFAULT_URL, show_default=True, help="The server; or set OBELISK_URL."
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said: `value` is its JSON or, where asked for, text; None when there was no body."""

    status: int
    execution_id: str
    value: Any


class Client:
    """Requests to one server. CommandError: server_unreachable, answer_foreign, or the code of a problem."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise CommandError("config_invalid", f'--url: expected "http://HOST:PORT", found "{url}"')
        self._url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        try:
            self._port = parts.port
        except ValueError:
            raise CommandError("config_invalid", f"--url: the port in {url} is no number up to 65535") from None
        self._prefix = parts.path.rstrip("/")

    def get(self, path: str, query: Mapping[str, object] | None = None, *, timeout_s: float = 30) -> Answer:
        """GET; parameters that are None are left out."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._request("GET", path + (f"?{urlencode(given)}" if given else ""), None, {}, timeout_s)

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float = 30) -> Answer:
        """POST JSON."""
        return self._request("POST", path, body, {"Content-Type": "application/json", **headers}, timeout_s)

    def put(self, path: str, body: bytes) -> Answer:
        """PUT JSON."""
        return self._request("PUT", path, body, {"Content-Type": "application/json"}, 30)

    def put_bytes(self, path: str, body: bytes, query: Mapping[str, str], *, timeout_s: float) -> Answer:
        """PUT bytes as they are."""
        target = path + (f"?{urlencode(query)}" if query else "")
        return self._request("PUT", target, body, {"Content-Type": "application/octet-stream"}, timeout_s)

    def text(self, path: str) -> Answer:
        """GET plain text."""
        return self._request("GET", path, None, {"Accept": "text/plain"}, 30)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        connect = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = connect(self._host, self._port, timeout=timeout_s)
        try:
            connection.request(method, self._prefix + path, body, dict(headers))
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                "server_unreachable",
                f"no server answers at {self._url}: {error or type(error).__name__}",
                hint="start one with `obelisk executor serve`, or name another with --url",
                url=self._url,
            ) from None
        finally:
            connection.close()
        return self._read(response, content)

    def _read(self, response: http.client.HTTPResponse, content: bytes) -> Answer:
        media_type = response.headers.get_content_type()
        try:
            value: Any = msgspec.json.decode(content) if content else None
        except msgspec.DecodeError:
            value = None
        if media_type == "text/plain" and response.status < 400:
            return Answer(status=response.status, execution_id="", value=content.decode(errors="replace"))
        problem = media_type == _PROBLEM and isinstance(value, dict)
        if (response.status >= 400 and not problem) or (content and media_type not in (_PROBLEM, "application/json")):
            raise CommandError(
                "answer_foreign",
                f"{self._url} is no Obelisk server: it answered {response.status} with {media_type}",
                hint="name the server with --url",
            )
        execution_id = response.headers.get("Obelisk-Execution-Id", "")
        return Answer(status=response.status, execution_id=execution_id, value=value)


def checked(answer: Answer) -> Any:
    """The value of a good answer; a problem is raised as the CommandError of its code."""
    if answer.status < 400:
        return answer.value
    raise problem_error(answer.value)


def problem_error(problem: Mapping[str, Any], *, hint: str = "") -> CommandError:
    """The error of problem details, one line per fault."""
    lines = [str(problem.get("detail", ""))]
    for fault in problem.get("errors", ()):
        lines.append(f"  {fault['pointer'] or '(root)'}: expected {fault['expected']}, {fault['detail']}")
    standard = ("type", "title", "status", "code", "detail")
    fields = {name: value for name, value in problem.items() if name not in standard}
    return CommandError(str(problem.get("code", "internal")), "\n".join(lines), hint=hint, **fields)


def execution_path(execution_id: str) -> str:
    """Where an execution is found; the id is one segment."""
    return f"/v1/executions/{quote(execution_id, safe=':')}"


def component_path(name: str) -> str:
    """Where a component is found."""
    return f"/v1/components/{quote(name, safe='')}"
