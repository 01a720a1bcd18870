"""The benchmark's work on Obelisk: the engine in one process, without gateway. Speaks the lines of `stage.Driven`.

    python obelisk_side.py '{"database": PATH, "hot": 8000, "python": false}'

Everything is the default (`synchronous=FULL`) but `hot`, how many workflows are kept in memory. `python` deploys the
guests in Python too. `early` false has each activity wait for the commit that creates it, as one does before its first
request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from obelisk.runtime.log.events import Returned
from obelisk.runtime.ports.store import Summary
from obelisk.runtime.usecases.api import Api, Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime, settle

ROOT: Final = Path(__file__).resolve().parents[2]
LATER: Final = "demo:fibo/workflow.fibo-later"
WAIT_S: Final = 600.0
LONG_S: Final = 86_400.0
AT_ONCE: Final = 256


def config_of(options: dict[str, Any]) -> str:
    """The configuration file of a side."""
    guests, built = ROOT / "tests/bench/guests", ROOT / ".cache/bench/guests"
    begin = "" if options.get("early", True) else "begin_early = false"
    components = {
        "activity": (ROOT / "examples/fibo/activity.wat", begin),
        "workflow": (ROOT / "examples/fibo/workflow.wat", ""),
        "child": (guests / "child.wat", 'kind = "workflow"'),
        "parent": (guests / "parent.wat", ""),
    }
    if options.get("python"):
        components["python-activity"] = (built / "activity.wasm", "")
        components["python-workflow"] = (built / "workflow.wasm", "")
    tables = "".join(f'[component.{name}]\npath = "{path}"\n{more}\n' for name, (path, more) in components.items())
    return (
        f'[store]\npath = "{options["database"]}"\nmax_pending = 1000000\n'
        f'[cache]\npath = "{ROOT}/.cache/bench/compiled"\n'
        f"[executor]\nhot_workflows = {options.get('hot', 8000)}\n{tables}"
    )


class Work:
    """What a side can be told to do."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._replayed = ""

    async def run(self, ffqn: str, params: object, count: int, expect: object) -> dict[str, float]:
        """Submit `count` calls at once: seconds until all have given what is expected."""
        start = time.perf_counter()
        await asyncio.gather(*(self._call(ffqn, params, expect) for _ in range(count)))
        return {"seconds": time.perf_counter() - start}

    async def _call(self, ffqn: str, params: object, expect: object) -> str:
        submitted = await self._api.submit(Submission(ffqn=ffqn, params=params))
        outcome = await self._api.wait(submitted.execution_id, WAIT_S)
        assert isinstance(outcome, Returned), outcome
        assert json.loads(bytes(outcome.value)) == expect, outcome
        return submitted.execution_id

    async def sleepers(self, count: int, sleep_s: float, others: int) -> dict[str, float]:
        """`count` workflows that sleep until one instant, then call an activity each; `others` sleep on beside them.

        Seconds from that instant until all have finished; resident bytes that one of them added while all sleep.
        """
        await self._fall_asleep(others, time.time() + LONG_S)
        before = resident_bytes()
        wake_at = time.time() + sleep_s
        sleepers = await self._fall_asleep(count, wake_at)
        each = (resident_bytes() - before) / count
        early_s = wake_at - time.time()
        assert early_s > 0, f"{count} workflows fell asleep {-early_s:.1f} s late"
        await asyncio.sleep(early_s)
        start = time.perf_counter()
        await self._until(sleepers, lambda summary: summary.status == "finished")
        return {"bytes": each, "seconds": time.perf_counter() - start}

    async def _fall_asleep(self, count: int, wake_at: float) -> list[str]:
        sleepers: list[str] = []
        for done in range(0, count, AT_ONCE):
            some = (self._sleeper(wake_at) for _ in range(min(AT_ONCE, count - done)))
            sleepers += await asyncio.gather(*some)
        await self._until(sleepers, lambda summary: summary.waits_for is not None)
        return sleepers

    async def _sleeper(self, wake_at: float) -> str:
        milliseconds = max(1, round((wake_at - time.time()) * 1000))
        submitted = await self._api.submit(Submission(ffqn=LATER, params=[10, milliseconds]))
        return submitted.execution_id

    async def _until(self, executions: list[str], holds: Callable[[Summary], bool]) -> None:
        """Wait until something holds of all."""
        left = list(executions)
        while left:
            if holds(await self._api.get(left[-1])):
                left.pop()
            else:
                await asyncio.sleep(0.02)

    async def replay(self, calls: int) -> dict[str, float]:
        """Replay the log of a workflow that called so often (run once, before): seconds and events."""
        if not self._replayed:
            self._replayed = await self._call("demo:fibo/workflow.fiboa", [10, calls], {"ok": 55})
        start = time.perf_counter()
        verdict = await self._api.replay(self._replayed)
        seconds = time.perf_counter() - start
        assert verdict.ok, verdict
        return {"seconds": seconds, "events": (await self._api.get(self._replayed)).version}


def resident_bytes() -> int:
    """The memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def serve(options: dict[str, Any]) -> None:
    """Do what the lines of standard input say, until it ends."""
    database = Path(options["database"])
    config = configuration.parse(config_of(options), file=database.with_name("obelisk.toml"))
    async with open_runtime(config, execute=True) as runtime:
        settle()
        work = Work(runtime.api)
        table: dict[str, Callable[..., Awaitable[dict[str, float]]]] = {
            "run": work.run,
            "sleepers": work.sleepers,
            "replay": work.replay,
        }
        while line := await asyncio.to_thread(sys.stdin.readline):
            wanted: dict[str, Any] = json.loads(line)
            figures = await table[wanted.pop("do")](**wanted)
            print("@" + json.dumps(figures), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(json.loads(sys.argv[1])))
