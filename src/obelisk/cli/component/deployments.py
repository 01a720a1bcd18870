"""What is deployed, and changes to it: in the database of a configuration, or on a server that runs.

Both are one and the same to commands (`Deployments`). Working on the database is safe while a server runs, which
picks the change up within a few seconds; what it is told itself it serves at once.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final, Protocol, TypeVar

import msgspec

from obelisk.cli.connection.client import Client, checked, component_path
from obelisk.cli.progress import ProgressLine
from obelisk.gateway.views import components as component_views
from obelisk.gateway.views import describe
from obelisk.runtime.catalog.description import Description
from obelisk.runtime.catalog.description import describe as describe_binary
from obelisk.runtime.catalog.linking import extended, is_extension
from obelisk.runtime.deployment.content import content_of, is_codeless
from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.errors import ComponentError, ComponentNotFound
from obelisk.runtime.host.component import to_binary
from obelisk.runtime.usecases.api import Api
from obelisk.runtime.wiring.bootstrap import open_runtime, open_store
from obelisk.runtime.wiring.config import Config

T = TypeVar("T")
_COMPILING_S: Final = 600.0
CHECKED, CHECK_S, CHECK_ALL_S = 50, 2.0, 600.0
"""How many executions are replayed after a deployment, for how long, and for how long when nothing is deployed."""


class Deployments(Protocol):
    """See the module's text."""

    @property
    def place(self) -> str:
        """What it is, for messages."""
        ...

    @property
    def configured(self) -> frozenset[str]:
        """The components that the configuration deploys again at the next start; none of a server's is known."""
        ...

    def add(self, sources: Sequence[Source], progress: ProgressLine) -> list[component_views.ComponentView]:
        """Deploy components, each answering what others import. ComponentError, ImportRefused, ConfigError."""
        ...

    def check(self, source: Source, limit: int, progress: ProgressLine) -> component_views.BuildCheck:
        """Which executions in flight a build fits that would replace one. ComponentError, ImportRefused."""
        ...

    def held(self, digest: str) -> bytes | None:
        """A binary of that digest that is there already, deployed or not; None when it has to be brought."""
        ...

    def all(self) -> list[component_views.ComponentView]:
        """All components."""
        ...

    def wit(self, name: str) -> str:
        """The WIT of one; ComponentNotFound."""
        ...

    def remove(self, name: str, *, force: bool) -> component_views.RemovedComponent:
        """Take one out; ComponentNotFound, ComponentInUse."""
        ...


class OnDatabase:
    """The database of a configuration, whether a server runs on it or not. All components are deployed or none."""

    def __init__(self, config: Config) -> None:
        self._config = dataclasses.replace(config, components=())
        self.configured = frozenset(component.name for component in config.components)

    @property
    def place(self) -> str:
        """The database file."""
        return str(self._config.database)

    def add(self, sources: Sequence[Source], progress: ProgressLine) -> list[component_views.ComponentView]:
        """See `Deployments.add`."""

        async def work(api: Api) -> list[component_views.ComponentView]:
            with progress.during(f"compiling {', '.join(source.name for source in sources)}"):
                await api.deployment.add_all(sources, again=True)
            used = await api.deployment.builds_in_use()
            shown: list[component_views.ComponentView] = []
            for source in sources:
                found = await api.checking.deployed(source.name, limit=CHECKED, max_s=CHECK_S)
                shown.append(component_views.component(api.deployment.find(source.name), api.registry, used, found))
            return shown

        return self._run(work)

    def check(self, source: Source, limit: int, progress: ProgressLine) -> component_views.BuildCheck:
        """See `Deployments.check`."""

        async def work(api: Api) -> component_views.BuildCheck:
            with progress.during(f"replaying with {source.name}"):
                found = await api.checking.build(source.name, source.content, limit=limit, max_s=CHECK_ALL_S)
            return component_views.build_check(found)

        return self._run(work)

    def held(self, digest: str) -> bytes | None:
        """See `Deployments.held`."""
        if not self._config.database.exists():
            return None

        async def read() -> bytes | None:
            store = open_store(self._config)
            try:
                return await store.component_binary(digest)
            finally:
                await store.close()

        return asyncio.run(read())

    def all(self) -> list[component_views.ComponentView]:
        """See `Deployments.all`."""
        if not self._config.database.exists():
            return []

        async def work(api: Api) -> list[component_views.ComponentView]:
            used = await api.deployment.builds_in_use()
            return component_views.components(api.registry, used)

        return self._run(work)

    def wit(self, name: str) -> str:
        """See `Deployments.wit`."""

        async def work(api: Api) -> str:
            return describe.wit_of(await api.deployment.binary(name))

        return self._run(work)

    def remove(self, name: str, *, force: bool) -> component_views.RemovedComponent:
        """See `Deployments.remove`."""

        async def work(api: Api) -> component_views.RemovedComponent:
            return component_views.RemovedComponent(name=name, digest=await api.remove_component(name, force=force))

        return self._run(work)

    def _run(self, work: Callable[[Api], Awaitable[T]]) -> T:
        async def run() -> T:
            async with open_runtime(self._config, execute=False) as runtime:
                return await work(runtime.api)

        return asyncio.run(run())


