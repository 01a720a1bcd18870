"""A runtime with an external component and a workflow that calls it, and a worker that talks to it without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from obelisk.runtime.external.exchange import Answer, Exchange, Handed, Heartbeat, Registered, Result, SaidLine, Wanted
from obelisk.runtime.external.serving import External
from obelisk.runtime.ports.claims import Offering
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
WIT = """package demo:fibo;
interface fibo { fibo: func(n: u8) -> result<u64, string>; }
interface other { permanent: func() -> result<u64, failure>; plain: func(name: string) -> list<u8>; nothing: func();
  variant failure { permanent-one, gone-permanently(u8), later(string) } }
"""
FFQN = "demo:fibo/fibo.fibo"
OTHERS = ("demo:fibo/other.permanent", "demo:fibo/other.plain", "demo:fibo/other.nothing")
FIBOA = "demo:fibo/workflow.fiboa"
SETTINGS = "initial_backoff_ms = 1\nmax_backoff_ms = 1"


@asynccontextmanager
async def opened(
    folder: Path, settings: str = SETTINGS, *, wit: str = WIT, workflow: bool = True, lease_ms: int = 10_000
) -> AsyncGenerator[OpenRuntime]:
    """A runtime over the database of `folder`."""
    (folder / "fibo.wit").write_text(wit)
    text = f'[executor]\nlease_ms = {lease_ms}\n[component.fibo]\nwit = "fibo.wit"\nkind = "external"\n{settings}\n'
    text += f'[component.workflow]\npath = "{FIBO}/workflow.wat"\n' if workflow else ""
    async with open_runtime(configuration.parse(text, file=folder / "obelisk.toml"), execute=True) as runtime:
        yield runtime


def serving(runtime: OpenRuntime) -> External:
    """What serves workers."""
    assert runtime.executor is not None
    return runtime.executor.workers


async def submitted(runtime: OpenRuntime, ffqn: str, params: object) -> str:
    """An execution."""
    return (await runtime.api.submit(Submission(ffqn=ffqn, params=params))).execution_id


async def child_of(runtime: OpenRuntime, workflow: str) -> str:
    """The one child of a workflow, once it is there."""
    while True:
        children = (await runtime.api.list(Query(parent=workflow))).items
        if children:
            return children[0].execution_id
        await asyncio.sleep(0.05)


class Worker:
    """A worker of one runtime."""

    def __init__(self, external: External, registered: Registered) -> None:
        self.external, self.registered = external, registered
        self.id = registered.worker

    @classmethod
    async def register(
        cls,
        runtime: OpenRuntime,
        *functions: str,
        labels: tuple[str, ...] = (),
        lease_ms: int = 10_000,
        signature: str = "",
    ) -> Worker:
        """A new worker that serves these functions, by default all."""
        offered = dict.fromkeys(functions or (FFQN, *OTHERS), signature)
        external = serving(runtime)
        offering = Offering(name="test", functions=offered, lease_ms=lease_ms)
        return cls(external, await external.register(offering, labels))

    def at(self, runtime: OpenRuntime) -> Worker:
        """The same worker, talking to another process."""
        return Worker(serving(runtime), self.registered)

    async def say(
        self,
        *results: Result,
        limit: int | None = None,
        wait_ms: int = 0,
        holding: Sequence[str] | None = None,
        functions: Sequence[str] | None = None,
        per_function: dict[str, int] | None = None,
        beats: Sequence[Heartbeat] = (),
        lines: Sequence[SaidLine] = (),
    ) -> Answer:
        """One exchange; with a claim if `limit` is given."""
        claim = None
        if limit is not None:
            claim = Wanted(
                limit=limit,
                wait_ms=wait_ms,
                functions=None if functions is None else frozenset(functions),
                per_function=per_function or {},
                holding=None if holding is None else frozenset(holding),
            )
        return await self.external.exchange(
            self.id, Exchange(results=results, heartbeats=beats, lines=lines, claim=claim)
        )

    async def take(self, wait_ms: int = 10_000, limit: int = 1) -> Handed:
        """The next attempt."""
        answer = await self.say(limit=limit, wait_ms=wait_ms)
        (attempt,) = answer.attempts
        return attempt


def result(attempt: Handed, value: object, case: str = "ok") -> Result:
    """How an attempt ended well."""
    return Result(execution_id=attempt.execution_id, run=attempt.run, case=case, value=value)  # type: ignore[arg-type]
