"""Lists that grow, followed through the server-sent events of a gateway until they are whole.

A stream that breaks, or that the server ends before its end (it stops, or lets no stream last longer), is taken up
again after the last entry that came: nothing is missed and nothing comes twice. A server that does not answer is tried
again for `PATIENCE_S`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from obelisk.cli.connection.client import Client, problem_error
from obelisk.cli.errors import CommandError

PATIENCE_S: Final = 15.0
SILENCE_S: Final = 45.0
"""Heartbeats come every 15 seconds: a connection that is silent for longer is dead."""
_PAUSE_S: Final = 0.3


class Frame(NamedTuple):
    """One server-sent event; `id` and `event` are ``""`` where it has none."""

    id: str
    event: str
    data: str


class Entry(NamedTuple):
    """One entry of a list: its number there, and what the server shows of it."""

    number: int
    value: Any


def frames(lines: Iterable[bytes]) -> Iterator[Frame]:
    """The events of a stream, whole ones only. What is neither a field nor a comment is passed over, as browsers do."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        text = line.decode(errors="replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        elif fields:
            data = "\n".join(fields.get("data", ()))
            if data:
                yield Frame(fields.get("id", [""])[-1], fields.get("event", [""])[-1], data)
            fields = {}


def follow(
    client: Client,
    path: str,
    query: Mapping[str, object],
    *,
    after: int | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[Entry]:
    """The entries of a list, as they come, until it is whole; `after`: those behind the one of that number.

    `is_wanted` is asked before a stream is taken up again.

    CommandError: what the server refuses, and ``server_unreachable`` when it does not answer for too long.
    """
    last, failing_since = after, float("inf")
    while is_wanted():
        try:
            headers = {} if last is None else {"Last-Event-ID": str(last)}
            with client.stream(path, query, headers, timeout_s=SILENCE_S) as lines:
                if lines is None:
                    return
                for frame in frames(lines):
                    failing_since = float("inf")
                    if frame.event == "end":
                        return
                    value: Any = msgspec.json.decode(frame.data)
                    if frame.event == "problem":
                        raise problem_error(value)
                    last = int(frame.id)
                    yield Entry(last, value)
        except CommandError as error:
            failing_since = min(failing_since, time.monotonic())
            if error.code != "server_unreachable" or time.monotonic() - failing_since >= PATIENCE_S:
                raise
        time.sleep(_PAUSE_S)