class OnServer:
    """A running server. Components are deployed one after the other, what others import first."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.configured = frozenset[str]()

    @property
    def place(self) -> str:
        """The server's address."""
        return self._client.name

    def add(self, sources: Sequence[Source], progress: ProgressLine) -> list[component_views.ComponentView]:
        """See `Deployments.add`."""
        return [self._add(source, progress) for source in in_order(sources)]

    def _add(self, source: Source, progress: ProgressLine) -> component_views.ComponentView:
        query = {"settings": msgspec.json.encode(source.settings or {}).decode()}
        with progress.during(f"the server compiles {source.name}"):
            answer = self._client.put_bytes(component_path(source.name), source.content, query, timeout_s=_COMPILING_S)
        return msgspec.convert(checked(answer), component_views.ComponentView)

    def check(self, source: Source, limit: int, progress: ProgressLine) -> component_views.BuildCheck:
        """See `Deployments.check`."""
        path, headers = f"{component_path(source.name)}/check", {"Content-Type": "application/octet-stream"}
        with progress.during(f"the server replays with {source.name}"):
            answer = self._client.post(path, source.content, headers, query={"limit": limit}, timeout_s=_COMPILING_S)
        return msgspec.convert(checked(answer), component_views.BuildCheck)

    def held(self, digest: str) -> bytes | None:
        """None: a server is sent what it is to deploy, so it has to be here."""
        return None

    def all(self) -> list[component_views.ComponentView]:
        """See `Deployments.all`."""
        return msgspec.convert(
            checked(self._client.get("/v1/components"))["items"], list[component_views.ComponentView]
        )

    def wit(self, name: str) -> str:
        """See `Deployments.wit`."""
        return str(checked(self._client.text(f"{component_path(name)}/wit")))

    def remove(self, name: str, *, force: bool) -> component_views.RemovedComponent:
        """See `Deployments.remove`."""
        path = f"{component_path(name)}/remove" + ("?force=true" if force else "")
        return msgspec.convert(checked(self._client.post(path, b"", {})), component_views.RemovedComponent)


def find(deployments: Deployments, name: str) -> component_views.ComponentView:
    """The deployed component of that name; ComponentNotFound."""
    found = next((component for component in deployments.all() if component.name == name), None)
    if found is None:
        raise ComponentNotFound(f"no component {name} is deployed in {deployments.place}", component=name)
    return found


def in_order(sources: Sequence[Source]) -> Sequence[Source]:
    """Components so that each comes after those that export what it imports. ComponentError for what is none."""
    described = {source.name: _described(source) for source in sources}
    owners = {str(interface.name): name for name, found in described.items() for interface in found.exports}
    needs: Mapping[str, set[str]] = {
        name: {owners[needed] for needed in _needed(found) if needed in owners} - {name}
        for name, found in described.items()
    }
    try:
        names = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " and ".join(sorted(set(error.args[1])))
        raise ComponentError(f"{circle} import each other: deploy them on the database, together") from None
    by_name = {source.name: source for source in sources}
    return [by_name[name] for name in names]


def _described(source: Source) -> Description:
    try:
        kind = str((source.settings or {}).get("kind", ""))
        return describe_binary(content_of(source.content, kind, to_binary), stub=is_codeless(kind))
    except ComponentError as error:
        raise ComponentError(f"component.{source.name}: {error.message}", component=source.name) from None


def _needed(described: Description) -> Sequence[str]:
    """The interfaces a component needs of others, through generated extensions too."""
    names = [interface.name for interface in described.imports]
    return [str(extended(name)[0] if is_extension(name) else name) for name in names]
