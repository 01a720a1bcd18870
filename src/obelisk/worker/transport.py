"""The server's routes for workers, over plain HTTP or, where it takes more, with ``httpx``."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from obelisk.worker.errors import ServerForeign, WorkerError, WorkerRefused
from obelisk.worker.messages import Exchanged, Registered, encode, exchanged, registered
from obelisk.worker.plain_http import Answered, PlainHttp, Unreachable, serves

if TYPE_CHECKING:
    import httpx

ANSWER_WITHIN_S: Final = 20.0
_HEADERS: Final = {"Content-Type": "application/json"}


class Unanswered(Exception):
    """No answer comes, or the server cannot now; it wants to be asked again in `after_s`, 0 when it does not say."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class LeaseLost(Exception):
    """The server does not know this worker any more: its lease has run out."""


class TooLarge(Exception):
    """The server takes no request of this size."""


class WithHttpx:
    """Sends requests as `PlainHttp` does, through `http`, or through a client of its own without one."""

    def __init__(self, url: str, http: httpx.AsyncClient | None) -> None:
        import httpx  # here: most workers get along without

        self._url = url
        self._http = http or httpx.AsyncClient()
        self._owned = http is None
        self._timeout, self._broken = httpx.Timeout, httpx.TransportError

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        within_s: float,
        silent_s: float,
    ) -> Answered:
        """See `PlainHttp.request`."""
        timeout, target = self._timeout(silent_s, read=within_s), self._url + path
        try:
            answer = await self._http.request(method, target, content=body, headers=headers, timeout=timeout)
        except self._broken as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answered(status=answer.status_code, reason=answer.reason_phrase, headers=headers, content=answer.content)

    async def close(self) -> None:
        """See `PlainHttp.close`."""
        if self._owned:
            await self._http.aclose()


class Transport:
    """The server's routes for workers. Every method may raise `Unanswered` and `WorkerError`."""

    def __init__(self, url: str, token: str, http: httpx.AsyncClient | None) -> None:
        self._url = url.rstrip("/")
        plainly = http is None and serves(self._url)
        self._sender: PlainHttp | WithHttpx = PlainHttp(self._url) if plainly else WithHttpx(self._url, http)
        self._headers = {**_HEADERS, **({"Authorization": f"Bearer {token}"} if token else {})}

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    async def register(
        self, name: str, functions: Sequence[Mapping[str, str]], labels: Sequence[str], lease_s: float | None
    ) -> Registered:
        """Become a worker of the server."""
        body: dict[str, Any] = {"name": name or platform.node(), "functions": functions, "labels": labels}
        if lease_s is not None:
            body["lease_ms"] = round(lease_s * 1000)
        return registered(await self._sent("POST", "/v1/workers", encode(body)))

    async def exchange(self, worker: str, body: bytes, wait_s: float) -> Exchanged:
        """One exchange. LeaseLost, TooLarge."""
        return exchanged(await self._sent("POST", f"/v1/workers/{quote(worker)}/exchange", body, wait_s))

    async def leave(self, worker: str) -> None:
        """End being a worker. LeaseLost."""
        await self._sent("DELETE", f"/v1/workers/{quote(worker)}", None)

    async def _sent(self, method: str, path: str, body: bytes | None, wait_s: float = 0.0) -> bytes:
        within_s = ANSWER_WITHIN_S + wait_s
        try:
            answer = await self._sender.request(
                method, path, body, self._headers, within_s=within_s, silent_s=ANSWER_WITHIN_S
            )
        except Unreachable as error:
            raise Unanswered(f"no server answers at {self._url}: {error}") from error
        if 200 <= answer.status < 300:
            return answer.content
        self._refuse(answer)
        raise AssertionError("every refusal is raised")

    def _refuse(self, answer: Answered) -> None:
        status, (code, detail) = answer.status, _problem(answer)
        told = f"{self._url} answers {status}: {detail or code or answer.reason}"
        if status in (401, 403):
            raise WorkerRefused(f"{told}; a worker needs a token of the scope `work`", status=status, reason=code)
        if status == 404 and code == "worker_not_found":
            raise LeaseLost(told)
        if status == 404:
            raise ServerForeign(f"{told}; is this an Obelisk server that knows workers?", status=status)
        if status == 413:
            raise TooLarge(told)
        if status in (408, 429) or status >= 500:
            raise Unanswered(told, _after_s(answer))
        raise WorkerError(told, status=status, reason=code)


def _problem(answer: Answered) -> tuple[str, str]:
    """Code and detail of a refusal."""
    try:
        data: Any = msgspec.json.decode(answer.content)
        return str(data.get("code") or ""), str(data.get("detail") or data.get("title") or "")
    except (msgspec.DecodeError, AttributeError):
        return "", ""


def _after_s(answer: Answered) -> float:
    text = answer.headers.get("retry-after", "")
    return min(60.0, float(text)) if text.isdecimal() else 0.0
