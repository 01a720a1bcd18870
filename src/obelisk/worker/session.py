"""What a worker holds: attempts that run, results and news that the server has not acknowledged. Pure.

It says what the next request has, and takes in the answer. A result is kept until the server has judged it, so that it
is sent again after a request without an answer. Nothing here waits or sends.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from obelisk.runtime.values import JsonValue
from obelisk.worker.current import Attempt
from obelisk.worker.messages import Exchanged, encode
from obelisk.worker.outcomes import Outcome

MAX_RESULT_BYTES: Final = 512 * 1024
"""Results of one request together, unless one alone is larger."""
MAX_RESULTS: Final = 1000
"""As many results and new attempts as one request may have."""
MAX_LINE_BYTES: Final = 16 * 1024
MAX_LINES_BYTES: Final = 256 * 1024
"""Lines for the log in one request; sixteen times as much waits at most, what comes then is dropped."""
MAX_DETAIL_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request asks for: at most `limit` attempts, waiting for the first up to `wait_s` seconds."""

    limit: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request under way, and what it carries, to be put back if no answer comes."""

    body: bytes
    claim: Claim | None
    runs: tuple[str, ...]
    beats: Mapping[str, bytes]
    lines: tuple[bytes, ...]


def beat_item(attempt: Attempt, detail: JsonValue) -> bytes:
    """A heartbeat as a request has it. TypeError for what is no JSON, ValueError for too much of it."""
    item = encode({"execution_id": attempt.execution_id, "run": attempt.run, "detail": detail})
    if len(item) > MAX_DETAIL_BYTES:
        raise ValueError(f"detail: expected at most {MAX_DETAIL_BYTES} bytes of JSON, got {len(item)}")
    return item


def line_item(attempt: Attempt, at: str, level: str, message: str) -> bytes:
    """A line of the log as a request has it; a long message is cut."""
    cut = message.encode("utf-8", "replace")[:MAX_LINE_BYTES].decode("utf-8", "ignore")
    line = {"execution_id": attempt.execution_id, "run": attempt.run, "at": at, "level": level, "message": cut}
    return encode(line)


@dataclass(slots=True)
class _Kept:
    """A result that is not acknowledged."""

    item: bytes
    under_way: bool = False


@dataclass(slots=True)
class Session:
    """The state of one worker towards its server. `limits` bound functions of those that it serves (`functions`)."""

    concurrency: int
    functions: Sequence[str]
    limits: Mapping[str, int]
    running: dict[str, Attempt] = field(default_factory=dict[str, Attempt])
    dropped_lines: int = 0
    _kept: dict[str, _Kept] = field(default_factory=dict[str, _Kept])
    _beats: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _lines: deque[bytes] = field(default_factory=deque[bytes])
    _line_bytes: int = 0
    _largest: int = MAX_RESULT_BYTES

    # --- what happens in the worker --------------------------------------------------------------------------------
    def started(self, attempt: Attempt) -> None:
        """An attempt runs here now."""
        self.running[attempt.run] = attempt

    def finished(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """An attempt runs no more; None when its outcome is not reported."""
        self.running.pop(attempt.run, None)
        self._beats.pop(attempt.run, None)
        if outcome is not None:
            item = {"execution_id": attempt.execution_id, "run": attempt.run, "outcome": outcome}
            self._kept[attempt.run] = _Kept(encode(item))

    def beat(self, run: str, item: bytes) -> None:
        """An attempt tells how far it is, see `beat_item`. Only the last that it told is sent."""
        if run in self.running:
            self._beats[run] = item

    def line(self, item: bytes) -> None:
        """A line for an execution's log, see `line_item`."""
        if self._line_bytes + len(item) > 16 * MAX_LINES_BYTES:
            self.dropped_lines += 1
            return
        self._lines.append(item)
        self._line_bytes += len(item)

    # --- what is to be sent ----------------------------------------------------------------------------------------
    @property
    def room(self) -> int:
        """How many more attempts this worker takes."""
        return max(0, self.concurrency - len(self.running))

    @property
    def has_news(self) -> bool:
        """Whether anything waits to be sent."""
        return bool(self._lines or self._beats) or any(not kept.under_way for kept in self._kept.values())

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs here and nothing is owed to the server."""
        return not (self.running or self._kept)

    def request(self, claim: Claim | None, *, draining: bool = False) -> Exchange:
        """The next request: what waits to be sent, as much as one may have, and the claim."""
        runs, beats, lines = self._take_results(), self._beats, self._take_lines()
        self._beats = {}
        body: dict[str, Any] = {
            "results": [msgspec.Raw(self._kept[run].item) for run in runs],
            "heartbeats": [msgspec.Raw(item) for item in beats.values()],
            "lines": [msgspec.Raw(item) for item in lines],
        }
        if claim is not None:
            body["claim"] = self._claim(claim)
        if draining:
            body["draining"] = True
        return Exchange(body=encode(body), claim=claim, runs=runs, beats=beats, lines=lines)

    def _claim(self, claim: Claim) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "limit": min(claim.limit, MAX_RESULTS),
            "wait_ms": round(claim.wait_s * 1000),
            "functions": list(self.functions),
            "holding": [*self.running, *self._kept],
        }
        if self.limits:
            taken = Counter(attempt.ffqn for attempt in self.running.values())
            asked["per_function"] = {ffqn: max(0, limit - taken[ffqn]) for ffqn, limit in self.limits.items()}
        return asked

    def _take_results(self) -> tuple[str, ...]:
        runs: list[str] = []
        size = 0
        for run, kept in self._kept.items():
            if not kept.under_way:
                size += len(kept.item)
                if runs and (size > self._largest or len(runs) == MAX_RESULTS):
                    break
                runs.append(run)
                kept.under_way = True
        return tuple(runs)

    def _take_lines(self) -> tuple[bytes, ...]:
        lines: list[bytes] = []
        size = 0
        while self._lines and size + len(self._lines[0]) <= MAX_LINES_BYTES:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        self._line_bytes -= size
        return tuple(lines)

    # --- what came of it -------------------------------------------------------------------------------------------
    def unanswered(self, exchange: Exchange) -> None:
        """No answer came: what it carried is sent again."""
        for run in exchange.runs:
            if run in self._kept:
                self._kept[run].under_way = False
        self._beats = {**{run: item for run, item in exchange.beats.items() if run in self.running}, **self._beats}
        self._lines.extendleft(reversed(exchange.lines))
        self._line_bytes += sum(map(len, exchange.lines))

    def too_large(self, exchange: Exchange) -> None:
        """The server takes no request of that size: leave out lines and heartbeats, then send one result at a time.

        One that is too large alone becomes a failure.
        """
        self.unanswered(replace(exchange, lines=(), beats={}))
        self.dropped_lines += len(exchange.lines)
        if exchange.lines or exchange.beats:
            return
        self._largest = 0
        if len(exchange.runs) == 1:
            (run,) = exchange.runs
            whole = msgspec.json.decode(self._kept[run].item)
            message = f"the result is too large for the server: {len(self._kept[run].item)} bytes"
            whole["outcome"] = {"failure": {"message": message, "retryable": False}}
            self._kept[run] = _Kept(encode(whole))

    def answered(self, exchange: Exchange, answer: Exchanged) -> list[Attempt]:
        """Take in an answer; gives the attempts that are new here."""
        for run in exchange.runs:
            self._kept.pop(run, None)
        new: dict[str, Attempt] = {}
        for attempt in answer.attempts:
            if attempt.run not in self.running and attempt.run not in self._kept:
                new[attempt.run] = attempt
        return list(new.values())
