"""The benchmark's activities as plain Python: `python bench_worker.py URL`, beside what is generated from the WIT."""

from __future__ import annotations

import asyncio
import sys
import time

from made.bench_native.worker import WorkWorker
from made.demo_fibo.worker import FiboWorker

from obelisk.worker import Worker


class Fibo(FiboWorker):
    """What the peers run as a step."""

    async def fibo(self, n: int) -> int:
        """The n-th Fibonacci number."""
        current, following = 0, 1
        for _ in range(n):
            current, following = following, current + following
        return current


class Work(WorkWorker):
    """Tells about attempts."""

    asleep = 0

    async def began(self) -> int:
        """The instant at which this runs."""
        return time.time_ns() // 1000

    async def nap(self, together: int) -> int:
        """Sleep until so many sleep."""
        self.asleep += 1
        while self.asleep < together:
            await asyncio.sleep(0.1)
        return self.asleep


Worker(sys.argv[1], handlers=[Fibo(), Work()], concurrency=1000).run()
