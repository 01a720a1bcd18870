"""How much one client may ask for: requests under way at once, and requests a second. Pure but for the clock given.

The rate is a token bucket: a second's worth may come at once. What is kept per client is bounded; a client that is
forgotten starts with a full bucket.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from obelisk.gateway.errors import Refusal

MAX_CLIENTS: Final = 10_000


@dataclass(slots=True)
class _Client:
    in_flight: int
    level: float
    filled_at: float


class Limits:
    """`max_in_flight` and `max_rate` (a second; 0: no bound) for each client; `clock` in seconds."""

    def __init__(self, *, max_in_flight: int, max_rate: float, clock: Callable[[], float]) -> None:
        self._max_in_flight = max_in_flight
        self._rate = max_rate
        self._burst = max(1.0, max_rate)
        self._clock = clock
        self._clients: dict[str, _Client] = {}

    def enter(self, name: str) -> None:
        """A request begins; the caller of this calls `leave`. Refusal ``too_many_requests``: then it has not begun."""
        client = self._clients.get(name)
        if client is None:
            if len(self._clients) >= MAX_CLIENTS:
                self._forget()
            client = self._clients[name] = _Client(0, self._burst, self._clock() if self._rate else 0.0)
        if client.in_flight >= self._max_in_flight:
            raise _refused(
                f"more than {self._max_in_flight} requests of this client are under way ([server] max_in_flight)", 1
            )
        if self._rate:
            now = self._clock()
            client.level = min(self._burst, client.level + (now - client.filled_at) * self._rate)
            client.filled_at = now
            if client.level < 1.0:
                after_s = math.ceil((1.0 - client.level) / self._rate)
                raise _refused(
                    f"more than {self._rate:g} requests a second of this client ([server] max_rate)", after_s
                )
            client.level -= 1.0
        client.in_flight += 1

    def leave(self, name: str) -> None:
        """A request has ended."""
        self._clients[name].in_flight -= 1

    def _forget(self) -> None:
        """Make room: those who wait for nothing, the longest known first."""
        idle = [name for name, client in self._clients.items() if client.in_flight == 0]
        for name in idle[: max(1, MAX_CLIENTS // 10)]:
            del self._clients[name]


def _refused(detail: str, after_s: int) -> Refusal:
    return Refusal("too_many_requests", detail, headers={"Retry-After": str(max(1, after_s))})
