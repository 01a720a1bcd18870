"""Durable child calls per second, in series and concurrent, beside what SQLite allows in the same run.

    python tests/bench/bench_calls.py [--rounds N] [--json FILE]

Each round measures the ceiling, then the engine, in alternation, because the disk of a shared machine drifts. The
figure to read is the ratio within a round; the table shows medians and spreads over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from obelisk.runtime import config as configuration
from obelisk.runtime.api import Submission
from obelisk.runtime.bootstrap import OpenRuntime, open_runtime
from obelisk.runtime.log.events import Returned

sys.path.insert(0, str(Path(__file__).parent))
import ceiling

ROOT = Path(__file__).resolve().parents[2]
SERIAL = "demo:fibo/workflow.fiboa"
CONFIG = f"""
[component.activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""


async def workflows(runtime: OpenRuntime, count: int, calls: int) -> float:
    """Calls per second of `count` workflows at once, each with `calls` calls in series."""

    async def one() -> None:
        submission = Submission(ffqn=SERIAL, params={"n": 10, "iterations": calls})
        submitted = await runtime.api.submit(submission)
        outcome = await runtime.api.wait(submitted.execution_id, 600)
        assert isinstance(outcome, Returned)
        assert bytes(outcome.value) == b'{"ok":55}', outcome

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return count * calls / (time.perf_counter() - start)


def one_round(folder: Path, number: int) -> dict[str, float]:
    """All figures of one round, calls per second."""
    figures: dict[str, float] = {}
    config = configuration.parse(CONFIG + f'[store]\npath = "{folder}/{number}.sqlite"\n', file=folder / "bench.toml")

    async def engine() -> None:
        async with open_runtime(config, execute=True) as runtime:
            await workflows(runtime, 1, 20)
            figures["ceiling, 1 per commit"] = ceiling.calls_per_second(folder, calls_per_commit=1)
            figures["engine, 1 x 500"] = await workflows(runtime, 1, 500)
            figures["engine, 20 x 50"] = await workflows(runtime, 20, 50)
            figures["engine, 100 x 50"] = await workflows(runtime, 100, 50)
            figures["ceiling, 128 per commit"] = ceiling.calls_per_second(folder, calls_per_commit=128)

    asyncio.run(engine())
    return figures


RATIOS: dict[str, Callable[[dict[str, float]], float]] = {
    "in series / ceiling at 1 per commit": lambda f: f["engine, 1 x 500"] / f["ceiling, 1 per commit"],
    "100 x 50 / ceiling at 128 per commit": lambda f: f["engine, 100 x 50"] / f["ceiling, 128 per commit"],
}


def main() -> None:
    """Measure, print a table, write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        rounds = [one_round(Path(folder).resolve(), number) for number in range(options.rounds)]
    print(f"{'calls per second':38} {'median':>9} {'lowest':>9} {'highest':>9}")
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        print(f"{name:38} {statistics.median(values):9.0f} {min(values):9.0f} {max(values):9.0f}")
    for name, ratio in RATIOS.items():
        values = [ratio(figures) for figures in rounds]
        print(f"{name:38} {statistics.median(values):9.2f} {min(values):9.2f} {max(values):9.2f}")
    if options.json is not None:
        options.json.write_text(json.dumps(rounds, indent=2) + "\n")


if __name__ == "__main__":
    main()
