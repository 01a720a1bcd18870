"""The HTTP client for guests and httpx next to it, in a component, against a server that answers badly, too."""

from __future__ import annotations

import importlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from typing import Any

import pytest

import kept

acceptance = importlib.import_module("server")
obelisk: Callable[..., Any] = importlib.import_module("command_line").obelisk

KEPT = kept.CACHE / "projects/guest-http"
WIT = """package test:fetch;
interface fetch {
    plain: func(method: string, url: string, body: option<string>) -> string;
    by-httpx: func(method: string, url: string, body: option<string>) -> string;
}
"""
SOURCE = """
import json

import httpx
from obelisk_guest import http
from obelisk_guest.httpx import Transport
from wit_world import exports


class Fetch(exports.Fetch):
    def plain(self, method: str, url: str, body: str | None) -> str:
        try:
            answer = http.request(method, url, headers={"X-Key": "k"}, content=body, timeout=2)
        except http.HttpError as error:
            if isinstance(error, http.NotAllowed) and "uncaught" in url:
                raise
            return type(error).__name__
        return json.dumps([answer.status, answer.headers["x-seen"], len(answer.content), answer.text[:200]])

    def by_httpx(self, method: str, url: str, body: str | None) -> str:
        with httpx.Client(transport=Transport(), headers={"X-Key": "k"}, timeout=2) as client:
            try:
                answer = client.request(method, url, content=body)
            except httpx.RequestError as error:
                return type(error).__name__
        return json.dumps([answer.status_code, answer.headers["x-seen"], len(answer.content), answer.text[:200]])
"""


class Handler(BaseHTTPRequestHandler):
    """Tells what it was asked; `/large` is a body of many reads, `/broken` one that ends too early, `/slow` none."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/slow":
            threading.Event().wait(10)
        content = b"x" * 300_000 if self.path == "/large" else b"no" if self.path == "/missing" else body
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("x-seen", f"{self.command} {self.path} {self.headers['x-key']} {len(body)}")
        self.send_header("content-length", str(len(content) + (5 if self.path == "/broken" else 0)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Say nothing."""


@pytest.fixture(scope="module")
def answering() -> Iterator[int]:
    """The port of the server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, answering: int) -> Iterator[Any]:
    """A server with the component, which may reach that port, and one where nothing listens."""
    folder = tmp_path_factory.mktemp("fetch")
    (folder / "wit").mkdir()
    (folder / "wit/fetch.wit").write_text(WIT)
    (folder / "src").mkdir()
    (folder / "src/fetch.py").write_text(SOURCE)
    for name in ("httpx", "idna"):  # as `pip install --no-deps --target src` does
        for file in metadata.files(name) or ():
            if file.parts[0] not in ("..", "bin") and file.suffix != ".pyc":
                (folder / "src" / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), folder / "src" / file)
    rule = f'host = "127.0.0.1"\nschemes = ["http"]\nports = [{answering}, 1]\n'
    text = f'[[http.allow]]\n{rule}[component.fetch]\nsource = "src/fetch.py"\nmax_retries = 0\n'
    text += f'[[component.fetch.http.allow]]\n{rule}[cache]\npath = "{kept.COMPILED}"\n'
    (folder / "obelisk.toml").write_text(text)
    with pytest.MonkeyPatch.context() as patch, kept.alone("project-guest-http"):
        patch.setenv("OBELISK_TOOLS", str(kept.TOOLS))
        if KEPT.exists():
            shutil.copytree(KEPT, folder / "build")
        built = obelisk("build", str(folder))
        assert built.status == 0, built.err
        shutil.rmtree(KEPT, ignore_errors=True)
        shutil.copytree(folder / "build", KEPT)
    made = acceptance.Server(folder, text)
    made.start()
    yield made
    made.close()


def fetched(server: Any, function: str, method: str, url: str, body: str | None = None) -> Any:
    path = f"/v1/functions/test:fetch/fetch/{function}"
    answer = server.http.post(path, json={"method": method, "url": url, "body": body})
    assert answer.status_code == 200, answer.text
    text = answer.json()
    return json.loads(text) if text.startswith("[") else text


@pytest.mark.parametrize("function", ["plain", "by-httpx"])
def test_answers_of_every_kind_are_read(server: Any, answering: int, function: str) -> None:
    base = f"http://127.0.0.1:{answering}"
    assert fetched(server, function, "GET", f"{base}/a?b=c%20d") == [200, "GET /a?b=c%20d k 0", 0, ""]
    assert fetched(server, function, "POST", f"{base}/echo", "\u00e9" * 5000)[1:3] == ["POST /echo k 10000", 10_000]
    assert fetched(server, function, "DELETE", f"{base}/missing") == [404, "DELETE /missing k 0", 2, "no"]
    assert fetched(server, function, "GET", f"{base}/large")[2] == 300_000


@pytest.mark.parametrize(
    ("path", "plain", "by_httpx"),
    [
        ("/slow", "RequestTimedOut", "ReadTimeout"),
        ("/broken", "HttpError", "RemoteProtocolError"),
        (":1/", "Unreachable", "ConnectError"),
        (":2/", "NotAllowed", "RemoteProtocolError"),
    ],
)
def test_what_goes_wrong_has_a_name(server: Any, answering: int, path: str, plain: str, by_httpx: str) -> None:
    url = f"http://127.0.0.1{path}" if path.startswith(":") else f"http://127.0.0.1:{answering}{path}"
    assert fetched(server, "plain", "GET", url) == plain
    assert fetched(server, "by-httpx", "GET", url) == by_httpx


def test_a_host_that_is_not_allowed_is_told_with_the_line_that_asked_for_it(server: Any) -> None:
    url = "http://api.example.com/uncaught"
    answer = server.http.post("/v1/functions/test:fetch/fetch/plain", json={"method": "GET", "url": url, "body": None})
    assert answer.json()["detail"] == (
        f"obelisk_guest.http_errors.NotAllowed: GET {url} is not allowed: both [[component.NAME.http.allow]] and "
        "[[http.allow]] of obelisk.toml have to name it; the execution's log says which does not "
        "(fetch.py:13, in plain)"
    )
    execution = answer.headers["Obelisk-Execution-Id"]
    told = server.http.get(f"/v1/executions/{execution}/logs").json()["items"][0]["text"]
    assert f"component.fetch.http.allow and http.allow does not allow GET {url}" in told
