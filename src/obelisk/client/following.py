"""Following an execution's log by server-sent events, without I/O: what to ask for, and what the bytes mean.

A stream that breaks, or that the server ends before the log's end (it stops, or lets no stream last longer), is taken
up again after the last entry that came: nothing is missed and nothing comes twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from obelisk.client.errors import AnswerForeign, Unavailable, Unreachable, of_problem
from obelisk.client.exchange import Answer, Request, execution_path, refusal_of
from obelisk.client.operations import LogEntry

SILENCE_S: Final = 45.0
"""Heartbeats come every 15 seconds: a connection that is silent for longer is dead."""
_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0


class Frame(NamedTuple):
    """One server-sent event; `id` and `event` are ``""`` where it has none."""

    id: str
    event: str
    data: str


class Frames:
    """Cuts the bytes of a stream into events. What is neither a field nor a comment is passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, list[str]] = {}

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The events that are whole with these bytes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            if text:
                name, _, value = text.partition(":")
                self._fields.setdefault(name, []).append(value.removeprefix(" "))
                continue
            fields, self._fields = self._fields, {}
            if fields.get("data"):
                last = {name: values[-1] for name, values in fields.items()}
                yield Frame(last.get("id", ""), last.get("event", ""), "\n".join(fields["data"]))


class Following:
    """One log that is followed from the version `start` on until its execution has finished.

    In turn: `request` says what to send, then either `refused` has an answer that is no stream, or `opened` begins one,
    `entries` reads it, and `broken` says that it is over. All raise ClientError when following makes no sense any more.
    """

    def __init__(self, execution_id: str, start: int, retries: int) -> None:
        self.ended = False
        self._path = f"{execution_path(execution_id)}/events/follow"
        self._next, self._retries, self._tried = start, retries, 0
        self._frames = Frames()

    def request(self) -> Request:
        """Ask for the entries that are still to come."""
        pause_s = 0.0 if self._tried == 0 else min(_LONGEST_PAUSE_S, _PAUSE_S * 2 ** min(self._tried, 10))
        headers = {"Accept": "text/event-stream"}
        return Request(method="GET", path=self._path, query={"from": self._next}, headers=headers, pause_s=pause_s)

    def refused(self, answer: Answer) -> None:
        """The answer is no stream."""
        error = refusal_of(answer)
        self._failed(error if isinstance(error, Unavailable) else None, error)

    def opened(self) -> None:
        """A stream begins."""
        self._frames = Frames()

    def entries(self, chunk: bytes) -> Iterator[LogEntry]:
        """The entries that are whole with these bytes of the stream."""
        for frame in self._frames.feed(chunk):
            if frame.event == "end":
                self.ended = True
                return
            entry = self._entry(frame)
            self._tried, self._next = 0, entry.version + 1
            yield entry

    def broken(self, error: Unreachable | None = None) -> None:
        """The stream is over, or `error` kept it from beginning; it is taken up again."""
        self._failed(error, error)

    def _failed(self, retried: Exception | None, error: Exception | None) -> None:
        if error is not None and (retried is None or self._tried >= self._retries):
            raise error
        self._tried += 1

    def _entry(self, frame: Frame) -> LogEntry:
        try:
            value: Any = json.loads(frame.data)
            if frame.event == "problem":
                raise of_problem(int(value["status"]), {}, value)
            return LogEntry.of(value)
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerForeign("answer_foreign", f"no event of a log: {error}", status=200) from error
