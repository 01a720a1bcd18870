"""Swagger UI, served from an installed package: nothing is fetched from a foreign host.

The page names the files' hashes (subresource integrity), so that a browser runs exactly the release that was reviewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from obelisk.gateway.document.compressed import Document

VERSION: Final = "5.31.0"
INTEGRITY: Final[Mapping[str, str]] = {
    "swagger-ui.css": "sha384-KX9Rx9vM1AmUNAn07bPAiZhFD4C8jdNgG6f5MRNvR+EfAxs2PmMFtUUazui7ryZQ",
    "swagger-ui-bundle.js": "sha384-cxafBeQ+zYROeFafGFxtFbnp1ICqeS9mG7+f0WWSHzhnrUvwg9Za5CCw6wgrHA7K",
}
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load. Swagger UI sets styles on elements, hence the inline styles; it needs no inline script."""


def page() -> Document:
    """The HTML page. Its links are relative, so that it works below any prefix."""
    html = _own("docs.html").decode()
    html = html.replace("@CSS@", INTEGRITY["swagger-ui.css"]).replace("@JS@", INTEGRITY["swagger-ui-bundle.js"])
    return Document.of(html.encode(), "text/html")


@cache
def asset(name: str) -> Document | None:
    """A file that the page loads, or None for any other name."""
    if name == "start.js":
        return Document.of(_own(name), "text/javascript")
    if name not in INTEGRITY:
        return None
    file = resources.files("swagger_ui_bundle") / "vendor" / f"swagger-ui-{VERSION}" / name
    return Document.of(file.read_bytes(), "text/css" if name.endswith(".css") else "text/javascript")


def _own(name: str) -> bytes:
    return (resources.files("obelisk.gateway") / "assets" / name).read_bytes()
