"""What was freed between things in use goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

SCRIPT = """
import os
from pathlib import Path
from obelisk.runtime.host.wasmtime.memory import give_back

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

flood = [bytes(2_000) for _ in range(50_000)]
some = flood[::500]
del flood
before = resident_mb()
give_back()
print(before - resident_mb())
"""


def test_what_was_freed_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    can_be_asked = hasattr(ctypes.CDLL(None), "malloc_trim")
    assert float(done.stdout) > 50 or not can_be_asked
