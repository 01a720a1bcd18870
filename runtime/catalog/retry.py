"""When an attempt that failed for now is tried again: exponential backoff with a cap and jitter. Pure.

The n-th retry (from 0) waits `initial_backoff_us * factor ** n`, at most `max_backoff_us`, less a random share of up to
`jitter` of it, so that what failed together is not tried again together and the cap still holds. The instant is
recorded with the failed attempt, hence so is the jitter. It never lies past `MAX_INSTANT_US`, whatever the policy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from obelisk.runtime.log.instants import MAX_INSTANT_US, later

JITTER_BITS: Final = 32
"""How many random bits `next_attempt` uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and when to retry. ValueError for negative numbers, a factor outside [1, ∞), a jitter outside 0…1."""

    max_retries: int = 5
    initial_backoff_us: int = 100_000
    factor: float = 2.0
    max_backoff_us: int = 60_000_000
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if min(self.max_retries, self.initial_backoff_us, self.max_backoff_us) < 0:
            raise ValueError("retries and backoffs must not be negative")
        if not 1.0 <= self.factor < math.inf:
            raise ValueError("the backoff factor must be finite and at least 1")
        if not 0.0 <= self.jitter <= 1.0:
            raise ValueError("the jitter must lie in 0…1")


def next_attempt(policy: RetryPolicy, attempts_so_far: int, now_us: int, jitter_bits: int) -> int | None:
    """The instant of the next attempt, or None to give up.

    `attempts_so_far` is how many attempts had ended intermittently *before* the one that failed at `now_us`: the
    `attempts` of the state it ran in. So ``max_retries`` 5 allows six attempts. `jitter_bits` are `JITTER_BITS` random
    bits (more are ignored); 0 means the full wait.
    """
    if attempts_so_far >= policy.max_retries:
        return None
    share = policy.jitter * (jitter_bits & ((1 << JITTER_BITS) - 1)) / (1 << JITTER_BITS)
    wait_us = min(_backoff_us(policy, attempts_so_far), MAX_INSTANT_US)
    return later(now_us, wait_us - int(wait_us * share))


def _backoff_us(policy: RetryPolicy, retry: int) -> int:
    try:
        wait_us = policy.initial_backoff_us * policy.factor**retry
    except OverflowError:
        wait_us = math.inf if policy.initial_backoff_us else 0.0
    return int(wait_us) if wait_us < policy.max_backoff_us else policy.max_backoff_us
