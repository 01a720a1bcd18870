"""What calls of workers cost, counted: exchanges and commits."""

from __future__ import annotations

import asyncio
from pathlib import Path

from external_world import FIBOA, Worker, opened, result, submitted

CALLS = 200
WARM = 20


def test_a_call_in_series_costs_one_exchange_and_one_commit(tmp_path: Path) -> None:
    """The end of one attempt, the parent's step and the lock of the next one share a commit."""

    async def work() -> None:
        async with opened(tmp_path, lease_ms=300_000) as runtime:  # leases are renewed now and then, by commits
            worker = await Worker.register(runtime, lease_ms=300_000)
            assert runtime.executor is not None
            commits = runtime.executor.metrics.commit_seconds
            exchanges = 0

            async def serve() -> None:
                nonlocal exchanges
                answer = await worker.say(limit=1, wait_ms=60_000)
                while True:
                    exchanges += 1
                    results = [result(attempt, 1) for attempt in answer.attempts]
                    answer = await worker.say(*results, limit=1, wait_ms=60_000)

            serving_ = asyncio.ensure_future(serve())
            for count in (WARM, CALLS):
                before, asked = sum(commits.counts), exchanges
                execution = await submitted(runtime, FIBOA, {"n": 1, "iterations": count})
                assert await runtime.api.wait(execution, 250) is not None
            serving_.cancel()
            made, asked = sum(commits.counts) - before, exchanges - asked
            assert CALLS * 0.9 <= asked <= CALLS * 1.1, asked
            assert made <= CALLS * 1.25, made

    asyncio.run(asyncio.wait_for(work(), 300))
