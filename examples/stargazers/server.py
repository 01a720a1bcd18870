"""The server of the stargazers example: hands out pages of names, badly on purpose: `python server.py [PORT]`.

The first request for a page may fail: pages whose number leaves 1 when divided by 4 answer 500, those that leave 2
stall, those that leave 3 break off in the middle. Every later request for that page is answered well.
``PUT /reports/…`` keeps a report, ``GET /reports/…`` gives it back, ``GET /attempts`` says how often each page was
asked for.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGES = 20
NAMES_ON_A_PAGE = 30
STALL_S = 30.0
FIRST_NAMES = ("ada", "barbara", "edsger", "grace", "haskell", "john", "kurt", "margaret", "radia", "tony")


def names(page: int) -> list[str]:
    """The names on a page, counted from 1."""
    first = (page - 1) * NAMES_ON_A_PAGE
    return [f"{FIRST_NAMES[number % len(FIRST_NAMES)]}-{number}" for number in range(first, first + NAMES_ON_A_PAGE)]


class StargazersServer(ThreadingHTTPServer):
    """Knows what was asked for. `ended` lets stalled requests go."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.attempts: Counter[int] = Counter()
        self.reports: dict[str, str] = {}
        self.ended = threading.Event()
        self.counting = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: StargazersServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Pages, reports, attempts."""
        parts = urlsplit(self.path)
        if parts.path == "/attempts":
            self._answer(json.dumps(self.server.attempts))
        elif parts.path.startswith("/reports/"):
            report = self.server.reports.get(parts.path)
            self._answer(report or "", 404 if report is None else 200)
        elif parts.path.startswith("/repos/") and parts.path.endswith("/stargazers"):
            self._page(int(parse_qs(parts.query).get("page", ["0"])[0]))
        else:
            self._answer("", 404)

    def do_PUT(self) -> None:
        """Keep a report."""
        chunks: list[bytes] = []
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            chunks.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        self.server.reports[self.path] = b"".join(chunks).decode()
        self._answer("")

    def _page(self, number: int) -> None:
        if not 1 <= number <= PAGES:
            self._answer("", 404)
            return
        with self.server.counting:
            self.server.attempts[number] += 1
            is_first = self.server.attempts[number] == 1
        text = "\n".join([str(PAGES), *names(number)]) + "\n"
        match number % 4 if is_first else 0:
            case 1:
                self._answer("", 500)
            case 2:
                self.server.ended.wait(STALL_S)
                self.close_connection = True
            case 3:
                self._answer(text, announced=len(text) + 1000)
                self.close_connection = True
            case _:
                self._answer(text)

    def _answer(self, text: str, status: int = 200, *, announced: int | None = None) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content) if announced is None else announced))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
        return


def main() -> None:
    """Serve until interrupted."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8099
    with StargazersServer(port) as server:
        print(f"stargazers at http://127.0.0.1:{server.server_address[1]}/repos/ada/engine/stargazers?page=1")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.ended.set()


if __name__ == "__main__":
    main()
