"""Documents that many ask for: compressed once, when they are made, not for each request."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response

_GZIP = "gzip"
_LEVEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text as it is, and in less bytes."""

    content: bytes
    packed: bytes
    media_type: str

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Document:
        """Compress it."""
        return cls(content=content, packed=gzip.compress(content, _LEVEL, mtime=0), media_type=media_type)

    def answer(self, asked: Headers, headers: Mapping[str, str] | None = None) -> Response:
        """The form that a request with the headers `asked` takes."""
        more = {"Vary": "Accept-Encoding", **(headers or {})}
        if not takes_gzip(asked.get("accept-encoding", "")):
            return Response(self.content, headers=more, media_type=self.media_type)
        return Response(self.packed, headers={**more, "Content-Encoding": _GZIP}, media_type=self.media_type)


def takes_gzip(accepted: str) -> bool:
    """Whether an ``Accept-Encoding`` names gzip, and not with a weight of zero."""
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() == _GZIP:
            return weight.strip().lower() not in ("q=0", "q=0.", "q=0.0", "q=0.00", "q=0.000")
    return False
