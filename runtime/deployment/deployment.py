"""Deploying components: from a file's bytes to a new registry snapshot, or a refusal with nothing written.

A set of components is deployed together, so that a workflow may come before the activities it calls. Every import of
every component must be answered by the resulting deployment (`linking`). It is recorded in one transaction, and only
onto the deployment it was checked against: what is on record always fits together, whatever dies or deploys meanwhile.

What is on record and cannot be run by this process all the same, because it is damaged or made for another version of
the program, hinders nothing else: it is among `Registry.faults`, its executions wait, and it is tried again with each
change.

A process that starts serves before all code is compiled: after `begin` the functions on record can be called, after
`complete` they run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from obelisk.runtime.catalog.description import describe
from obelisk.runtime.catalog.eligibility import pins
from obelisk.runtime.catalog.registry import Component, Fault, Registry, deployed
from obelisk.runtime.catalog.settings import CODELESS, ComponentKind, ComponentSettings
from obelisk.runtime.deployment.faults import fault_of, require_prepared, tell
from obelisk.runtime.deployment.preparing import prepare
from obelisk.runtime.deployment.progress import Preparing
from obelisk.runtime.deployment.reading import (
    Describe,
    Source,
    as_stored,
    build_description,
    check,
    component_of,
    is_stored,
    stored_component,
)
from obelisk.runtime.errors import (
    ComponentError,
    ComponentInUse,
    ComponentNotFound,
    Conflict,
    ImportRefused,
    StoreError,
)
from obelisk.runtime.ports.claims import BuildUse
from obelisk.runtime.ports.guest import Host, Prepared
from obelisk.runtime.ports.store import Clock, Store, StoredComponent

T = TypeVar("T")
MAX_TRIES = 10
"""So often a change is checked and recorded anew when others change what is deployed meanwhile."""


logger = logging.getLogger(__name__)


class Deployment:
    """Holds the current `registry` and the prepared components, by digest. One event loop uses it.

    `changed(registry, prepared)` is called after every change. `describe` reads what a binary says of itself.
    `preparing`: how far the start of the process has come, None once it is over.
    """

    def __init__(
        self,
        *,
        store: Store,
        host: Host,
        clock: Clock,
        changed: Callable[[Registry, dict[str, Prepared]], None],
        describe: Describe = describe,
    ) -> None:
        self._store = store
        self._host = host
        self._clock = clock
        self._changed = changed
        self._describe = describe
        self._prepared: dict[str, Prepared] = {}
        self._loaded: tuple[StoredComponent, ...] = ()
        self._useless = set[str]()  # builds that are none of a pinned component as it is deployed now
        # One change at a time: each is checked against the registry that the one before it left.
        self._changing = asyncio.Lock()
        self._turns = asyncio.Semaphore(max(os.cpu_count() or 1, 2))
        self._waiting: dict[str, tuple[Component, bytes]] = {}  # by name: what `begin` read and `complete` prepares
        self.preparing: Preparing | None = None
        self.registry = Registry()

    async def load(self) -> None:
        """Read what is deployed from the store; only what differs from what is loaded is prepared."""
        async with self._changing:
            await self._load()

    async def _load(self) -> None:
        stored = await self._store.components()
        if stored == self._loaded:
            await self._load_builds()
            return
        registry, fresh = await self._read_all(stored)
        if (registry.components, registry.faults) != (self.registry.components, self.registry.faults):
            prepared = await self._prepare(registry, fresh)
            self._switch(registry, prepared)
        self._loaded = stored
        self._useless.clear()
        await self._load_builds()

    async def _read_all(self, stored: Sequence[StoredComponent]) -> tuple[Registry, Sequence[tuple[Component, bytes]]]:
        """What is on record as a registry, and those of its components that are not loaded as they stand there."""
        components: list[Component] = []
        fresh: list[tuple[Component, bytes]] = []
        faults: dict[str, Fault] = {}
        for one in stored:
            known = self.registry.component(one.name)
            is_faulty = one.name in self.registry.faults
            if known is None or not is_stored(known, one) or (is_faulty and one not in self._loaded):
                found = await self._read(one)
                if isinstance(found, Fault):
                    faults[one.name] = found
                    continue
                known = found[0]
                fresh.append(found)
            elif is_faulty:
                faults[one.name] = self.registry.faults[one.name]
            components.append(known)
        return Registry(tuple(components), faults=faults), fresh

    async def begin(self) -> None:
        """Read what is deployed from the store, and prepare nothing yet. Calls of its functions are recorded and wait.
        `complete` has to follow."""
        async with self._changing:
            stored = await self._store.components()
            registry, fresh = await self._read_all(stored)
            self._waiting = {pair[0].name: pair for pair in fresh if pair[0].kind not in CODELESS}
            self._loaded = stored
            self.preparing = Preparing(total=len(self._waiting))
            self._switch(registry, {})

    async def complete(self, sources: Sequence[Source]) -> None:
        """Prepare what `begin` read, side by side, each component served as soon as it is ready; then deploy `sources`.

        A build that `sources` replace is not prepared: its executions wait for the new one. Errors as of `add_all`;
        after one this may be called again.
        """
        async with self._changing:
            added = [await self._component(source) for source in sources]
            replaced = {c.name for c, _ in added if c != self.registry.component(c.name) and c.kind not in CODELESS}
            for name in replaced:
                self._waiting.pop(name, None)
            self.preparing = Preparing(total=len(self._waiting) + len(replaced))
            await asyncio.gather(*(self._ready(*pair) for pair in tuple(self._waiting.values())))
        await self.add_all(sources)
        self.preparing = None

    async def _ready(self, component: Component, binary: bytes) -> None:
        """Prepare and serve a component that `begin` read."""
        outcome = await self._prepare_one(self.registry, component, binary)
        del self._waiting[component.name]
        self._switch(self.registry, {component.name: outcome})

    async def _read(self, stored: StoredComponent) -> tuple[Component, bytes] | Fault:
        """A component that is on record and its binary, or why it cannot be had."""
        try:
            binary = await self._binary(stored.digest)
            return await asyncio.to_thread(stored_component, stored, binary, self._describe), binary
        except StoreError:
            raise
        except Exception as error:
            return fault_of(stored, error)

    async def _load_builds(self) -> None:
        """Have the earlier builds at hand that executions go on with, of components whose policy is ``pin``."""
        pinned = [component for component in self.registry.components if pins(component)]
        used = await self._store.builds_in_use() if pinned else ()
        wanted = {use.build for use in used if use.build} - {component.digest for component in self.registry.components}
        known = {component.digest: component for component in self.registry.builds}
        builds: list[Component] = []
        for digest in sorted(wanted - self._useless):
            build = known.get(digest) or await self._earlier(digest, pinned)
            if build is not None:
                builds.append(build)
        if tuple(builds) != self.registry.builds:
            self.registry = replace(self.registry, builds=tuple(builds))
            self._keep()

    async def builds_in_use(self) -> Sequence[BuildUse]:
        """How many executions go on with which build: see `claims.BuildStore`."""
        return await self._store.builds_in_use()

    async def _earlier(self, digest: str, pinned: Sequence[Component]) -> Component | None:
        """An earlier build of one of the components `pinned`, prepared; None when it is none, or cannot be had."""
        try:
            binary = await self._binary(digest)
            description = await asyncio.to_thread(build_description, digest, binary, self._describe)
            exports = {str(interface.name) for interface in description.exports}
            owner = next((c for c in pinned if exports & {str(i.name) for i in c.description.exports}), None)
            if owner is not None:
                build = Component(name=owner.name, kind=owner.kind, settings=owner.settings, description=description)
                self._prepared[digest] = await asyncio.to_thread(
                    prepare, self._host, build, self.registry, binary, is_deployed=False
                )
                return build
        except (ComponentError, ImportRefused) as error:
            logger.warning("executions wait for the build %s, which cannot be loaded: %s", digest, error.message)
        self._useless.add(digest)
        return None

    async def build(self, digest: str) -> tuple[Component, Prepared]:
        """A workflow build that is deployed, or was. ComponentError, ImportRefused."""
        current = next((c for c in self.registry.components if c.digest == digest), None)
        if current is not None and digest in self._prepared:
            return current, self._prepared[digest]
        binary = await self._binary(digest)
        description = await asyncio.to_thread(build_description, digest, binary, self._describe)
        component = current or Component(
            name=digest, kind=ComponentKind.WORKFLOW, settings=ComponentSettings(), description=description
        )
        return component, await asyncio.to_thread(
            prepare, self._host, component, self.registry, binary, is_deployed=current is not None
        )

    async def _binary(self, digest: str) -> bytes:
        binary = await self._store.component_binary(digest)
        if binary is None:
            raise ComponentError(f"the store has no binary for {digest}", digest=digest)
        return binary

    async def add(self, name: str, content: bytes, settings: Mapping[str, object] | None) -> str:
        """Deploy one component, `again` if it is deployed (see `add_all`). It replaces an earlier one of that name,
        whose settings it keeps without `settings`; its digest."""
        (digest,) = await self.add_all((Source(name=name, content=content, settings=settings),), again=True)
        return digest

    async def add_all(self, sources: Sequence[Source], *, again: bool = False) -> tuple[str, ...]:
        """Deploy several components together; their digests.

        Unchanged ones cost nothing, unless they are to be deployed `again`: then each process that could not run one
        of them, or an earlier build that executions go on with, tries it again. ComponentError, ImportRefused when
        this process still cannot run it.
        """
        return await self._change(lambda: self._add_all(sources, again=again))

    async def _change(self, change: Callable[[], Coroutine[None, None, T]]) -> T:
        """Make a change to what is deployed by now, through whatever process; anew if one came in between."""
        async with self._changing:
            for _ in range(MAX_TRIES):
                await self._load()
                with contextlib.suppress(Conflict):
                    return await change()
        raise Conflict("other processes deploy at the same time, again and again: try again")

    async def _add_all(self, sources: Sequence[Source], *, again: bool) -> tuple[str, ...]:
        added = [await self._component(source) for source in sources]
        changed = [(c, binary) for c, binary in added if c != self.registry.component(c.name)]
        recorded = added if again else changed
        if recorded:
            retried = [(c, binary) for c, binary in recorded if c.name in self.registry.faults]
            tried = {c.name: (c, binary) for c, binary in (*changed, *retried)}
            registry = self._with({name: component for name, (component, _) in tried.items()})
            check(registry)
            outcomes = await self._prepare(registry, tuple(tried.values()))
            require_prepared(outcomes, tried.keys())
            # What is recorded anew has another time: other processes see by that to try it again.
            await self._write(recorded)
            self._switch(registry, outcomes)
            await self._load_builds()
        return tuple(component.digest for component, _ in added)

    async def _component(self, source: Source) -> tuple[Component, bytes]:
        current = self.registry.component(source.name)
        settings = None if current is None else current.settings
        return await asyncio.to_thread(component_of, source, settings, self._host.to_binary, self._describe)

    def _with(self, added: Mapping[str, Component]) -> Registry:
        """What is deployed, with other components under these names."""
        kept = (c for c in self.registry.components if c.name not in added)
        faults = {name: fault for name, fault in self.registry.faults.items() if name not in added}
        return Registry(tuple(sorted((*kept, *added.values()), key=lambda c: c.name)), faults=faults)

    async def remove(self, name: str, *, force: bool = False) -> str:
        """Take a component out of what is deployed; its digest. ComponentNotFound.

        ComponentInUse while executions of its functions have not finished (`force`: nothing runs them then), or while
        other components import what it exports, which `force` does not change.
        """
        return await self._change(lambda: self._remove(name, force=force))

    async def _remove(self, name: str, *, force: bool) -> str:
        unread = next((fault.stored for fault in self.registry.unread if fault.stored.name == name), None)
        if unread is not None and not force:
            detail = (
                f"{name} cannot be read, nor then whether executions need it: remove it by force, or deploy it anew"
            )
            raise ComponentInUse(detail, component=name)
        found = unread or self.find(name)
        others = tuple(c for c in self.registry.components if c is not found)
        faults = {other: fault for other, fault in self.registry.faults.items() if other != name}
        registry = Registry(others, faults=faults)
        try:
            check(registry)
        except ImportRefused as refused:
            imports = refused.fields["imports"]
            raise ComponentInUse(f"without {name}: {refused.message}", component=name, imports=imports) from None
        exported = () if force or isinstance(found, StoredComponent) else deployed(found)
        functions = tuple(function.ffqn for function in exported)
        is_open = await self._store.remove_component(name, needed_for=functions, onto=self._loaded)
        if is_open:
            count = "1 execution" if is_open == 1 else f"{is_open} executions"
            detail = f"{name} is needed: {count} of its functions not finished"
            raise ComponentInUse(detail, component=name, executions=is_open)
        self._loaded = tuple(one for one in self._loaded if one.name != name)
        self.registry = registry
        self._keep()
        return found.digest

    async def candidate(self, name: str, content: bytes) -> tuple[Component, Prepared | None, Registry]:
        """A build as it would be deployed under `name`, with the settings that are deployed, its code, if it has any,
        and the registry it would be part of; nothing is deployed. ComponentError, ImportRefused, ConfigError."""
        component, binary = await self._component(Source(name=name, content=content, settings=None))
        registry = self._with({name: component})
        check(registry)
        if component.kind in CODELESS:
            return component, None, registry
        return component, await asyncio.to_thread(prepare, self._host, component, registry, binary), registry

    def prepared(self, component: Component) -> Prepared | None:
        """The code of a deployed component; None of a stub."""
        return self._prepared.get(component.digest)

    def find(self, name: str) -> Component:
        """The deployed component of that name; ComponentNotFound."""
        component = self.registry.component(name)
        if component is None:
            raise ComponentNotFound(f"no component {name} is deployed", component=name)
        return component

    async def binary(self, name: str) -> bytes:
        """The binary of a deployed component; ComponentNotFound."""
        return await self._binary(self.find(name).digest)

    async def _write(self, components: Sequence[tuple[Component, bytes]]) -> None:
        """Record that they are deployed: all at once, onto what they were checked against. Conflict."""
        now_us = self._clock.now_us()
        stored = [(as_stored(component, now_us), binary) for component, binary in components]
        await self._store.put_components(stored, onto=self._loaded)
        kept = {one.name: one for one in self._loaded} | {one.name: one for one, _ in stored}
        self._loaded = tuple(kept[name] for name in sorted(kept))

    async def _prepare(
        self, registry: Registry, components: Sequence[tuple[Component, bytes]]
    ) -> dict[str, Prepared | Exception]:
        """Prepare `components` side by side, and once more what could not be run so far; by name, what came of it."""
        names = {component.name for component, _ in components}
        wanted = [(component, binary) for component, binary in components if component.kind not in CODELESS]
        for component in registry.components:
            if component.name in registry.faults and component.name not in names:
                wanted.append((component, await self._binary(component.digest)))
        outcomes = await asyncio.gather(*(self._prepare_one(registry, *pair) for pair in wanted))
        return {component.name: outcome for (component, _), outcome in zip(wanted, outcomes, strict=True)}

    async def _prepare_one(self, registry: Registry, component: Component, binary: bytes) -> Prepared | Exception:
        """A component prepared, or why it cannot be; not more at a time than there are processors."""
        async with self._turns:
            if self.preparing is not None:
                self.preparing = self.preparing.begun(component.name)
            try:
                return await asyncio.to_thread(prepare, self._host, component, registry, binary)
            except Exception as error:
                return error
            finally:
                if self.preparing is not None:
                    self.preparing = self.preparing.ended(component.name)

    def _switch(self, registry: Registry, outcomes: Mapping[str, Prepared | Exception]) -> None:
        """Make `registry` the current one; `outcomes` has the code, or the fault, of each component prepared for it."""
        faults = dict(registry.faults)
        for component in registry.components:
            outcome = outcomes.get(component.name)
            if isinstance(outcome, Exception):
                faults[component.name] = fault_of(as_stored(component, self._clock.now_us()), outcome)
            elif outcome is not None:
                faults.pop(component.name, None)
                self._prepared[component.digest] = outcome
        tell(self.registry.faults, faults)
        self._useless.clear()
        self.registry = Registry(registry.components, faults=faults)
        self._keep()

    def _keep(self) -> None:
        """Drop the code of builds that are not served any more, and tell `changed`."""
        served = (*self.registry.components, *self.registry.builds)
        self._prepared = {c.digest: self._prepared[c.digest] for c in served if c.digest in self._prepared}
        self._changed(self.registry, dict(self._prepared))
