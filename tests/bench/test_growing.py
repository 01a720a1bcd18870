"""The large databases of the benchmark hold what the engine would have left: copies replay like the original."""

from __future__ import annotations

import asyncio
from pathlib import Path

import growing
import obelisk_side
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Api, Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime


def test_copies_of_a_tree_are_whole_and_replay(tmp_path: Path) -> None:
    database = tmp_path / "grown.sqlite"
    config = configuration.parse(obelisk_side.config_of({"database": str(database)}), file=tmp_path / "obelisk.toml")

    async def run_once() -> str:
        async with open_runtime(config, execute=True) as runtime:
            return await completed(runtime.api)

    async def look() -> None:
        async with open_runtime(config, execute=True) as runtime:
            page = await runtime.api.list(Query(top_level_only=True, limit=50))
            roots = [summary.execution_id for summary in page.items]
            assert len(roots) == 8
            assert original in roots
            for root in roots:
                assert (await runtime.api.replay(root)).ok
                children = (await runtime.api.list(Query(parent=root, limit=50))).items
                assert len(children) == 4
                assert {child.status for child in children} == {"finished"}
                assert len(await runtime.api.responses(root)) == 4
            assert await completed(runtime.api) not in roots

    original = asyncio.run(run_once())
    growing.multiply(database, 7)
    asyncio.run(look())


async def completed(api: Api) -> str:
    """The id of an execution that has run to its end."""
    submitted = await api.submit(Submission(ffqn="demo:fibo/workflow.fiboa", params=[10, 4]))
    assert await api.wait(submitted.execution_id, 30) is not None
    return submitted.execution_id
