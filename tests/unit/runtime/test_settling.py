"""What a process that serves has loaded is no business of the garbage collector any more."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from obelisk.runtime.wiring.bootstrap import settle

class Knot:
    gone = 0

    def __del__(self):
        Knot.gone += 1

def tie():
    knot = Knot()
    knot.itself = knot

tie()
watched = len(gc.get_objects())
settle()
assert Knot.gone == 1, "garbage is not kept for ever"
assert len(gc.get_objects()) < watched / 100, len(gc.get_objects())
tie()
gc.collect()
assert Knot.gone == 2, "later garbage is collected"
"""


def test_what_is_loaded_is_left_alone_and_garbage_is_not() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
