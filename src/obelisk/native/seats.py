"""Threads that guests sit on: control passes to and fro, and one of the two sides runs at a time.

A guest has a thread of its own, so that its stack stays as it is while it waits, and so that one which never hands
control back does not take the event loop along: it is asked to stop, and left behind if it does not. A thread is used
again after its guest.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

LEAVE_S: Final = 1.0
"""So long a guest that was asked to stop may take before its thread is left behind."""


class Ended(BaseException):
    """Unwinds a guest that is not to go on. Nothing but the guest's own clean-up runs."""


class _Settled(BaseException):
    """Met at once by the thread that asks it of itself."""


_ask: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Seat:
    """One thread. `work` runs on it between `enter` and the last `hand_back`."""

    def __init__(self, leave: Callable[[Seat], None]) -> None:
        self._go, self._back = _thread.allocate_lock(), _thread.allocate_lock()
        self._go.acquire()
        self._back.acquire()
        self._work: Callable[[], None] | None = None
        self._leave = leave
        self._spoiled = False
        self._thread = threading.Thread(target=self._run, name="obelisk-native", daemon=True)
        self._thread.start()

    # --- the engine's side ------------------------------------------------------------------------------------------
    def enter(self, work: Callable[[], None]) -> None:
        """The work that the next `let_run` begins."""
        self._work = work

    def let_run(self, patience_s: float) -> bool:
        """Let the guest run until it hands back control; False when it has not after so many seconds."""
        self._go.release()
        return self._back.acquire(timeout=patience_s)

    def stop(self) -> bool:
        """Ask a guest that runs to stop; whether it did. One that did not is left to its thread."""
        self._spoiled = True  # the request may come late, when another guest is here
        ident = ctypes.c_ulong(self._thread.ident or 0)
        _ask(ident, ctypes.py_object(Ended))
        if self._back.acquire(timeout=LEAVE_S):
            return True
        # A request that waits for a thread, which is in a call of C, keeps every thread's evaluation loop alarmed, and
        # Python 3.11 never gets past the start of a traced function then. Only a request that is met ends the alarm.
        _ask(ident, None)
        try:
            _ask(ctypes.c_ulong(_thread.get_ident()), ctypes.py_object(_Settled))
            while True:
                pass
        except _Settled:
            return False

    def frame(self) -> FrameType | None:
        """Where the guest is."""
        return sys._current_frames().get(self._thread.ident or 0)  # pyright: ignore[reportPrivateUsage]

    def end(self) -> None:
        """Let the thread end; no guest is on it."""
        self._work = None
        self._go.release()

    # --- the guest's side -------------------------------------------------------------------------------------------
    def hand_back(self) -> None:
        """Give control to the engine until it lets the guest run again."""
        self._back.release()
        self._go.acquire()

    def _run(self) -> None:
        while True:
            self._go.acquire()
            work = self._work
            if work is None:
                return
            with contextlib.suppress(Ended):  # asked to stop when it had just come to its end
                work()
            del work
            self._work = None
            if not self._spoiled:
                self._leave(self)
            self._back.release()
            if self._spoiled:
                return


class Seats:
    """The threads of one host."""

    def __init__(self) -> None:
        self._idle: list[Seat] = []
        self._closed = False

    def take(self) -> Seat:
        """A free thread."""
        return self._idle.pop() if self._idle else Seat(self._leave)

    def _leave(self, seat: Seat) -> None:
        self._idle.append(seat)

    def close(self) -> None:
        """Let the idle ones end; after the last guest has."""
        while self._idle:
            self._idle.pop().end()
