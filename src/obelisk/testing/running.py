"""The loop of one world: driving it from outside, and waiting in it for executions to end."""

from __future__ import annotations

import asyncio
from asyncio import events as asyncio_events
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import FinishedState, PausedState
from obelisk.runtime.store.memory.database import MemoryDatabase
from obelisk.testing.errors import KitError, NotFinished
from obelisk.testing.virtual_time import NothingDue, VirtualLoop

T = TypeVar("T")
_MOST_SHOWN: Final = 10


class Runner:
    """See the module's text. `database` has the executions; after `broke`, all that is waited for fails."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.database = MemoryDatabase()
        self._problems: list[BaseException] = []
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def drive(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the loop until `work` is done, also inside another loop. NotFinished: nothing is due that ends it."""
        if self.loop.is_running():
            work.close()
            raise KitError("in a test that is async, await it: `await world.run(…)`, `await world.advance(…)`")
        around = asyncio_events._get_running_loop()
        asyncio_events._set_running_loop(None)
        task = self.loop.create_task(work)
        try:
            return self.loop.run_until_complete(task)
        except NothingDue:
            task.cancel()
            self._raise_problem()
            raise NotFinished(self._open("nothing is due that could go on")) from None
        finally:
            asyncio_events._set_running_loop(around)

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """`work` in this loop: awaited there, driven from any other."""
        if asyncio.get_running_loop() is self.loop:
            return await work
        return self.drive(work)

    def broke(self, error: BaseException) -> None:
        """The test fails: wake all that wait in it."""
        self._problems.append(error)
        for futures in self._waiting.values():
            for future in futures:
                _settle(future)

    def require_none(self) -> None:
        """Raise what went wrong first."""
        self._raise_problem()

    def committed(self) -> None:
        """Something is on record that was not."""
        for execution_id, futures in self._waiting.items():
            if self._is_over(execution_id):
                for future in futures:
                    _settle(future)

    async def finished(self, execution_id: str, within: timedelta) -> log.Outcome:
        """How an execution ends. NotFinished, and what went wrong in the test."""
        futures = self._waiting.setdefault(execution_id, [])
        over: asyncio.Future[None] = self.loop.create_future()
        timer = self.loop.call_later(within.total_seconds(), _settle, over)
        futures.append(over)
        try:
            if not self._problems and not self._is_over(execution_id):
                await over
        finally:
            timer.cancel()
            futures.remove(over)
        self._raise_problem()
        status = self.database.executions[execution_id].state.status
        if isinstance(status, FinishedState):
            return status.outcome
        if isinstance(status, PausedState):
            last = self.database.executions[execution_id].events[-1].event
            reason = last.reason if isinstance(last, log.Paused) else ""
            raise NotFinished(f"{execution_id} was paused: {reason or 'as an operator would'}")
        raise NotFinished(self._open(f"{execution_id} has not finished after {within} of virtual time"))

    def _is_over(self, execution_id: str) -> bool:
        execution = self.database.executions.get(execution_id)
        return execution is not None and isinstance(execution.state.status, FinishedState | PausedState)

    def _raise_problem(self) -> None:
        if self._problems:
            raise self._problems[0]

    def _open(self, head: str) -> str:
        """What has not finished, in words."""
        found = list(self.database.open.values())
        lines = [
            f"  {one.execution_id} {one.state.ffqn}: {one.summary().status}"
            + (f", waits for {one.waits_for}" if one.waits_for else "")
            for one in found[:_MOST_SHOWN]
        ]
        more = [f"  and {len(found) - _MOST_SHOWN} more"] if len(found) > _MOST_SHOWN else []
        return "\n".join([f"{head}; what is open:", *lines, *more])


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run what needs no world in a loop of its own, whatever loop runs."""
    runner = Runner(VirtualLoop())
    try:
        return runner.drive(work)
    finally:
        runner.loop.close()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
