"""Downloading: HTTP GETs with progress, a bound on the size, and errors that say which host did what.

Nothing is decompressed: a few bytes can be made to become gigabytes. So compression is not asked for, and refused.

The one module of the command line that speaks to other servers than Obelisk's own. Redirects are followed, but never
from TLS to plain HTTP; headers with credentials stay with the host they are for. Proxies and certificates are those of
the environment, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from obelisk import __version__
from obelisk.cli.errors import CommandError

MAX_BYTES: Final = 1 << 28
_MAX_JSON: Final = 1 << 24
_TIMEOUT_S: Final = 30.0
_REDIRECTS: Final = 20
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What a host answered: the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Downloads:
    """One client for the requests of one command; to be used as a context manager. `say` is told how far it is."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        asked = {"User-Agent": f"obelisk/{__version__}", "Accept-Encoding": "identity"}
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._client.close()

    def get(
        self,
        url: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        limit: int = MAX_BYTES,
        also: tuple[int, ...] = (),
    ) -> Download:
        """The answer, read whole, of status 200, or one of `also` without its content. `what` is its name in messages.

        CommandError: source_unreachable, source_not_found, source_refused, source_invalid (larger than `limit` bytes,
        or compressed).
        """
        host = httpx.URL(url).netloc.decode()
        try:
            with closing(self._answer(url, what, headers)) as answer:
                content = self._read(answer, what, limit) if answer.status_code == 200 else b""
        except httpx.TimeoutException:
            raise _unreachable(what, f"{host} did not answer within {_TIMEOUT_S:.0f} s") from None
        except httpx.TransportError as error:
            raise _unreachable(what, f"{host} cannot be reached: {error or type(error).__name__}") from None
        except httpx.HTTPError as error:
            raise _unreachable(what, f"{host}: {error or type(error).__name__}") from None
        if answer.status_code != 200 and answer.status_code not in also:
            raise _status(answer, what, host)
        return Download(status=answer.status_code, headers=dict(answer.headers), content=content)

    def json(self, url: str, what: str, *, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of an answer; CommandError as of `get`, source_invalid for what is none."""
        return decoded(self.get(url, what, headers=headers, limit=_MAX_JSON).content, what)

    def _answer(self, url: str, what: str, headers: Mapping[str, str] | None) -> httpx.Response:
        """The last of a chain of redirects, of which no body is read; to be closed."""
        request = self._client.build_request("GET", url, headers=headers)
        is_secure = httpx.URL(url).scheme == "https"
        for _ in range(_REDIRECTS + 1):
            if is_secure and request.url.scheme != "https":
                host = httpx.URL(url).host
                raise CommandError("source_refused", f"{what}: {host} redirects to an address without TLS")
            answer = self._client.send(request, stream=True)
            if answer.next_request is None:
                return answer
            answer.close()
            request = answer.next_request
        raise httpx.TooManyRedirects(f"more than {_REDIRECTS} redirects", request=request)

    def _read(self, answer: httpx.Response, what: str, limit: int) -> bytes:
        coding = answer.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise CommandError(
                "source_invalid",
                f"{what}: the answer is compressed ({coding}), which was not asked for",
                hint="have the server send the file as it is, without Content-Encoding",
            )
        length = answer.headers.get("content-length", "")
        total = f" of {int(length) / _MEGABYTE:.1f}" if length.isdecimal() else ""
        pieces: list[bytes] = []
        size = 0
        for piece in answer.iter_raw():
            size += len(piece)
            if size > limit:
                raise CommandError("source_invalid", f"{what} is larger than {limit / _MEGABYTE:.0f} MB")
            pieces.append(piece)
            self._say(f"downloading {what}: {size / _MEGABYTE:.1f}{total} MB")
        return b"".join(pieces)


def decoded(content: bytes, what: str) -> Any:
    """JSON; CommandError ``source_invalid``."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        raise CommandError("source_invalid", f"{what}: the answer is not JSON") from None


def _unreachable(what: str, reason: str) -> CommandError:
    hint = "is this machine online? A proxy is taken from HTTPS_PROXY"
    return CommandError("source_unreachable", f"{what}: {reason}", hint=hint)


def _status(answer: httpx.Response, what: str, host: str) -> CommandError:
    if answer.status_code in (404, 410):
        return CommandError("source_not_found", f"{what}: {host} has no such thing ({answer.status_code})")
    reason = f"{host} answered {answer.status_code} {answer.reason_phrase}".rstrip()
    if answer.status_code >= 500:
        return CommandError("source_unreachable", f"{what}: {reason}", hint="try again later")
    return CommandError("source_refused", f"{what}: {reason}")
