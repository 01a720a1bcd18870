"""The whole runtime in one thread and virtual time: processes that come and go over one database.

A `World` has a seed. From it come which executions are submitted, how long commits take, which of them fail, when
processes crash, and what activities do. The same seed gives the same logs, byte for byte.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import msgspec

from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.errors import FunctionNotFound, NoRoom, ObeliskError, StoreError
from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.executor.watchers import Watchers
from obelisk.runtime.log.events import Locked
from obelisk.runtime.ports.completions import Completions
from obelisk.runtime.ports.guest import Host
from obelisk.runtime.store.memory.store import Proceed
from obelisk.runtime.usecases.api import Api, Submission
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.host_calls import HostCalls
from sim_builds import Choosy, SimHost, deployable, described
from sim_deploying import Wish, deploy, deploy_again, deploy_what_is_needed, heal, roll_back, usual
from sim_faults import Faults, of_seed
from sim_guests import Told
from sim_leftovers import leftovers
from sim_locks import covers
from sim_meddling import approve, meddle, unpause_all
from sim_names import FLOW, FUNCTIONS, NARROW, SIDE
from sim_parts import Attempt, Drowsy, Entropy, Skewed, Tight
from sim_store import FaultyStore, RecordingDatabase
from sim_system import LABEL, scripts
from sim_time import VirtualLoop, end
from sim_workers import SimWorker

TRIES = 1_000
DEPLOYS_EVERY_S = 15
"""In a kind world what is paused or held gets another build so often."""


@dataclass(slots=True)
class Process:
    """One simulated process."""

    executor: Executor
    watchers: Watchers
    api: Api
    clock: Skewed
    alive: bool = True


@dataclass(slots=True, weakref_slot=True)
class World:
    """See the module's text."""

    seed: int
    faults: Faults
    loop: VirtualLoop
    dice: random.Random
    database: RecordingDatabase = field(default_factory=RecordingDatabase)
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    processes: list[Process] = field(default_factory=list[Process])
    expected: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    meddled: set[str] = field(default_factory=set[str])
    broken: list[str] = field(default_factory=list[str])
    happened: Counter[str] = field(default_factory=Counter[str])
    accepted: Counter[str] = field(default_factory=Counter[str])
    told: dict[str, list[Told]] = field(default_factory=lambda: defaultdict[str, list[Told]](list))
    wish: Wish = field(default_factory=Wish)
    changed: set[str] = field(default_factory=set[str])
    hurt: set[str] = field(default_factory=set[str])
    kind: bool = False
    host: SimHost | None = None

    def __post_init__(self) -> None:
        self.wish = usual(self.faults)

    def is_full(self) -> bool:
        """Whether the disk has no room."""
        return 0 <= self.loop.time() - self.faults.full_at_s < self.faults.full_for_s

    def happens(self, chance: float) -> bool:
        """Whether a fault happens now."""
        return not self.kind and self.dice.random() < chance

    async def start_process(self) -> Process:
        """A new process with an executor of its own over the common database."""
        entropy, completions, clock = Entropy(self.dice), Completions(), Skewed(self.loop)
        alive: list[Process] = []

        def dies() -> bool:
            begun = alive and alive[0] in self.processes
            if not begun or not self.happens(self.faults.dying_commit):
                return False
            self.crash(alive[0])
            return True

        store = FaultyStore(
            self.database,
            commit_gate=lambda proceed: self._commit(proceed, alive),
            dice=self.dice,
            dies=dies,
            loses=lambda: 0.0 if self.kind else self.faults.lost_claim,
            free=lambda: 0 if self.is_full() else 1 << 30,
            doubles=lambda: 0.0 if self.kind else self.faults.duplicate_claim,
            misleads=self._misleads,
            is_large=lambda: self._strikes(self.faults.large),
        )
        guests, settings = Tight(lambda: self.happens(self.faults.crowded)), self._settings()
        executor = Drowsy(
            store=store, clock=clock, entropy=entropy, completions=completions, settings=settings, guests=guests
        )
        executor.hears = lambda: not self.happens(self.faults.lost_wake)
        host = cast("Host", self._its_host())
        deployment = Deployment(store=store, host=host, clock=clock, changed=executor.serve, describe=described)

        def failed(reason: str) -> None:
            self.broken.append(reason)
            self.crash(process)

        watchers = Watchers(executor, deployment, on_failed=failed, life=lambda: ("sim", ""))
        api = Api(
            store=store,
            deployment=deployment,
            clock=clock,
            entropy=entropy,
            completions=completions,
            placement=executor,
        )
        alive.append(process := Process(executor, watchers, api, clock))
        for _ in range(TRIES):
            try:
                await deployment.load()
                if not deployment.registry.components:
                    await self.wish.fulfil(deployment, self.wish.builds)
                await watchers.start()
                break
            except ObeliskError:
                await asyncio.sleep(0.1)
        else:
            raise AssertionError("no process can begin")
        self.processes.append(process)
        return process

    def _its_host(self) -> SimHost:
        """What makes guests is the same for all processes; each cannot load some builds."""
        self.host = self.host or SimHost(scripts(self.dice), self._effect, self._told)
        return Choosy(self.host, self._cannot_load)

    def _cannot_load(self) -> bool:
        fails = self._strikes(self.faults.unloadable)
        self.happened["unloadable build"] += fails
        return fails

    def _misleads(self, pauses: bool) -> bool:
        return self._strikes(self.faults.lost_pause if pauses else self.faults.lost_answer)

    def _strikes(self, chance: float) -> bool:
        """Whether a fault happens now that does not exist in all worlds: without it, nothing is drawn."""
        return bool(chance) and self.happens(chance)

    def _settings(self) -> ExecutorSettings:
        """Some processes lack the label; trees are deleted soon."""
        able = self.kind or self.dice.random() < self.faults.labelled
        return ExecutorSettings(
            hot_workflows=self.faults.hot_workflows,
            activities=50,
            lease_ms=3_000,
            labels=frozenset({LABEL} if able else ()),
            keep_finished_us=15_000_000,
            prune_ms=3_000,
            linger_ms=self.dice.choice(self.faults.linger_ms),
        )

    def _commit(self, proceed: Proceed, alive: list[Process]) -> None:
        """Commit now, later, with an error, or never, when the process has crashed by then."""

        def go() -> None:
            if alive and not alive[0].alive:
                return
            if self.is_full() or self.happens(self.faults.failing_commit):
                proceed(StoreError("no space left on device", reason="full"))
            else:
                proceed(None)

        if self.happens(self.faults.stalled_commit):
            self.loop.call_later(4.0 + self.dice.random(), go)
        elif self.happens(self.faults.slow_commit):
            self.loop.call_later(self.dice.random() * 0.5, go)
        else:
            go()

    def crash(self, process: Process) -> None:
        """The process is gone in the middle of whatever it did."""
        process.alive = False
        process.executor.abandon()
        process.watchers.kill()
        if process in self.processes:
            self.processes.remove(process)

    def _told(self, context: object) -> Told:
        """Where the answers go that a guest gets: those of a workflow to what its run has, apart from what it had
        before it was read again."""
        told: Told = []
        if isinstance(context, HostCalls):
            self.told[context.run].append(told)
        return told

    def _effect(self, context: object) -> Callable[[], None] | None:
        """What half of the activities do to the world; the others only compute, and may do so early. Called when a
        guest is to start, for which there may be no room."""
        if self.happens(self.faults.crowded):
            raise NoRoom("no room for another guest")
        if not isinstance(context, ActivityAttempt):
            assert isinstance(context, HostCalls)
            return None
        attempt = context

        def effect() -> None:
            self.begun(attempt.execution_id, attempt.locked)

        return effect if self.dice.random() < 0.5 else None

    def begun(self, execution_id: str, locked: Locked, *, anywhere: bool = False) -> None:
        """An attempt has an effect. `anywhere`: it is a worker's, which any process whose clock is ahead may have ended
        meanwhile; then what counts is that its lock is on record."""
        events = e.events if (e := self.database.find(execution_id)) is not None else []
        covered = any(logged.event == locked for logged in events) if anywhere else covers(events, locked)
        covered = covered or locked.run in self.database.duplicates  # it began in good faith
        self.attempts.append(Attempt(execution_id, locked.run, covered))

    def api(self) -> Api:
        """The use cases of some process that lives."""
        return self.dice.choice(self.processes).api

    async def submit(self, function: str, n: int, tries: int = 10_000) -> None:
        """Submit to some process until one takes it, or knows no such function."""
        for _ in range(tries):
            if self.processes:
                api = self.api()
                key = f"{function}-{n}-{len(self.expected)}"
                try:
                    interface = next(i for i in (NARROW, FLOW, SIDE) if function in FUNCTIONS[i])
                    submission = Submission(ffqn=f"{interface}.{function}", params=[n], key=key)
                    submitted = await asyncio.wait_for(api.submit(submission), 5)
                    self.expected[submitted.execution_id] = (function, n)
                    return
                except FunctionNotFound:
                    return
                except (ObeliskError, TimeoutError):
                    pass
            await asyncio.sleep(0.2)

    async def live(self, executions: int, patience_s: int) -> None:
        """Start processes, submit, crash and restart; then be kind until all is finished."""
        for _ in range(self.faults.processes):
            await self.start_process()
        self.loop.between = self._crash_anywhere
        chaos = [
            self.loop.create_task(self._chaos()),
            self.loop.create_task(meddle(self)),
            self.loop.create_task(self._jump()),
            self.loop.create_task(self._damage()),
            self.loop.create_task(deploy(self)),
            self.loop.create_task(deploy_again(self)),
        ]
        helpers = [self.loop.create_task(approve(self))]
        helpers += [self.loop.create_task(SimWorker(self).live()) for _ in range(self.faults.workers)]
        while len(self.expected) < executions:
            function = self.dice.choice(self.faults.submitted)
            await self.submit(function, self.dice.randrange(1, 16))
            for _ in range(self.dice.randrange(1, 8) if self.dice.random() < 0.1 else 0):
                await self.submit("step", self.dice.randrange(1, 16), tries=5)
            await asyncio.sleep(self.dice.random() * 0.3)
        await asyncio.sleep(self.dice.random() * 20)
        for task in chaos:
            task.cancel()
        self.kind = True
        for process in self.processes:
            process.clock.offset_us = 0
        await roll_back(self)
        for second in range(1, patience_s):
            if not any(process.executor.settings.labels for process in self.processes):
                await self.start_process()
            if self.unfinished() == 0:
                break
            if self._only_damage_holds_up():
                self.database.damaged.clear()
            if not second % DEPLOYS_EVERY_S:
                await deploy_what_is_needed(self)
                await heal(self)
            await unpause_all(self)
            await asyncio.sleep(1.0)
        await end(helpers)
        await self._let_go()
        for process in list(self.processes):
            await process.executor.stop()
            if process.alive:
                await process.watchers.stop()

    async def _let_go(self) -> None:
        """When all is finished, processes find out soon that nothing is left to run, no place is taken, and all of them
        know what is deployed."""
        for second in range(10, 0, -1):
            if not leftovers(self):
                return
            if second % 5 == 0:
                await heal(self)
            await asyncio.sleep(1.0)
        self.broken += leftovers(self)

    async def _chaos(self) -> None:
        while self.faults.crash_every_s:
            await asyncio.sleep(self.dice.expovariate(1 / self.faults.crash_every_s))
            if self.processes:
                self.crash(self.dice.choice(self.processes))
            if len(self.processes) < self.faults.processes:
                await self.start_process()

    def _crash_anywhere(self) -> None:
        if self.processes and self.happens(self.faults.crashing_turn):
            self.crash(self.dice.choice(self.processes))

    async def _jump(self) -> None:
        """Now and then the clock of a process is set, by more than a lease lasts perhaps."""
        while self.faults.jump_every_s:
            await asyncio.sleep(self.dice.expovariate(1 / self.faults.jump_every_s))
            if self.processes:
                self.dice.choice(self.processes).clock.offset_us = round(self.dice.uniform(-6e6, 6e6))

    async def _damage(self) -> None:
        """Now and then the newest event of some log cannot be read any more."""
        while self.faults.damage_every_s:
            await asyncio.sleep(self.dice.expovariate(1 / self.faults.damage_every_s))
            begun = [e for e in self.database.open.values() if len(e.events) > 1]
            if begun:
                execution = self.dice.choice(begun)
                self.database.damaged[execution.execution_id] = len(execution.events) - 1
                self.hurt.add(execution.execution_id)

    def _only_damage_holds_up(self) -> bool:
        """Whether all that has not ended is damaged or waits for a descendant that is: then it is time to repair."""
        excused: set[str] = set()
        for damaged in self.database.damaged.keys() & self.database.open.keys():
            excused.update(itertools.accumulate(damaged.split("."), "{}.{}".format))
        return self.database.open.keys() <= excused

    def unfinished(self) -> int:
        """Executions that have not ended."""
        return len(self.database.open)


def simulate(seed: int, *, executions: int = 12, faults: Faults | None = None, patience_s: int = 1_000) -> World:
    """Run a world to its end, for at most `patience_s` seconds of its time once it has become kind."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(seed=seed, faults=faults or of_seed(seed), loop=loop, dice=random.Random(seed))
    try:
        with deployable():
            loop.run_until_complete(world.live(executions, patience_s))
    finally:
        loop.run_until_complete(end(asyncio.all_tasks(loop)))
        asyncio.set_event_loop(None)
        loop.close()
    return world


def fingerprint(world: World) -> bytes:
    """All logs as bytes: equal for equal seeds."""
    rows = [
        (execution_id, [(e.version, e.at_us, msgspec.json.encode(e.event)) for e in execution.events])
        for execution_id, execution in sorted(world.database.executions.items())
    ]
    return msgspec.json.encode(rows)
