"""The web interface: the files that `ui/` was built into, served as they are. Nothing is fetched from a foreign host.

A checkout has none before ``make interface`` built them; a wheel brings them. Names of scripts and styles hold a hash
of their content, so a browser keeps them for good and asks for the page alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from obelisk.gateway.document.compressed import Document

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load: its own files and the gateway's answers. No inline script or style, no `eval`."""
PAGE_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-cache",
}
FILE_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "public, max-age=31536000, immutable"}
_TYPES: Final[Mapping[str, str]] = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The page and the files that it loads, by name; no page when the interface was not built."""

    page: Document | None
    files: Mapping[str, Document]

    @classmethod
    def load(cls, folder: Traversable | None = None) -> Interface:
        """Read what was built: by default into this package."""
        folder = (resources.files("obelisk.gateway") / "assets" / "ui") if folder is None else folder
        page = folder / "index.html"
        if not page.is_file():
            return cls(page=None, files={})
        files = {
            file.name: Document.of(file.read_bytes(), _TYPES[kind])
            for file in (folder / "ui").iterdir()
            if (kind := file.name.rpartition(".")[2]) in _TYPES
        }
        return cls(page=Document.of(page.read_bytes(), "text/html"), files=files)


@cache
def built() -> Interface:
    """What this package brings, read and compressed once, when it is first asked for."""
    return Interface.load()
