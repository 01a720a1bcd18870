"""Workers outside the engine in the simulated world: they take attempts from any process, think, and answer.

They lose answers, say results twice, fall silent for longer than their lease, die, and never mind a deadline: that is
the server's to do. What they are told they check against the records at that very moment.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from obelisk.runtime.errors import ObeliskError, WorkerNotFound
from obelisk.runtime.external.exchange import Answer, Exchange, Failure, Fate, Handed, Heartbeat, Result, State, Wanted
from obelisk.runtime.external.serving import External
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.claims import Offering
from sim_names import FUNCTIONS, OUTER

if TYPE_CHECKING:
    from sim_world import World

LEASE_MS = 3_000
ROOM = 3
PATIENCE_S = 10.0
"""So long a worker waits for an answer beyond what it asked for: the process may be gone."""


class SimWorker:
    """One of them; `has` are the attempts that it makes, each with the instant at which it will have ended, `said` the
    results that were not acknowledged."""

    def __init__(self, world: World) -> None:
        self._world, self._dice = world, world.dice
        self._id = ""
        self._has: dict[str, tuple[Handed, float]] = {}
        self._said: dict[str, Result] = {}

    async def live(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._turn()
            except WorkerNotFound:
                self._id = ""
                self._has.clear()
            except (ObeliskError, TimeoutError):
                pass  # it says the same again
            await asyncio.sleep(0.05 + self._dice.random() * 0.2)
            if self._world.happens(self._world.faults.silent_worker):
                await asyncio.sleep(self._dice.uniform(1, 8))
            if self._world.happens(self._world.faults.dying_worker):
                self._id = ""
                self._has.clear()
                self._said.clear()

    async def _turn(self) -> None:
        if not self._world.processes:
            return
        external = self._dice.choice(self._world.processes).executor.workers
        if not self._id:
            offering = Offering(name="sim", functions={f"{OUTER}.{f}": "" for f in FUNCTIONS[OUTER]}, lease_ms=LEASE_MS)
            self._id = (await asyncio.wait_for(external.register(offering, ()), PATIENCE_S)).worker
        now_s = self._world.loop.time()
        for run, (attempt, end_s) in tuple(self._has.items()):
            if end_s <= now_s:
                del self._has[run]
                self._said[run] = self._result(attempt)
        await self._exchange(external)

    async def _exchange(self, external: External) -> None:
        results = list(self._said.values())
        if self._world.happens(self._world.faults.doubled_result):
            results *= 2
        wait_ms = self._dice.choice((0, 200, 900))
        beats = [
            Heartbeat(execution_id=a.execution_id, run=run, detail=run.encode().join((b'"', b'"')))
            for run, (a, _) in self._has.items()
        ]
        claim = Wanted(
            limit=max(0, ROOM - len(self._has)),
            wait_ms=wait_ms,
            per_function={},
            holding=frozenset((*self._has, *self._said)),
        )
        said = Exchange(results=results, heartbeats=beats, claim=claim)
        answer = await asyncio.wait_for(external.exchange(self._id, said), PATIENCE_S + wait_ms / 1000)
        self._check(answer)
        if not self._world.happens(self._world.faults.lost_exchange):
            self._hear(answer)

    def _hear(self, answer: Answer) -> None:
        for verdict in answer.results:
            self._said.pop(verdict.run, None)
        for news in answer.news:
            if news.fate is not Fate.RUNNING:
                self._has.pop(news.run, None)
        for attempt in answer.attempts:
            if attempt.run not in self._has and attempt.run not in self._said:
                takes_s = 1_000.0 if self._dice.random() < 0.05 else self._dice.random() * 1.5
                self._has[attempt.run] = attempt, self._world.loop.time() + takes_s

    def _result(self, attempt: Handed) -> Result:
        """What comes of it: a number, or now and then no number, or a failure."""
        chance, (n,) = self._dice.random(), attempt.params.values()
        assert isinstance(n, int)
        if chance < 0.15:
            failure = Failure(message="the worker failed", retry_after_ms=self._dice.choice((0, 500)))
            return Result(execution_id=attempt.execution_id, run=attempt.run, failure=failure)
        value = "no number" if chance < 0.2 else 2 * n
        return Result(execution_id=attempt.execution_id, run=attempt.run, value=value)

    def _check(self, answer: Answer) -> None:
        """The laws of what leaves a process: it is on record by then."""
        for attempt in answer.attempts:
            locked = log.Locked(executor=self._id, run=attempt.run, digest=attempt.digest)
            self._world.begun(attempt.execution_id, locked, anywhere=True)
        everything = self._world.database.everything()
        for verdict in answer.results:
            if verdict.state is State.STALE:
                continue
            events = [logged.event for logged in everything[verdict.execution_id].events]
            place = next((n for n, e in enumerate(events) if isinstance(e, log.Locked) and e.run == verdict.run), -1)
            end = events[place + 1] if 0 <= place < len(events) - 1 else None
            if not isinstance(end, log.Finished | log.TemporarilyFailed):
                self._world.broken.append(f"{verdict.execution_id}: {verdict.run} was acknowledged, {end} is on record")
