"""The gateway of this process over the database of a configuration: what a server would answer, without one.

Reading, submitting and steering are safe with any number of servers running, for all of these are appends to the log
that the store fences. Nothing is executed here: what is submitted waits for a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from obelisk.cli import progress
from obelisk.cli.connection.client import Reply
from obelisk.cli.errors import CommandError
from obelisk.gateway.app import create_app
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.wiring.bootstrap import open_runtime
from obelisk.runtime.wiring.config import Config

_HERE: Final = ("127.0.0.1", 0)


class Direct:
    """A `client.Transport`. CommandError ``file_not_found`` when there is no database; StoreError."""

    def __init__(self, config: Config) -> None:
        self.name, self.streams = str(config.database), False
        if not config.database.exists():
            raise CommandError(
                "file_not_found",
                f"{config.database}: there is no such database",
                hint="name its configuration with --config; `obelisk server run` makes the database",
            )
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        opening = open_runtime(dataclasses.replace(config, components=()), execute=False)
        try:
            with progress.waiting(f"opening {config.database}"):
                runtime = self._runner.run(self._stack.enter_async_context(opening))
        except BaseException:
            self._runner.close()
            raise
        self._app = create_app(runtime.api, GatewaySettings.of(config.server))

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
        """See `client.Transport`."""
        return self._runner.run(self._answer(method, target, headers, body))

    def stream(self, target: str, headers: Mapping[str, str], timeout_s: float) -> NoReturn:
        """See `client.Transport`: there is none."""
        raise AssertionError("readers of a database poll it")

    def close(self) -> None:
        """Close the database."""
        try:
            self._runner.run(self._stack.aclose())
        finally:
            self._runner.close()

    async def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        path, _, query = target.partition("?")
        given = {"host": "localhost", "content-length": str(len(body)), **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "client": _HERE,
            "server": _HERE,
        }
        requests = [{"type": "http.request", "body": body, "more_body": False}]
        answered: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            if requests:
                return requests.pop()
            await asyncio.Event().wait()  # there is no connection to lose
            raise AssertionError

        async def send(message: Mapping[str, Any]) -> None:
            answered.append(message)

        app: Any = self._app
        try:
            await app(scope, receive, send)
        except Exception:
            if not answered:  # else it is the bug that the answer tells of
                raise
        start, *parts = answered
        return Reply(
            status=start["status"],
            headers={name.decode().lower(): value.decode() for name, value in start["headers"]},
            content=b"".join(part.get("body", b"") for part in parts),
        )
