"""Threads of native guests."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = """
import sys, threading
from obelisk.native import seats

seats.LEAVE_S = 0.05
never = threading.Event()
seat = seats.Seat(lambda seat: None)
seat.enter(never.wait)
assert not seat.let_run(0.05)
sys.settrace(lambda *_: None)
assert not seat.stop()
sys.settrace(None)

def traced() -> str:
    return "goes on"

for observe in (sys.settrace, sys.setprofile):
    observe(lambda *_: None)
    said = traced()
    observe(None)
    print(said)

spinning = seats.Seat(lambda seat: None)

def spin() -> None:
    while True:
        pass

seats.LEAVE_S = 60
spinning.enter(spin)
assert not spinning.let_run(0.05)
print(spinning.stop())
"""


def test_a_blocked_guest_that_is_left_behind_does_not_hold_up_coverage_and_debuggers() -> None:
    """Python 3.11 hung in the next traced function."""
    ran = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=120)
    assert (ran.stdout.split("\n"), ran.stderr) == (["goes on", "goes on", "True", ""], "")
