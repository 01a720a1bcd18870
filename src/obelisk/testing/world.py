"""A `World`: the engine with a project's components, on virtual time, in one process and one thread of control."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, cast

import msgspec

from obelisk.codegen.emit.guest.names import snake
from obelisk.native.fiber import PATIENCE_S, Misuse, Place
from obelisk.native.host import NativeHost
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import FinishedState
from obelisk.runtime.ports.guest import Host
from obelisk.runtime.ports.store import Stored, Summary
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.testing import engine, histories, replays
from obelisk.testing.deployed import KitHost
from obelisk.testing.errors import (
    ExecutionFailed,
    Forbidden,
    HistoryMismatch,
    KitError,
    Nondeterminism,
)
from obelisk.testing.histories import History
from obelisk.testing.project import Known, Project
from obelisk.testing.replacing import StandIn
from obelisk.testing.running import Runner, apart
from obelisk.testing.virtual_time import START_US, VirtualLoop

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
WITHIN: Final = timedelta(days=3660)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One execution of a function. `args` are its arguments as tests have values, `attempts` how often it was tried and
    failed, `outcome` what it came to, None while it has not finished."""

    execution_id: str
    args: tuple[Any, ...]
    at: datetime
    attempts: int
    outcome: log.Outcome | None


class Execution(Awaitable[R]):
    """An execution that was begun. Awaited, or by `result()`, it gives what the function returns."""

    def __init__(self, world: World, known: Known, params: list[Any]) -> None:
        self._world, self._known, self._params = world, known, params
        self._id = ""

    @property
    def id(self) -> str:
        """``E_…``; KitError before it is on record."""
        if not self._id:
            raise KitError("the execution is on record once the world has run: await something, or call `advance`")
        return self._id

    async def submit(self) -> None:
        """Put it on record. ObeliskError."""
        if not self._id:
            submission = Submission(ffqn=self._known.ffqn, params=self._params)
            self._id = (await self._world.engine.api.submit(submission)).execution_id

    async def wait(self, within: timedelta = WITHIN) -> R:
        """See `World.run`."""
        await self.submit()
        outcome = await self._world.runner.finished(self._id, within)
        return cast("R", self._world.lifted(self._known, outcome))

    def result(self, within: timedelta = WITHIN) -> R:
        """What the function returns, within so much virtual time from now; raises as `World.run`."""
        return self._world.drive(self.wait(within))

    def __await__(self) -> Generator[Any, Any, R]:
        return self._world.runner.within(self.wait()).__await__()


