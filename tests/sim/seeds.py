"""Many seeds: ``python tests/sim/seeds.py FIRST COUNT [--processes N]``, on all processors unless told.

Broken laws are printed as they are found, how far it is once a minute. Exit status 1 when a law was broken.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time

from auditor import audit
from sim_world import simulate

PROGRESS_EVERY_S = 60


def problems_of(seed: int) -> tuple[int, list[str]]:
    """What the auditor finds in one run, or how the run broke down."""
    logging.disable(logging.CRITICAL)
    try:
        return seed, audit(simulate(seed))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]


def main(first: int, count: int, processes: int | None) -> int:
    """Run them, say what is wrong and how many were fine."""
    begin_s = said_s = time.monotonic()
    broken: list[int] = []
    with multiprocessing.Pool(processes, maxtasksperchild=1000) as pool:
        found = pool.imap_unordered(problems_of, range(first, first + count), chunksize=5)
        for done, (seed, problems) in enumerate(found, 1):
            if problems:
                broken.append(seed)
                print(f"seed {seed}: make sim SEED={seed}", *problems[:3], sep="\n  ", flush=True)
            if time.monotonic() - said_s >= PROGRESS_EVERY_S:
                said_s = time.monotonic()
                print(f"{done} of {count}, {len(broken)} broken, {said_s - begin_s:.0f} s", flush=True)
    print(f"{count} seeds from {first} on, {len(broken)} broken, {time.monotonic() - begin_s:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("count", type=int, help="how many")
    parser.add_argument("--processes", type=int, help="how many at once (all processors)")
    given = parser.parse_args()
    sys.exit(main(given.first, given.count, given.processes))
