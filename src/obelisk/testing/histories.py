"""Histories of executions: as tests look at them, and as files that later versions of the code must replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from obelisk.runtime.log import codec, fold
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Stored
from obelisk.testing.errors import HistoryMismatch

FORMAT: Final = 1
_KIND: Final = "history"


class _Event(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    kind: int
    at_us: int
    body: msgspec.Raw


class _Response(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    kind: int
    body: msgspec.Raw


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    obelisk: str
    format: int
    execution_id: str
    ffqn: str
    events: list[_Event]
    responses: list[_Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event. `kind` is that of the log (``created``, ``join_set_request``, …), `body` what it says."""

    version: int
    at: datetime
    kind: str
    body: dict[str, Any]

    def __str__(self) -> str:
        more = next((str(self.body[key]) for key in ("ffqn", "delay", "join_set", "reason") if self.body.get(key)), "")
        return f"{self.version:3} {self.at:%Y-%m-%d %H:%M:%S} {self.kind} {more}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The log of one execution."""

    execution_id: str
    ffqn: str
    entries: Sequence[Entry]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def kinds(self) -> list[str]:
        """The kinds of its events, in order."""
        return [entry.kind for entry in self.entries]

    @property
    def asked(self) -> list[str]:
        """The functions that it called, submitted or scheduled, in order."""
        return [entry.body["ffqn"] for entry in self.entries if entry.kind in ("join_set_request", "schedule")]

    def __str__(self) -> str:
        return "\n".join([f"{self.execution_id} {self.ffqn}", *map(str, self.entries)])


def history_of(stored: Stored) -> History:
    """What tests see of a log."""
    entries = [
        Entry(version=version, at=datetime.fromtimestamp(at_us / 1e6, UTC), kind=body.pop("type"), body=body)
        for version, (event, at_us) in enumerate(zip(stored.events, stored.times, strict=True))
        for body in [msgspec.json.decode(msgspec.json.encode(event))]
    ]
    return History(execution_id=stored.execution_id, ffqn=stored.state.ffqn, entries=entries)


def write(stored: Stored) -> bytes:
    """A log as a file's content."""
    events = [
        _Event(kind=kind, at_us=at_us, body=msgspec.Raw(body))
        for event, at_us in zip(stored.events, stored.times, strict=True)
        for kind, body in [codec.encode_event(event)]
    ]
    responses = [
        _Response(kind=kind, body=msgspec.Raw(body)) for kind, body in map(codec.encode_response, stored.responses)
    ]
    file = _File(
        obelisk=_KIND,
        format=FORMAT,
        execution_id=stored.execution_id,
        ffqn=stored.state.ffqn,
        events=events,
        responses=responses,
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def read(path: Path) -> Stored:
    """The log in a file. HistoryMismatch: it is none, or one of a later version."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        if (file.obelisk, file.format) != (_KIND, FORMAT):
            raise HistoryMismatch(f"{path} is no history of format {FORMAT}: it says {file.obelisk} {file.format}")
        events = tuple(codec.decode_event(one.kind, bytes(one.body)) for one in file.events)
        responses = tuple(codec.decode_response(one.kind, bytes(one.body)) for one in file.responses)
    except (msgspec.DecodeError, codec.CorruptLog) as error:
        raise HistoryMismatch(f"{path} is no saved history: {error}") from None
    return Stored(
        execution_id=file.execution_id,
        state=fold.fold(events),
        events=events,
        responses=responses,
        times=tuple(one.at_us for one in file.events),
    )


def prefix(stored: Stored, length: int) -> Stored:
    """The execution as if its first so many events were all."""
    events = stored.events[:length]
    return Stored(
        execution_id=stored.execution_id,
        state=fold.fold(events),
        events=events,
        responses=stored.responses,
        times=stored.times[:length],
    )


def told(raw: msgspec.Raw) -> str:
    """A recorded event in words."""
    if raw == log.ABSENT:
        return "nothing"
    body: dict[str, Any] = msgspec.json.decode(raw)
    kind = body.pop("type", "event")
    return f"{kind} {msgspec.json.encode(body).decode()}"
