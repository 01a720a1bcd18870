"""The memory of a guest for which the event loop keeps something too, while the guest runs on a thread."""

from __future__ import annotations

import threading

from obelisk.runtime.ports.guest import HOST_BYTES, HostMemory


class SharedMemory(HostMemory):
    """See `HostMemory`; safe from any thread."""

    __slots__ = ("_lock",)

    def __init__(self, limit: int = HOST_BYTES) -> None:
        super().__init__(limit)
        self._lock = threading.Lock()

    def try_take(self, size: int) -> bool:
        """See `HostMemory`."""
        with self._lock:
            return super().try_take(size)

    def give_back(self, size: int) -> None:
        """See `HostMemory`."""
        with self._lock:
            super().give_back(size)
