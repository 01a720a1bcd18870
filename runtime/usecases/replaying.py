"""Use cases that look at a log with a build: replay it, fork it, upgrade its execution."""

from __future__ import annotations

from obelisk.runtime import ids
from obelisk.runtime.catalog.fitting import Unfit, params_for
from obelisk.runtime.catalog.registry import Component, deployed
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.errors import ComponentError, Conflict, ExecutionNotFound, Incompatible, NotReplayable
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.builds import last_build
from obelisk.runtime.log.state import Cancelling, FinishedState, PausedState
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import Append, Clock, Entropy, Store, Stored
from obelisk.runtime.replay.verdicts import Verdict
from obelisk.runtime.usecases.effects import Effect, Intervened
from obelisk.runtime.usecases.forking import fork
from obelisk.runtime.workers.verification import verify

MAX_TRIES = 10
"""So often an upgrade is tried anew because the execution has gone on meanwhile."""


class Replaying:
    """Use cases over one store and what is deployed."""

    def __init__(self, *, store: Store, deployment: Deployment, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._deployment = deployment
        self._clock = clock
        self._entropy = entropy

    async def replay(self, execution_id: str, build: str | None = None) -> Verdict:
        """Verify the log of a workflow against a build: a digest or the name of a component; None: what is deployed.

        Writes nothing. ExecutionNotFound, NotReplayable.
        """
        return await self._verify(await self._load(execution_id), build)

    async def fork(self, execution_id: str, at_version: int, component: str | None = None) -> str:
        """Begin a new top-level execution with the first `at_version` events of another; its id.

        With `component` (a name or a digest) only if that build, which must be deployed, replays this history.
        ExecutionNotFound, NotReplayable, ForkInvalid, Incompatible.
        """
        old = await self._load(execution_id)
        self._function(old)
        executor, run = ids.EXECUTOR + self._ulid(), ids.RUN + self._ulid()
        new = fork(
            old,
            at_version,
            executor=executor,
            run=run,
            ulid=self._ulid,
            now_us=self._clock.now_us(),
            functions=self._deployment.registry.functions,
        )
        if component is not None:
            digest = self._digest(old, component)
            if digest != self._function(old):
                raise NotReplayable(
                    f"{digest} is not deployed for {old.state.ffqn}", execution_id=execution_id, digest=digest
                )
            verdict = await self._verify(new.stored, digest)
            if not verdict.ok:
                raise incompatible(execution_id, verdict)
        await commit(self._store, new.writes)
        return new.stored.execution_id

    async def upgrade(self, execution_id: str) -> Intervened:
        """Let a workflow go on with the build that is deployed, once its log was replayed with it.

        A run that is under way is dropped; what was paused goes on. ALREADY when that build made the last of its log.
        ExecutionNotFound, NotReplayable, Incompatible; Conflict when it goes on faster than its log is replayed.
        """
        for _ in range(MAX_TRIES):
            stored = await self._load(execution_id)
            digest = self._function(stored)
            match stored.state.status:
                case FinishedState():
                    return Intervened(id=execution_id, effect=Effect.FINISHED)
                case Cancelling():
                    return Intervened(id=execution_id, effect=Effect.CANCELLING)
                case status:
                    events: list[log.Event] = [log.ComponentUpgraded(digest=digest), log.Unpaused()]
                    if not isinstance(status, PausedState):
                        events.insert(0, log.Paused())
            self._require_fit(stored)
            if last_build(stored.events) in (digest, ""):
                return Intervened(id=execution_id, effect=Effect.ALREADY)
            verdict = await self._verify(stored, digest)
            if not verdict.ok:
                raise incompatible(execution_id, verdict)
            state = stored.state
            for event in events:
                state = fold.apply(state, event)
            append = Append(
                execution_id=execution_id,
                version=stored.state.version,
                events=events,
                state=state,
                at_us=self._clock.now_us(),
            )
            try:
                await commit(self._store, (append,))
            except Conflict:
                continue  # it has gone on meanwhile
            return Intervened(id=execution_id, effect=Effect.DONE)
        raise Conflict(
            f"{execution_id} went on {MAX_TRIES} times while its log was replayed: pause it, then upgrade it",
            execution_id=execution_id,
        )

    def _require_fit(self, stored: Stored) -> None:
        """Incompatible when the execution was begun with other types than the deployed function has."""
        created, function = stored.events[0], self._deployment.registry.function(stored.state.ffqn)
        assert isinstance(created, log.Created)
        try:
            params_for(created, function)
        except Unfit as error:
            raise Incompatible(
                error.message, digest=function.component.digest, reason=error.message, index=None
            ) from None

    async def _verify(self, stored: Stored, build: str | None) -> Verdict:
        digest = self._digest(stored, build)
        ffqn = stored.state.ffqn
        try:
            component, prepared = await self._deployment.build(digest)
        except ComponentError as error:
            raise NotReplayable(error.message, execution_id=stored.execution_id, digest=digest) from None
        function = next((f for f in deployed(component) if f.ffqn == ffqn), None)
        if function is None or component.kind is not ComponentKind.WORKFLOW:
            raise NotReplayable(f"{digest} has no workflow {ffqn}", execution_id=stored.execution_id, digest=digest)
        return await verify(
            stored,
            digest=digest,
            function=function,
            prepared=prepared,
            registry=self._deployment.registry,
            now_us=self._clock.now_us(),
        )

    async def _load(self, execution_id: str) -> Stored:
        stored = await self._store.load(execution_id)
        if stored is None:
            raise ExecutionNotFound(f"no execution {execution_id}", execution_id=execution_id)
        return stored

    def _digest(self, stored: Stored, build: str | None) -> str:
        if build is None:
            return self._function(stored)
        named: Component | None = self._deployment.registry.component(build)
        return build if named is None else named.digest

    def _function(self, stored: Stored) -> str:
        """The digest that is deployed for a workflow."""
        ffqn = stored.state.ffqn
        function = self._deployment.registry.functions.get(ffqn)
        if function is None or function.kind is not ComponentKind.WORKFLOW:
            raise NotReplayable(f"{ffqn} is not a deployed workflow", execution_id=stored.execution_id, digest=None)
        return function.component.digest

    def _ulid(self) -> str:
        return ids.ulid(self._clock.now_us() // 1000, self._entropy.bits(80))


def incompatible(execution_id: str, verdict: Verdict) -> Incompatible:
    """The refusal for a verdict that is not ok."""
    index = verdict.divergence.index if verdict.divergence is not None else None
    return Incompatible(
        f"{verdict.digest} does not replay {execution_id}: {verdict.reason}",
        digest=verdict.digest,
        reason=verdict.reason,
        index=index,
    )
