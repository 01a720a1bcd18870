"""Deploying components: from a file's bytes to a new registry snapshot, or a refusal with nothing written.

A set of components is deployed together, so that a workflow may come before the activities it calls. Every import of
every component must be answered by the resulting deployment (`linking`). It is recorded in one transaction, and only
onto the deployment it was checked against: what is on record always fits together, whatever dies or deploys meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from obelisk.runtime.catalog.description import describe, infer_kind
from obelisk.runtime.catalog.eligibility import pins
from obelisk.runtime.catalog.linking import link
from obelisk.runtime.catalog.registry import Component, Registry, deployed
from obelisk.runtime.catalog.settings import CODELESS, ComponentKind, ComponentSettings
from obelisk.runtime.deployment.content import content_of, is_codeless
from obelisk.runtime.deployment.preparing import prepare
from obelisk.runtime.errors import ComponentError, ComponentInUse, ComponentNotFound, Conflict, ImportRefused
from obelisk.runtime.ports.claims import BuildUse
from obelisk.runtime.ports.guest import Host, Prepared
from obelisk.runtime.ports.store import Clock, Store, StoredComponent

T = TypeVar("T")
MAX_TRIES = 10
"""So often a change is checked and recorded anew when others change what is deployed meanwhile."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A component to deploy: `content` is a binary or component text, `settings` a JSON-like mapping; None: those of
    the component that is deployed under that name, or the defaults."""

    name: str
    content: bytes
    settings: Mapping[str, object] | None


class Deployment:
    """Holds the current `registry` and the prepared components, by digest. One event loop uses it.

    `changed(registry, prepared)` is called after every change.
    """

    def __init__(
        self,
        *,
        store: Store,
        host: Host,
        clock: Clock,
        changed: Callable[[Registry, dict[str, Prepared]], None],
    ) -> None:
        self._store = store
        self._host = host
        self._clock = clock
        self._changed = changed
        self._prepared: dict[str, Prepared] = {}
        self._loaded: tuple[StoredComponent, ...] = ()
        self._useless = set[str]()  # builds that are none of a pinned component as it is deployed now
        # One change at a time: each is checked against the registry that the one before it left.
        self._changing = asyncio.Lock()
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
        components: list[Component] = []
        fresh: list[tuple[Component, bytes]] = []
        for one in stored:
            known = self.registry.component(one.name)
            if known is None or not _is_stored(known, one):
                binary = await self._binary(one.digest)
                known = await asyncio.to_thread(_component, one, binary)
                fresh.append((known, binary))
            components.append(known)
        if tuple(components) != self.registry.components:
            await self._switch(Registry(tuple(components)), fresh)
        self._loaded = stored
        await self._load_builds()

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
            self.registry = Registry(self.registry.components, tuple(builds))
            self._changed(self.registry, dict(self._prepared))

    async def builds_in_use(self) -> Sequence[BuildUse]:
        """How many executions go on with which build: see `claims.BuildStore`."""
        return await self._store.builds_in_use()

    async def _earlier(self, digest: str, pinned: Sequence[Component]) -> Component | None:
        """An earlier build of one of the components `pinned`, prepared; None when it is none, or cannot be had."""
        try:
            binary = await self._binary(digest)
            description = await asyncio.to_thread(describe, binary)
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
        description = await asyncio.to_thread(describe, binary)
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
        """Deploy one component, replacing an earlier one of that name, whose settings it keeps without `settings`; its
        digest."""
        (digest,) = await self.add_all((Source(name=name, content=content, settings=settings),))
        return digest

    async def add_all(self, sources: Sequence[Source]) -> tuple[str, ...]:
        """Deploy several components together; their digests. Unchanged ones cost nothing."""
        return await self._change(lambda: self._add_all(sources))

    async def _change(self, change: Callable[[], Coroutine[None, None, T]]) -> T:
        """Make a change to what is deployed by now, through whatever process; anew if one came in between."""
        async with self._changing:
            for _ in range(MAX_TRIES):
                await self._load()
                with contextlib.suppress(Conflict):
                    return await change()
        raise Conflict("other processes deploy at the same time, again and again: try again")

    async def _add_all(self, sources: Sequence[Source]) -> tuple[str, ...]:
        added = [await asyncio.to_thread(self._read, source) for source in sources]
        changed = tuple((c, binary) for c, binary in added if c != self.registry.component(c.name))
        if changed:
            names = {component.name for component, _ in added}
            kept = tuple(c for c in self.registry.components if c.name not in names)
            registry = Registry(tuple(sorted((*kept, *(c for c, _ in added)), key=lambda c: c.name)))
            check(registry)
            await self._switch(registry, changed, before=lambda: self._write(changed))
            await self._load_builds()
        return tuple(component.digest for component, _ in added)

    async def remove(self, name: str, *, force: bool = False) -> str:
        """Take a component out of what is deployed; its digest. ComponentNotFound.

        ComponentInUse while executions of its functions have not finished (`force`: nothing runs them then), or while
        other components import what it exports, which `force` does not change.
        """
        return await self._change(lambda: self._remove(name, force=force))

    async def _remove(self, name: str, *, force: bool) -> str:
        component = self.find(name)
        registry = Registry(tuple(c for c in self.registry.components if c is not component))
        try:
            check(registry)
        except ImportRefused as refused:
            imports = refused.fields["imports"]
            raise ComponentInUse(f"without {name}: {refused.message}", component=name, imports=imports) from None
        functions = () if force else tuple(function.ffqn for function in deployed(component))
        is_open = await self._store.remove_component(name, needed_for=functions, onto=self._loaded)
        if is_open:
            count = "1 execution" if is_open == 1 else f"{is_open} executions"
            detail = f"{name} is needed: {count} of its functions not finished"
            raise ComponentInUse(detail, component=name, executions=is_open)
        self._loaded = tuple(one for one in self._loaded if one.name != name)
        self.registry = registry
        self._changed(registry, dict(self._prepared))
        return component.digest

    async def candidate(self, name: str, content: bytes) -> tuple[Component, Prepared | None, Registry]:
        """A build as it would be deployed under `name`, with the settings that are deployed, its code, if it has any,
        and the registry it would be part of; nothing is deployed. ComponentError, ImportRefused, ConfigError."""
        source = Source(name=name, content=content, settings=None)
        component, binary = await asyncio.to_thread(self._read, source)
        others = (c for c in self.registry.components if c.name != name)
        registry = Registry(tuple(sorted((*others, component), key=lambda c: c.name)))
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
        stored = [(_stored(component, now_us), binary) for component, binary in components]
        await self._store.put_components(stored, onto=self._loaded)
        kept = {one.name: one for one in self._loaded} | {one.name: one for one, _ in stored}
        self._loaded = tuple(kept[name] for name in sorted(kept))

    async def _switch(
        self,
        registry: Registry,
        components: Sequence[tuple[Component, bytes]],
        before: Callable[[], Coroutine[None, None, None]] | None = None,
    ) -> None:
        """Prepare `components` side by side, run `before`, then make `registry` the current one."""
        wanted = [(component, binary) for component, binary in components if component.kind not in CODELESS]
        turns = asyncio.Semaphore(max(os.cpu_count() or 1, 2))

        async def one(component: Component, binary: bytes) -> Prepared:
            async with turns:
                return await asyncio.to_thread(prepare, self._host, component, registry, binary)

        outcomes = await asyncio.gather(*(one(*pair) for pair in wanted), return_exceptions=True)
        prepared: dict[str, Prepared] = {}
        for (component, _), outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, ComponentError | ImportRefused):
                message = f"component.{component.name}: {outcome.message}"
                raise type(outcome)(message, **{**outcome.fields, "component": component.name}) from None
            if isinstance(outcome, BaseException):
                raise outcome
            prepared[component.digest] = outcome
        if before is not None:
            await before()
        self._prepared.update(prepared)
        self._useless.clear()
        self.registry = registry
        self._changed(registry, dict(self._prepared))

    def _read(self, source: Source) -> tuple[Component, bytes]:
        where = f"component.{source.name}"
        current = self.registry.component(source.name)
        if source.settings is not None or current is None:
            settings = ComponentSettings.read(msgspec.json.encode(source.settings or {}), where)
        else:
            settings = current.settings
        try:
            binary = content_of(source.content, settings.kind, self._host.to_binary)
            description = describe(binary, stub=is_codeless(settings.kind))
        except ComponentError as error:
            raise ComponentError(f"{where}: {error.message}", component=source.name) from None
        kind = ComponentKind(settings.kind) if settings.kind else infer_kind(description)
        return Component(name=source.name, kind=kind, settings=settings, description=description), binary


def _stored(component: Component, at_us: int) -> StoredComponent:
    return StoredComponent(
        name=component.name,
        digest=component.digest,
        kind=component.kind.value,
        settings=msgspec.json.encode(component.settings).decode(),
        added_at_us=at_us,
    )


def _is_stored(component: Component, stored: StoredComponent) -> bool:
    """Whether a loaded component is what the store has under its name."""
    settings = msgspec.json.encode(component.settings).decode()
    return (component.digest, component.kind.value, settings) == (stored.digest, stored.kind, stored.settings)


def _component(stored: StoredComponent, binary: bytes) -> Component:
    settings = ComponentSettings.read(stored.settings, f"component.{stored.name}", stored=True)
    kind = ComponentKind(stored.kind)
    description = describe(binary, stub=kind in CODELESS)
    return Component(name=stored.name, kind=kind, settings=settings, description=description)


def check(registry: Registry) -> None:
    """Refuse a deployment in which two components export one interface or an import has no answer.

    ComponentError, ImportRefused.
    """
    owners: dict[str, str] = {}
    for component in registry.components:
        for interface in component.description.exports:
            other = owners.setdefault(str(interface.name), component.name)
            if other != component.name:
                raise ComponentError(f"{interface.name} is exported by both {other} and {component.name}")
    for component in registry.components:
        link(component, registry)
