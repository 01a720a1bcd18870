"""Lists followed through server-sent events: what is read of a stream, and how a broken one is taken up again."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from obelisk.cli.connection import event_streams
from obelisk.cli.connection.client import Client, HttpTransport
from obelisk.cli.connection.event_streams import Frame, frames
from obelisk.cli.errors import CommandError

END = b"event: end\ndata: {}\n\n"
EVENTS = "text/event-stream"


def entry(number: int) -> bytes:
    return b'id: %d\ndata: {"n": %d}\n\n' % (number, number)


# --- frames ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'id: 3\ndata: {"a": 1}\n\n', [Frame("3", "", '{"a": 1}')]),
        (b":\n\n: a comment\n\nevent: end\ndata: {}\n\n", [Frame("", "end", "{}")]),
        (b"data: a\ndata:b\n\n", [Frame("", "", "a\nb")]),
        (b"id: 1\r\ndata: x\r\n\r\n", [Frame("1", "", "x")]),
        (b"id: 1\n\n\n\nretry: 5\ndata\nunknown: y\n\n", []),
        (b"data: whole\n\nid: 2\ndata: cut off", [Frame("", "", "whole")]),
        (b"", []),
    ],
)
def test_frames_are_read_as_browsers_do(text: bytes, found: Sequence[Frame]) -> None:
    assert list(frames(text.splitlines(keepends=True))) == found


# --- streams --------------------------------------------------------------------------------------------------------
class Script:
    """A server that answers one request after the other as it is told, and keeps what it was asked."""

    def __init__(self, *answers: bytes | tuple[int, str, bytes] | None) -> None:
        """Content of a stream that ends there, or status, media type and content; None hangs up without an answer."""
        self.answers, self.asked = list(answers), list[tuple[str, str | None]]()
        self.port = 0

    @contextlib.contextmanager
    def served(self, port: int = 0) -> Generator[str]:
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script.asked.append((self.path, self.headers["Last-Event-ID"]))
                answer = script.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, media_type, content = answer if isinstance(answer, tuple) else (200, EVENTS, answer)
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                return

        with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{self.port}"
            finally:
                server.shutdown()
                thread.join()


def followed(url: str, **more: Any) -> list[int]:
    client = Client(HttpTransport(url))
    return [found.value["n"] for found in event_streams.follow(client, "/list/follow", {"from": 5, "x": None}, **more)]


def test_a_broken_stream_is_taken_up_behind_the_last_entry() -> None:
    script = Script(entry(5) + entry(6) + b'id: 7\ndata: {"n', b":\n\n", None, entry(7) + END)
    with script.served() as url:
        assert followed(url) == [5, 6, 7]
    path = "/list/follow?from=5"
    assert script.asked == [(path, None), (path, "6"), (path, "6"), (path, "6")]


def test_a_server_that_is_started_again_is_waited_for() -> None:
    before, after = Script(entry(5)), Script(entry(6) + END)
    done: list[int] = []
    with before.served() as url:
        following = threading.Thread(target=lambda: done.extend(followed(url)))
        following.start()
        while not before.asked:
            time.sleep(0.01)
    time.sleep(0.5)
    with after.served(before.port):
        following.join(120)
    assert done == [5, 6]
    assert [last for _, last in after.asked] == ["5"]


def test_a_server_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "PATIENCE_S", 0.2)
    with Script().served() as url:
        pass
    with pytest.raises(CommandError) as away:
        followed(url)
    assert away.value.code == "server_unreachable"


def test_what_was_seen_already_is_not_asked_for() -> None:
    script = Script((204, "text/plain", b""))
    with script.served() as url:
        assert followed(url, after=41) == []
    assert script.asked == [("/list/follow?from=5", "41")]


def test_who_wants_no_more_takes_no_stream_up_again() -> None:
    script = Script(entry(5), entry(6))
    with script.served() as url:
        assert followed(url, is_wanted=lambda: not script.asked) == [5]


PROBLEM = b'{"type": "t", "title": "t", "status": 404, "code": "execution_not_found", "detail": "gone"}'


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"event: problem\ndata: " + PROBLEM + b"\n\n", "execution_not_found"),
        ((404, "application/problem+json", PROBLEM), "execution_not_found"),
        ((200, "text/html", b"<p>hello"), "answer_foreign"),
        ((200, "application/json", b"{}"), "answer_foreign"),
    ],
)
def test_refusals_are_raised(answer: bytes | tuple[int, str, bytes], code: str) -> None:
    script = Script(answer)
    with script.served() as url, pytest.raises(CommandError) as refused:
        followed(url)
    assert refused.value.code == code
