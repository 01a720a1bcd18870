"""Many seeds on all processors: ``python tests/sim/seeds.py COUNT [FIRST]``. Exit status 1 when a law is broken."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from auditor import audit
from sim_world import simulate


def problems_of(seed: int) -> tuple[int, list[str]]:
    """What the auditor finds in one run, or how the run broke down."""
    logging.disable(logging.CRITICAL)
    try:
        return seed, audit(simulate(seed))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]


def main(count: int, first: int) -> int:
    """Run them, say what is wrong and how many were fine."""
    begin_s, broken = time.monotonic(), 0
    with multiprocessing.Pool() as pool:
        for seed, problems in pool.imap_unordered(problems_of, range(first, first + count), chunksize=5):
            if problems:
                broken += 1
                print(f"seed {seed}: make sim SEED={seed}", *problems[:3], sep="\n  ", flush=True)
    print(f"{count} seeds from {first} on, {broken} broken, {time.monotonic() - begin_s:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