class World:
    """See the module's text. `built` names components that are run from a file that `obelisk build` made, `settings`
    changes those of components, `seed` is that of the engine's randomness. A with statement closes it, and replays
    every log first.

    KitError, CommandError: the project is wrong.
    """

    def __init__(
        self,
        project: Project | Path | str = ".",
        *,
        built: Mapping[str, Path | str] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int = 0,
        start: datetime | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.project = project if isinstance(project, Project) else Project(project)
        self.project.import_bindings()
        self.stand_ins: dict[str, StandIn] = {}
        start_us = START_US if start is None else round(start.timestamp() * 1_000_000)
        self.runner = Runner(VirtualLoop(start_us))
        self.loop, self.drive = self.runner.loop, self.runner.drive
        self._asked = replays.Asked()
        self._closed = False
        files = {name: Path(path) for name, path in (built or {}).items()}
        native = NativeHost(self._wasmtime, observer=self, patience_s=patience_s)
        self._host = KitHost(native, self)
        changed = {name: dict(more) for name, more in (settings or {}).items()}
        self.engine = self.drive(self._begin(native, files, changed, seed))
        self.loop.due_s = lambda: self.engine.due_s(self.loop)
        self.loop.is_computing = lambda: self.engine.executor.pool.is_busy

    def _wasmtime(self) -> Host:
        """The host of built components, which takes a while to import."""
        from obelisk.testing.built import host

        return host(self.loop, self.project.config.cache)

    async def _begin(
        self, native: NativeHost, built: dict[str, Path], settings: dict[str, dict[str, Any]], seed: int
    ) -> engine.Engine:
        begun = await engine.start(
            loop=self.loop,
            config=self.project.config,
            host=self._host,
            native=native,
            seed=seed,
            committed=self.runner.committed,
            failed=lambda reason: self.broke(KitError(f"the engine failed: {reason}")),
        )
        self.runner.database = begun.store.database
        await begun.deployment.add_all(engine.sources(self.project, native, built, settings))
        return begun

    # --- running ----------------------------------------------------------------------------------------------------
    async def run(self, function: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """Call a function of the project, named as it is imported from `wit_world.imports`; what it returns.

        Raises `Err` when it returns an err, ExecutionFailed when it ends without a result, NotFinished when nothing is
        due that could end it, and what went wrong in the test besides.
        """
        return await self.runner.within(self._begun(function, args, named).wait())

    def run_sync(self, function: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """The same in a test that is not ``async``."""
        return self._begun(function, args, named).result()

    def start(self, function: Callable[P, R], *args: P.args, **named: P.kwargs) -> Execution[R]:
        """Begin a call, and look at it later."""
        execution = self._begun(function, args, named)
        if not self.loop.is_running():
            self.drive(execution.submit())
        return execution

    def _begun(self, function: Callable[..., R], args: Sequence[Any], named: Mapping[str, Any]) -> Execution[R]:
        known = self.project.known(function)
        names = _parameters(known)
        missing = [name for name in names[len(args) :] if name not in named]
        if missing or len(args) > len(names) or set(named) - set(names[len(args) :]):
            raise TypeError(f"{known.ffqn} takes {', '.join(names) or 'nothing'}")
        values = [*args, *(named[name] for name in names[len(args) :])]
        return Execution(self, known, self.project.bindings.values.lower_params(known.function, values))

    def advance(self, **time: float) -> Awaitable[None]:
        """Let virtual time pass, as ``hours=3``; to be awaited in a test that is ``async``."""
        return self._done(asyncio.sleep(timedelta(**time).total_seconds()))

    def _done(self, work: Coroutine[Any, Any, object]) -> Awaitable[Any]:
        """What is done at once, or is to be awaited where the loop runs."""
        if self.loop.is_running():
            return work
        self.drive(work)
        return _Over()

    @property
    def now(self) -> datetime:
        """The instant of the virtual clock, in UTC."""
        return datetime.fromtimestamp(self.loop.now_us() / 1e6, UTC)

    # --- what stands for functions ----------------------------------------------------------------------------------
    def replace(self, what: Callable[..., Any] | ModuleType, stand_in: object) -> None:
        """Let something else answer a function, or all functions of a module of `wit_world.imports`.

        For a function: another one, with the same parameters, ``async`` or not; a value to return; an `Err`; a
        `script(…)` of attempts. For a module: an object with a method for each of its functions. KitError, Unfit.
        """
        if isinstance(what, ModuleType):
            for known in self.project.functions_of(what):
                name = snake(known.function.name)
                if not hasattr(stand_in, name):
                    raise KitError(f"{type(stand_in).__name__} has no method {name}, which stands for {known.ffqn}")
                self._stand_in(known, getattr(stand_in, name))
        else:
            self._stand_in(self.project.known(what), stand_in)

    def _stand_in(self, known: Known, what: object) -> None:
        self.stand_ins[known.ffqn] = StandIn(known.ffqn, known.function, self.project.bindings, what)

    def answer(
        self, function: Callable[..., R], value: R | BaseException, *, execution_id: str | None = None
    ) -> Awaitable[object]:
        """Give a stub its result or an `Err`: the oldest call that waits, or one by its id. KitError.

        To be awaited in an async test.
        """
        known = self.project.known(function)
        waiting = [call for call in reversed(self._summaries(known.ffqn)) if call.status != "finished"]
        chosen = execution_id or (waiting[0].execution_id if waiting else "")
        if not chosen:
            raise KitError(f"no call of {known.ffqn} waits for a result")
        result = self.project.bindings.values.lower_result(known.function, value)
        return self._done(self.engine.api.stub(chosen, result))

    # --- looking ----------------------------------------------------------------------------------------------------
    def calls(self, function: Callable[..., Any]) -> list[Call]:
        """The calls of a function, the oldest first."""
        known = self.project.known(function)
        return [self._call(known, one.execution_id) for one in reversed(self._summaries(known.ffqn))]

    def _call(self, known: Known, execution_id: str) -> Call:
        stored = self._stored(execution_id)
        created, status = stored.events[0], stored.state.status
        assert isinstance(created, log.Created)
        params = self.project.bindings.values.lift_params(known.function, msgspec.json.decode(created.params))
        return Call(
            execution_id=execution_id,
            args=tuple(params),
            at=datetime.fromtimestamp(stored.times[0] / 1e6, UTC),
            attempts=stored.state.attempts,
            outcome=status.outcome if isinstance(status, FinishedState) else None,
        )

    def history(self, which: Callable[..., Any] | Execution[Any] | str) -> History:
        """The log of an execution: one that was started, one by its id, or the newest of a function."""
        return histories.history_of(self._stored(self._id_of(which)))

    def logs(self, which: Callable[..., Any] | Execution[Any] | str) -> list[str]:
        """What the code of an execution logged and printed."""
        found = self.drive(self.engine.api.lines(self._id_of(which), limit=10_000))
        return [item.line.text for item in found.items]

    def save_history(self, path: Path | str, which: Callable[..., Any] | Execution[Any] | str | None = None) -> None:
        """Write a log to a file, for `assert_replays`; by default that of the newest workflow that was called."""
        chosen = self._newest() if which is None else self._id_of(which)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(histories.write(self._stored(chosen)))

    def _id_of(self, which: Callable[..., Any] | Execution[Any] | str) -> str:
        if isinstance(which, str):
            return which
        if isinstance(which, Execution):
            return which.id
        known = self.project.known(which)
        found = self._summaries(known.ffqn)
        if not found:
            raise KitError(f"{known.ffqn} was not called")
        return found[0].execution_id

    def _newest(self) -> str:
        called = [one for one in self.engine.store.database.executions.values() if one.state.parent is None]
        if not called:
            raise KitError("nothing was called in this world")
        return max(called, key=lambda one: one.sequence).execution_id

    def _summaries(self, ffqn: str) -> Sequence[Summary]:
        found = [one for one in self.engine.store.database.executions.values() if one.state.ffqn == ffqn]
        return [one.summary() for one in sorted(found, key=lambda one: -one.sequence)]

    def _stored(self, execution_id: str) -> Stored:
        execution = self.engine.store.database.executions.get(execution_id)
        if execution is None:
            raise KitError(f"there is no execution {execution_id}")
        return execution.stored()

    # --- ends -------------------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Raise what went wrong in this world, and Nondeterminism for a workflow whose log does not replay."""
        self.runner.require_none()
        problem = apart(self._replayed())
        if problem:
            raise Nondeterminism(problem)

    async def _replayed(self) -> str:
        registry = self.engine.deployment.registry
        for execution in list(self.engine.store.database.executions.values()):
            function = registry.functions.get(execution.state.ffqn)
            prepared = None if function is None else self.engine.deployment.prepared(function.component)
            if (
                function is None
                or prepared is None
                or function.kind is not ComponentKind.WORKFLOW
                or function.ffqn in self.stand_ins
            ):
                continue
            stored = execution.stored()
            problem = await replays.first_problem(
                stored,
                replays.lengths(stored),
                function=function,
                prepared=prepared,
                registry=registry,
                now_us=self.loop.now_us(),
                asked_then=self._asked.places[execution.execution_id],
            )
            if problem:
                return problem
        return ""

    def assert_replays(self, function: Callable[..., Any], folder: Path | str) -> None:
        """Replay every saved history of a workflow in a folder (``*.json``) with the code as it is now.

        HistoryMismatch: one does not replay, or there is none.
        """
        known = self.project.known(function)
        deployed = self.engine.deployment.registry.function(known.ffqn)
        prepared = self.engine.deployment.prepared(deployed.component)
        if prepared is None:
            raise KitError(f"{known.ffqn} is no workflow that runs here")
        found = {path: histories.read(path) for path in sorted(Path(folder).glob("*.json"))}
        mine = {path: stored for path, stored in found.items() if stored.state.ffqn == known.ffqn}
        if not mine:
            raise HistoryMismatch(f"{folder} has no history of {known.ffqn}: `world.save_history(…)` writes one")
        for path, stored in mine.items():
            problem = apart(
                replays.first_problem(
                    stored,
                    [len(stored.events)],
                    function=deployed,
                    prepared=prepared,
                    registry=self.engine.deployment.registry,
                    now_us=self.loop.now_us(),
                    asked_then={},
                )
            )
            if problem:
                raise HistoryMismatch(f"{path} does not replay any more: {problem}")

    def close(self) -> None:
        """End everything that runs. Idempotent."""
        if not self._closed:
            self._closed = True
            self.drive(self.engine.stop())
            self._host.close()
            self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.check()
        finally:
            self.close()

    # --- what the parts call ----------------------------------------------------------------------------------------
    def asked(self, context: object, place: Place | None) -> None:
        """See `fiber.Observer`."""
        self._asked.asked(context, place)

    def misused(self, context: object, misuse: Misuse) -> None:
        """See `fiber.Observer`."""
        of = f"{context.function.ffqn}: " if isinstance(context, HostCalls) else ""
        self.broke(Forbidden(f"{of}{misuse.what}\n\n{misuse.stack}"))

    def broke(self, error: BaseException) -> None:
        """See `deployed.Answers`."""
        self.runner.broke(error)

    def lifted(self, known: Known, outcome: log.Outcome) -> Any:
        """What a call gives the test. `Err`, ExecutionFailed."""
        if isinstance(outcome, log.Failed):
            raise ExecutionFailed(known.ffqn, outcome.kind.value, outcome.reason, outcome.detail)
        return self.project.bindings.values.lift_result(known.function, msgspec.json.decode(outcome.value))


def _parameters(known: Known) -> list[str]:
    return [snake(param.name) for param in known.function.params]


class _Over(Awaitable[None]):
    """What a call without a loop gives: it is done."""

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(())  # type: ignore[return-value]
