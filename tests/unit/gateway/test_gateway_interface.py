"""The web interface as it is served: from what was built, or not at all, and then with a way out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.document.interface import CONTENT_SECURITY_POLICY, Interface
from obelisk.gateway.errors import Refusal
from obelisk.gateway.routes import interface as routes
from obelisk.gateway.routes.endpoint import Endpoint


def ask(endpoint: Endpoint, **segments: str) -> tuple[int, dict[str, str], bytes]:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "path_params": segments,
        "query_string": b"",
    }

    async def handled() -> Response:
        return await endpoint.handler(Request(scope), {})

    answer = asyncio.run(handled())
    return answer.status_code, dict(answer.headers), bytes(answer.body)


@pytest.fixture
def built(tmp_path: Path) -> Interface:
    (tmp_path / "ui").mkdir()
    (tmp_path / "index.html").write_text("<p>page</p>", encoding="utf-8")
    (tmp_path / "ui/a-1.js").write_text("run()", encoding="utf-8")
    (tmp_path / "ui/notes.txt").write_text("not served", encoding="utf-8")
    return Interface.load(tmp_path)


def test_a_checkout_that_built_nothing_says_how(tmp_path: Path) -> None:
    page, _ = routes.endpoints(lambda: Interface.load(tmp_path))
    with pytest.raises(Refusal, match="run `make interface`"):
        ask(page)


def test_the_page_is_asked_for_anew_and_files_are_kept(built: Interface) -> None:
    page, file = routes.endpoints(lambda: built)
    status, headers, body = ask(page)
    assert (status, headers["cache-control"], body) == (200, "no-cache", b"<p>page</p>")
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    status, headers, body = ask(file, file="a-1.js")
    assert (status, headers["content-type"], body) == (200, "text/javascript; charset=utf-8", b"run()")
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize("name", ["notes.txt", "b.js", "index.html", "..", "%2e%2e"])
def test_no_other_file_is_served(built: Interface, name: str) -> None:
    with pytest.raises(Refusal, match="no route"):
        ask(routes.endpoints(lambda: built)[1], file=name)


def test_no_inline_script_or_style_may_run() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
