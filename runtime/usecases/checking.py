"""Which of the executions in flight a build fits: their histories are replayed with it, and nothing is written."""

from __future__ import annotations

from obelisk.runtime.catalog.eligibility import pins
from obelisk.runtime.catalog.registry import Component, Registry, deployed
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.log.builds import last_build
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.ports.store import Clock, Query, Store, Stored
from obelisk.runtime.replay.verdicts import Checked, Misfit, Verdict
from obelisk.runtime.workers.verification import verify

PAGE = 50


class Checking:
    """Use cases over one store and what is deployed."""

    def __init__(self, *, store: Store, deployment: Deployment, clock: Clock) -> None:
        self._store = store
        self._deployment = deployment
        self._clock = clock

    async def build(self, name: str, content: bytes, *, limit: int, max_s: float) -> Checked:
        """Check a build that would replace the component `name`, as `deployed`. ComponentError, ImportRefused,
        ConfigError."""
        component, prepared, registry = await self._deployment.candidate(name, content)
        return await self._check(component, prepared, registry, limit, max_s)

    async def deployed(self, name: str, *, limit: int, max_s: float) -> Checked:
        """Check the build that is deployed: at most `limit` executions, the newest first, for `max_s` seconds and the
        one under way by then. ComponentNotFound.

        What goes on with an earlier build by policy is not asked.
        """
        component = self._deployment.find(name)
        prepared = self._deployment.prepared(component)
        if prepared is None or pins(component):
            return Checked(digest=component.digest, checked=0, unchecked=0, misfits=())
        return await self._check(component, prepared, self._deployment.registry, limit, max_s)

    async def _check(
        self, component: Component, prepared: Prepared | None, registry: Registry, limit: int, max_s: float
    ) -> Checked:
        if prepared is None or component.kind is not ComponentKind.WORKFLOW:
            return Checked(digest=component.digest, checked=0, unchecked=0, misfits=())
        now = self._deployment.registry.component(component.name)
        ffqns = tuple({f.ffqn for one in (component, now) if one is not None for f in deployed(one)})
        total = await self._store.count(Query(ffqns=ffqns, status="open"))
        end_us = self._clock.now_us() + round(max_s * 1e6)
        checked, misfits, cursor = 0, list[Misfit](), None
        while checked < limit:
            size = min(PAGE, limit - checked)
            page = await self._store.list(Query(ffqns=ffqns, status="open", cursor=cursor, limit=size))
            for summary in page.items:
                verdict = await self._verdict(summary.execution_id, component, prepared, registry)
                checked += 1
                if not verdict.ok:
                    misfits.append(Misfit(execution_id=summary.execution_id, ffqn=summary.ffqn, verdict=verdict))
                if self._clock.now_us() >= end_us:
                    break
            cursor = page.cursor
            if cursor is None or self._clock.now_us() >= end_us:
                break
        unchecked = max(0, total - checked)
        return Checked(digest=component.digest, checked=checked, unchecked=unchecked, misfits=tuple(misfits))

    async def _verdict(
        self, execution_id: str, component: Component, prepared: Prepared, registry: Registry
    ) -> Verdict:
        digest = component.digest
        try:
            stored = await self._store.load(execution_id)
        except CorruptLog as error:
            return Verdict(digest=digest, ok=False, reason=error.message)
        if stored is None or last_build(stored.events) in ("", digest):
            return Verdict(digest=digest, ok=True)
        return await self._replay(stored, component, prepared, registry)

    async def _replay(self, stored: Stored, component: Component, prepared: Prepared, registry: Registry) -> Verdict:
        function = next((f for f in deployed(component) if f.ffqn == stored.state.ffqn), None)
        if function is None:
            return Verdict(digest=component.digest, ok=False, reason=f"the build has no function {stored.state.ffqn}")
        return await verify(
            stored,
            digest=component.digest,
            function=function,
            prepared=prepared,
            registry=registry,
            now_us=self._clock.now_us(),
        )
