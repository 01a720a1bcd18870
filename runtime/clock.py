"""The system's clock and randomness, behind the ports."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """Wall clock time."""

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000


class SystemEntropy:
    """Random bits from the operating system."""

    def bits(self, count: int) -> int:
        """`count` random bits."""
        return secrets.randbits(count)
