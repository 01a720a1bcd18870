"""A bank that fails every other time, and declines cards that begin with 0: `python examples/orders/bank.py`."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

PORT: Final = 8099


class Bank(ThreadingHTTPServer):
    """Keeps the charges by their keys, and how often it was asked."""

    def __init__(self, port: int = PORT) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.asked = 0
        self.charges: dict[str, int] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Bank

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked += 1
        if self.server.asked % 2:
            self._answer(503, b"closed for a moment")
        elif order["card"].startswith("0"):
            self._answer(402, b"no such card")
        else:
            charge = self.headers["idempotency-key"].replace("/", "-")
            self.server.charges[charge] = order["cents"]
            self._answer(200, json.dumps({"charge": charge}).encode())

    def do_DELETE(self) -> None:
        self.server.charges.pop(self.path.rpartition("/")[2], None)
        self._answer(204, b"")

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Say nothing."""


if __name__ == "__main__":
    Bank().serve_forever()
