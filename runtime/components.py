"""Deploying components: from a file's bytes to a new registry snapshot, or a refusal with nothing written.

A set of components is deployed together, so that a workflow may come before the activities it calls. Every import of
every component must be answered by the resulting deployment (`linking`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from obelisk.runtime.errors import ComponentError
from obelisk.runtime.linking import link
from obelisk.runtime.ports import Clock, Compiler, Store, StoredComponent
from obelisk.runtime.registry import Component, ComponentKind, ComponentSettings, Registry, describe, infer_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A component to deploy: `content` is a binary or component text, `settings` a JSON-like mapping."""

    name: str
    content: bytes
    settings: Mapping[str, object]


class Deployment:
    """Holds the current `registry` and changes it. One event loop uses it."""

    def __init__(self, *, store: Store, compiler: Compiler, clock: Clock) -> None:
        self._store = store
        self._compiler = compiler
        self._clock = clock
        self.registry = Registry()

    async def load(self) -> None:
        """Read what is deployed from the store."""
        components: list[Component] = []
        for stored in await self._store.components():
            binary = await self.binary(stored.digest)
            settings = ComponentSettings.read(stored.settings, f"component.{stored.name}")
            description = await asyncio.to_thread(describe, binary)
            kind = ComponentKind(stored.kind)
            components.append(Component(name=stored.name, kind=kind, settings=settings, description=description))
        self.registry = Registry(tuple(components))

    async def binary(self, digest: str) -> bytes:
        """The binary of a deployed component; ComponentError when the store has lost it."""
        binary = await self._store.component_binary(digest)
        if binary is None:
            raise ComponentError(f"the store has no binary for {digest}", digest=digest)
        return binary

    async def add(self, name: str, content: bytes, settings: Mapping[str, object]) -> str:
        """Deploy one component, replacing an earlier one of that name; its digest."""
        (digest,) = await self.add_all((Source(name=name, content=content, settings=settings),))
        return digest

    async def add_all(self, sources: Sequence[Source]) -> tuple[str, ...]:
        """Deploy several components together; their digests. Unchanged ones cost nothing."""
        added: list[tuple[Component, bytes]] = []
        for source in sources:
            added.append(await asyncio.to_thread(self._read, source))
        names = {component.name for component, _ in added}
        kept = tuple(c for c in self.registry.components if c.name not in names)
        registry = Registry((*kept, *(component for component, _ in added)))
        check(registry)
        for component, binary in added:
            if component == self.registry.component(component.name):
                continue
            await asyncio.to_thread(self._compiler.prepare, component.name, binary)
            await self._store.put_component(
                StoredComponent(
                    name=component.name,
                    digest=component.digest,
                    kind=component.kind.value,
                    settings=msgspec.json.encode(component.settings).decode(),
                    added_at_us=self._clock.now_us(),
                ),
                binary,
            )
        self.registry = registry
        return tuple(component.digest for component, _ in added)

    def _read(self, source: Source) -> tuple[Component, bytes]:
        where = f"component.{source.name}"
        settings = ComponentSettings.read(msgspec.json.encode(source.settings), where)
        try:
            binary = self._compiler.to_binary(source.content)
            description = describe(binary)
        except ComponentError as error:
            raise ComponentError(f"{where}: {error.message}", component=source.name) from None
        kind = ComponentKind(settings.kind) if settings.kind else infer_kind(description)
        component = Component(name=source.name, kind=kind, settings=settings, description=description)
        return component, binary


def check(registry: Registry) -> None:
    """Refuse a deployment in which two components export one function or an import has no answer.

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
