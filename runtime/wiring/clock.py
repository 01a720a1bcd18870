"""The system's clock and randomness, behind the ports."""

from __future__ import annotations

import secrets
import time
from typing import Final

BLOCK_BITS: Final = 4096


class SystemClock:
    """Wall clock time."""

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000


class SystemEntropy:
    """Random bits from the operating system, fetched in blocks."""

    def __init__(self) -> None:
        self._block = 0
        self._left = 0

    def bits(self, count: int) -> int:
        """`count` random bits."""
        if count > self._left:
            self._left = max(BLOCK_BITS, count)
            self._block = secrets.randbits(self._left)
        self._left -= count
        self._block, taken = self._block >> count, self._block & ((1 << count) - 1)
        return taken
