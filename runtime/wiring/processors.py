"""How many processors this process may use: by its affinity, and by the quota of its control group (Linux)."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""Where a container sees its own: microseconds of processor time, or `max`, and the period in microseconds."""


def processors(quota: Path = QUOTA) -> int:
    """At least one. A quota of one and a half processors counts as two."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
        return max(min(count, math.ceil(int(allowed) / int(period))), 1)
    except (OSError, ValueError, ZeroDivisionError):  # not Linux, an older kernel, or no quota
        return count


def computing_threads() -> int:
    """Threads for guests that compute, unless the configuration says so. Where they took every processor, each step of
    a call would wait for the kernel's next tick, whatever their priority: 4 ms where a whole call takes 1."""
    return max(processors() - 1, 1)
