"""The benchmark: the same work on Obelisk, on its peers and on what limits it, in turn, and what came of it.

    python tests/bench/bench.py [--workloads W1,W2] [--rounds 3] [--peers DBOS,Restate] [--quick]
                                [--json FILE] [--keep] [--page]
    python tests/bench/bench.py --against COMMIT [--jobs W1,W7] [--rounds 9]

Needs nothing but the development environment: peers, guests and databases are made in ``.cache/bench`` when they are
first needed. `--quick` measures once, with less of what takes long: to see that all works, not to compare. `--page`
writes the figures, the tables and the chart of `docs/performance.md`; with `--keep` some workloads are measured anew,
or `none`. `--against` measures this tree against a commit instead, see `against`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import against
import installing
import python_guests
import report
import workloads
from figures import PEERS, Round, Workload
from stage import CACHE, Stage, settle


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    CACHE.mkdir(parents=True, exist_ok=True)
    if options.against:
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="run-") as folder:
            rounds = 1 if options.quick else options.rounds or 9
            print(against.compared(options.against, options.jobs, rounds, Path(folder)))
        return
    _install(options.peers)
    if any(workload.name == "W10" for workload in options.workloads):
        python_guests.build()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="run-") as folder:
        stage = Stage(Path(folder), options.peers, quick=options.quick)
        results = report.Results.of({}, peers=options.peers, quick=options.quick)
        kept = report.Results.read(options.json) if options.keep and options.json.exists() else results
        try:
            for workload in options.workloads:
                rounds = _measure(stage, workload, 1 if options.quick else options.rounds or 3)
                results = results.with_rounds({workload.name: rounds})
                results.beside(kept).save(options.json)  # at once: another workload may fail
        finally:
            stage.close()
    print(results.text())
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if options.page:
        report.write_page(results.beside(kept))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", type=workloads.named, default=workloads.ALL, metavar="W1,W2")
    parser.add_argument("--rounds", type=int, help="times that everything is measured (default 3, 9 with --against)")
    parser.add_argument("--peers", type=_peers, default=PEERS, metavar="DBOS,Restate", help='or "none"')
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", type=Path, default=CACHE / "figures.json", help="default: .cache/bench/figures.json")
    parser.add_argument("--keep", action="store_true", help="keep what FILE has of workloads that are not measured now")
    parser.add_argument("--against", metavar="COMMIT", help="how much longer the work takes here than there")
    parser.add_argument("--jobs", type=against.named, default=against.JOBS, metavar="W1,W7", help="of --against")
    parser.add_argument("--page", action="store_true", help="write docs/performance.*")
    return parser.parse_args()


def _peers(names: str) -> tuple[str, ...]:
    chosen = () if names == "none" else tuple(names.split(","))
    unknown = set(chosen) - set(PEERS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return chosen


def _install(peers: Sequence[str]) -> None:
    if "Restate" in peers and shutil.which("npm") is None:
        sys.exit("Restate's server comes from npm, which is not installed: leave it out with --peers DBOS")
    for peer in peers:
        installing.INSTALL[peer](CACHE)


def _measure(stage: Stage, workload: Workload, rounds: int) -> list[Round]:
    """The rounds of a workload; in each the arms stand in another order."""
    arms = [name for name in workload.arms if name not in PEERS or name in stage.peers]
    measured: list[Round] = []
    for number in range(min(rounds, workload.rounds or rounds)):
        figures: dict[str, dict[str, float]] = {}
        for name in random.sample(arms, len(arms)):
            settle()
            start = time.perf_counter()
            figures[name] = workload.arms[name](stage)
            seconds = time.perf_counter() - start
            print(f"{workload.name}, round {number + 1}: {name} ({seconds:.1f} s)", file=sys.stderr)
        measured.append({name: figures[name] for name in arms})
    return measured


if __name__ == "__main__":
    main()
