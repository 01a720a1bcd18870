"""Workers outside the engine in the simulated world: they take attempts from any process, think, and answer.

They lose answers, say results twice and again, leave heartbeats out, fall silent for longer than their lease, are cut
off, leave, die, were made for other types, have clocks that are an hour off, and never mind a deadline: that is the
server's to do. `sim_claims` checks what they are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from obelisk.runtime.errors import ObeliskError, WorkerNotFound
from obelisk.runtime.external.exchange import (
    Answer,
    Exchange,
    Failure,
    Fate,
    Handed,
    Heartbeat,
    Result,
    Wanted,
)
from obelisk.runtime.ports.claims import Offering
from sim_builds import BUILDS, signature_by
from sim_claims import check
from sim_names import FUNCTIONS, OUTER, OUTSIDE
from sim_system import LABEL

if TYPE_CHECKING:
    from sim_world import Process, World

LEASE_MS = 3_000
ROOM = 3
PATIENCE_S = 10.0
"""So long a worker waits for an answer beyond what it asked for: the process may be gone."""
HOUR_US = 3_600_000_000
TYPED = tuple(signature_by(BUILDS["outer", variant].digest, f"{OUTER}.haul") for variant in ("1", "text"))
REMEMBERED = 8
"""So many of the results that were acknowledged last may be said again."""


class SimWorker:
    """One of them; `has` are the attempts that it makes, each with the instant at which it will have ended, `said` the
    results that were not acknowledged."""

    def __init__(self, world: World) -> None:
        self._world, self._dice, self._faults = world, world.dice, world.faults
        self._id = ""
        self._signature = ""
        self._labelled = True
        self._skew_us = 0
        self._cut_until_s = 0.0
        self._has: dict[str, tuple[Handed, float]] = {}
        self._said: dict[str, Result] = {}
        self._heard: deque[Result] = deque(maxlen=REMEMBERED)

    async def live(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._turn()
            except WorkerNotFound:
                self._world.happened["lost lease"] += bool(self._has)
                self._begin_anew()
            except (ObeliskError, TimeoutError):
                pass  # it says the same again
            await asyncio.sleep(0.05 + self._dice.random() * 0.2)
            if self._world.happens(self._faults.silent_worker):
                await asyncio.sleep(self._dice.uniform(1, 8))
            if self._world.happens(self._faults.dying_worker):
                self._finish()
                self._begin_anew()
                if self._dice.random() < 0.5:
                    self._said.clear()  # else it had kept them, and says them under its new id

    def _begin_anew(self) -> None:
        """It has no lease, and nothing to do. What was not acknowledged it still has."""
        self._id = ""
        self._has.clear()

    async def _turn(self) -> None:
        self._finish()
        is_cut = self._world.loop.time() < self._cut_until_s and not self._world.kind
        if is_cut or not self._world.processes:
            return
        process = self._dice.choice(self._world.processes)
        is_odd = bool(self._signature or self._skew_us) or not self._labelled
        if self._id and (self._world.happens(self._faults.leaving_worker) or (self._world.kind and is_odd)):
            await asyncio.wait_for(process.executor.workers.leave(self._id), PATIENCE_S)
            self._begin_anew()
        if not self._id:
            await self._register(process)
        await self._exchange(process)

    async def _register(self, process: Process) -> None:
        happens, dice = self._world.happens, self._dice
        self._signature = dice.choice(TYPED) if happens(self._faults.typed_worker) else ""
        self._skew_us = dice.choice((-HOUR_US, HOUR_US)) if happens(self._faults.skewed_worker) else 0
        self._labelled = self._world.kind or dice.random() < self._faults.labelled
        functions = {f"{interface}.{f}": "" for interface in OUTSIDE for f in FUNCTIONS[interface]}
        functions[f"{OUTER}.haul"] = self._signature
        offering = Offering(name="sim", functions=functions, lease_ms=LEASE_MS)
        registering = process.executor.workers.register(offering, (LABEL,) if self._labelled else ())
        self._id = (await asyncio.wait_for(registering, PATIENCE_S)).worker

    def _finish(self) -> None:
        """What has taken its time has a result."""
        for run, (attempt, end_s) in tuple(self._has.items()):
            if end_s <= self._world.loop.time():
                del self._has[run]
                self._said[run] = self._result(attempt)

    async def _exchange(self, process: Process) -> None:
        said = self._all_there_is_to_say()
        assert said.claim is not None
        wait_s = said.claim.wait_ms / 1000
        is_cut = self._world.happens(self._faults.cut_network)
        patience_s = self._dice.uniform(0, wait_s + 0.1) if is_cut else PATIENCE_S + wait_s
        try:
            answer = await asyncio.wait_for(process.executor.workers.exchange(self._id, said), patience_s)
        except TimeoutError:
            if is_cut:
                self._world.happened["cut off"] += 1
                self._cut_until_s = self._world.loop.time() + self._dice.uniform(0.1, 30)
            raise
        if not process.alive:
            self._world.happened["no answer from the dead"] += 1
            return
        check(self._world, self._id, self._signature, said, answer)
        if not self._world.happens(self._faults.lost_exchange):
            self._hear(answer)

    def _all_there_is_to_say(self) -> Exchange:
        results = list(self._said.values())
        if self._world.happens(self._faults.doubled_result):
            results *= 2
        if self._heard and self._world.happens(self._faults.repeated_result):
            results.append(self._dice.choice(self._heard))
        beats = [] if self._world.happens(self._faults.lost_beats) else self._beats()
        claim = Wanted(
            limit=max(0, ROOM - len(self._has)),
            wait_ms=self._dice.choice((0, 200, 900)),
            per_function={},
            holding=frozenset((*self._has, *self._said)),
        )
        return Exchange(results=results, heartbeats=beats, claim=claim)

    def _beats(self) -> list[Heartbeat]:
        """Each says which run it is of."""
        return [
            Heartbeat(
                execution_id=attempt.execution_id,
                run=run,
                detail=msgspec.json.encode(run),
            )
            for run, (attempt, _) in self._has.items()
        ]

    def _hear(self, answer: Answer) -> None:
        for verdict in answer.results:
            self._world.happened[f"{verdict.state.value} result"] += 1
            with contextlib.suppress(KeyError):
                self._heard.append(self._said.pop(verdict.run))
        for news in answer.news:
            if news.fate is not Fate.RUNNING:
                self._world.happened[f"{news.fate.value} attempt"] += 1
                self._has.pop(news.run, None)
        for attempt in answer.attempts:
            if attempt.run in self._has or attempt.run in self._said or self._is_over(attempt):
                continue
            self._world.happened["attempt"] += 1
            self._world.happened["attempt with a heartbeat"] += attempt.heartbeat is not None
            is_endless = attempt.ffqn.startswith(OUTER) and self._dice.random() < 0.05
            takes_s = math.inf if is_endless else self._dice.random() * 1.5
            self._has[attempt.run] = attempt, self._world.loop.time() + takes_s

    def _is_over(self, attempt: Handed) -> bool:
        """Whether it is too late for an attempt, as a worker thinks whose clock is an hour ahead."""
        return self._skew_us != 0 and attempt.deadline_us < self._world.loop.now_us() + self._skew_us

    def _result(self, attempt: Handed) -> Result:
        """What comes of it: a number, or now and then no number, or a failure."""
        chance, (n,) = self._dice.random(), attempt.params.values()
        if chance < 0.15:
            failure = Failure(message="the worker failed", retry_after_ms=self._dice.choice((0, 500)))
            return Result(execution_id=attempt.execution_id, run=attempt.run, failure=failure)
        value = "no number" if chance < 0.2 else 2 * int(str(n))
        return Result(execution_id=attempt.execution_id, run=attempt.run, value=value)
