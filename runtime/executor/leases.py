"""Leases: who holds one, whose process is gone, and how long others are waited for.

A lease that has run out says that its executor could not renew it, for whatever reason. One reason is no fault of that
executor's: where nobody could write, because the disk was full or the machine slept, all leases have run out. So an
executor that was late itself gives the others the time of one lease, once, before it takes what they hold.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from obelisk.runtime.stealing import Lease


class Patience:
    """Judges the leases of others by how the own one was renewed. `lease_us`: how long a lease lasts."""

    def __init__(self, lease_us: int) -> None:
        self._lease_us = lease_us
        self._expires_at_us: int | None = None
        self._waits_until_us = 0
        self._was_late = False

    def renewed(self, now_us: int, expires_at_us: int) -> None:
        """The own lease was renewed at `now_us`, until `expires_at_us`."""
        late = self._expires_at_us is not None and now_us > self._expires_at_us
        if late and not self._was_late:
            self._waits_until_us = now_us + self._lease_us
        self._was_late = late
        self._expires_at_us = expires_at_us

    def is_over(self, expires_at_us: int, now_us: int) -> bool:
        """Whether a lease that expires at `expires_at_us` has run out, and its executor had the time to renew it."""
        is_waiting = now_us < self._waits_until_us <= now_us + self._lease_us  # the clock may have been set back
        return expires_at_us <= now_us and not is_waiting


def own_life() -> tuple[str, str]:
    """This machine and when this process started there; the simulator has another idea of both."""
    return machine(), started(os.getpid())


def machine() -> str:
    """This machine since its last boot: a process id of another boot means nothing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{platform.node()}/{boot}"


def started(pid: int) -> str:
    """When a process started, in the kernel's ticks, or ``""`` when it is gone or the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def is_dead(lease: Lease, me: Lease) -> bool:
    """Whether a lease's process certainly is gone: same machine and boot, and its pid is unused or reused."""
    return bool(me.started) and lease.host == me.host and lease.started != started(lease.pid)
