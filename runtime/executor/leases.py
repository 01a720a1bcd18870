"""Leases: who holds one, whose process is gone, and how long others are waited for.

A lease that has run out says that its executor could not renew it, for whatever reason. One reason is no fault of that
executor's: where no executor could write, because the disk was full or the machine slept, all leases have run out. So
an executor that was late itself gives the others the time of one lease, once, before it takes what they hold.

A process of this machine that is gone need not be waited for that long. A process id means something within one boot
and one PID namespace alone: both are part of what a lease says of its process. And the id is not enough: an executor
that still renews its lease lives, whatever its process id seems to say. It renews three times per lease, so one that
has let half of its lease go by has stopped.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from obelisk.runtime.ports.claims import Lease


class Patience:
    """Judges the leases of others by how the own one was renewed. `lease_us`: how long a lease lasts."""

    def __init__(self, lease_us: int) -> None:
        self._lease_us = lease_us
        self._expires_at_us: int | None = None
        self._waits_until_us = 0
        self._was_late = False
        self._seen: dict[str, int] = {}
        self._renewing: set[str] = set()

    def renewed(self, now_us: int, expires_at_us: int) -> None:
        """The own lease was renewed at `now_us`, until `expires_at_us`."""
        late = self._expires_at_us is not None and now_us > self._expires_at_us
        if late and not self._was_late:
            self._waits_until_us = now_us + self._lease_us
        self._was_late = late
        self._expires_at_us = expires_at_us

    def is_over(self, expires_at_us: int, now_us: int) -> bool:
        """Whether a lease that expires at `expires_at_us` has run out, and its executor had the time to renew it."""
        is_late = self._expires_at_us is not None and now_us > self._expires_at_us  # and does not know it yet
        is_waiting = now_us < self._waits_until_us <= now_us + self._lease_us  # the clock may have been set back
        return expires_at_us <= now_us and not is_late and not is_waiting

    def has_stopped(self, lease: Lease, me: Lease, now_us: int) -> bool:
        """Whether the process of a lease is gone and its executor has ceased to renew: nothing has to be waited for.

        One that was seen to renew its lease while its process seemed to be gone is never taken for dead by that again.
        """
        if not is_gone(lease, me):
            return False
        if self._seen.setdefault(lease.executor, lease.expires_at_us) != lease.expires_at_us:
            self._renewing.add(lease.executor)
        return lease.executor not in self._renewing and lease.expires_at_us - now_us < self._lease_us // 2


def own_life() -> tuple[str, str]:
    """Where process ids mean what they mean here, and when this process started; the simulator has another idea."""
    pid = os.getpid()
    return machine(), started(pid) if _proc_knows(pid) else ""


def machine() -> str:
    """This machine since its last boot, and the PID namespace: a process id of another one means nothing here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot = namespace = ""
    return f"{platform.node()}/{boot}/{namespace}"


def started(pid: int) -> str:
    """When a process started, in the kernel's ticks, or ``""`` when it is gone or the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def is_gone(lease: Lease, me: Lease) -> bool:
    """Whether a lease's process certainly is gone: same machine, boot and namespace, its pid is unused or reused."""
    if not me.started or not lease.started or lease.host != me.host:
        return False
    seen = started(lease.pid)
    return seen != lease.started if seen else not _exists(lease.pid)


def _proc_knows(pid: int) -> bool:
    """Whether ``/proc`` shows the namespace that this process is in: it need not (`unshare` without a mount)."""
    try:
        return os.readlink("/proc/self") == str(pid)
    except OSError:
        return False


def _exists(pid: int) -> bool:
    """Whether there is such a process, also one that ``/proc`` hides from this user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
