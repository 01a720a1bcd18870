"""From the content of a file, or from what the store has, to a component as it is deployed, and back.

What is on record was right when it was deployed, but need not be now: a binary may be damaged, and a program that is
newer or older may offer something else. `stored_component` tells that by a `ComponentError`; it is the caller's to go
on without the component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from obelisk.codegen.model.names import InterfaceName
from obelisk.runtime.catalog.description import Description, infer_kind
from obelisk.runtime.catalog.linking import link
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.catalog.settings import CODELESS, ComponentKind, ComponentSettings
from obelisk.runtime.deployment.content import content_of, is_codeless
from obelisk.runtime.errors import ComponentError, ConfigError
from obelisk.runtime.ports.store import StoredComponent

_HANDLERS: Final = frozenset({"incoming-handler", "handler"})
"""Of `wasi:http`, in its 0.2 and 0.3."""


class Describe(Protocol):
    """Reads what a component says of itself: `description.describe`, or one that knows more forms of components."""

    def __call__(self, binary: bytes, *, stub: bool = False) -> Description:
        """See `description.describe`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A component to deploy: `content` is a binary or component text, `settings` a JSON-like mapping; None: those of
    the component that is deployed under that name, or the defaults."""

    name: str
    content: bytes
    settings: Mapping[str, object] | None


def component_of(
    source: Source,
    current: ComponentSettings | None,
    to_binary: Callable[[bytes], bytes],
    describe: Describe,
) -> tuple[Component, bytes]:
    """A component that is to be deployed, and its binary; `current`: the settings deployed under its name.

    ComponentError, ConfigError.
    """
    where = f"component.{source.name}"
    if source.settings is not None or current is None:
        settings = ComponentSettings.read(msgspec.json.encode(source.settings or {}), where)
    else:
        settings = current
    try:
        binary = content_of(source.content, settings.kind, to_binary)
        description = describe(binary, stub=is_codeless(settings.kind))
        if not is_codeless(settings.kind):
            _require_no_handler(description)
    except ComponentError as error:
        raise ComponentError(f"{where}: {error.message}", component=source.name) from None
    kind = ComponentKind(settings.kind) if settings.kind else infer_kind(description)
    return Component(name=source.name, kind=kind, settings=settings, description=description), binary


def _require_no_handler(description: Description) -> None:
    """Refuse what does nothing but wait for HTTP requests: deployed as an activity it would never get any.
    ComponentError."""
    handlers = [i.name for i in description.exports if _is_handler(i.name)]
    if handlers and len(handlers) == len(description.exports):
        raise ComponentError(
            f"all that it exports is {handlers[0]}, but no HTTP requests reach a component: export functions of your "
            "WIT, which have routes of their own, or serve it elsewhere and let it call this server's API"
        )


def _is_handler(name: InterfaceName) -> bool:
    return (name.package.namespace, name.package.name) == ("wasi", "http") and name.name in _HANDLERS


def stored_component(stored: StoredComponent, binary: bytes, describe: Describe) -> Component:
    """What the store has; ComponentError when it cannot be read."""
    kinds = {kind.value: kind for kind in ComponentKind}
    if stored.kind not in kinds:
        raise ComponentError(f"this program knows no component of the kind {stored.kind}", component=stored.name)
    kind = kinds[stored.kind]
    try:
        settings = ComponentSettings.read(stored.settings, f"component.{stored.name}", stored=True)
    except ConfigError as error:
        raise ComponentError(f"its settings cannot be read: {error.message}", component=stored.name) from None
    description = build_description(stored.digest, binary, describe, stub=kind in CODELESS)
    return Component(name=stored.name, kind=kind, settings=settings, description=description)


def build_description(digest: str, binary: bytes, describe: Describe, *, stub: bool = False) -> Description:
    """Describe a binary that the store has under `digest`. ComponentError, also when its digest is another one."""
    description = describe(binary, stub=stub)
    if description.digest != digest:
        raise ComponentError("its binary on record is damaged: it has another digest", digest=digest)
    return description


def as_stored(component: Component, at_us: int) -> StoredComponent:
    """The row of a component that is deployed now."""
    return StoredComponent(
        name=component.name,
        digest=component.digest,
        kind=component.kind.value,
        settings=msgspec.json.encode(component.settings).decode(),
        added_at_us=at_us,
    )


def is_stored(component: Component, stored: StoredComponent) -> bool:
    """Whether a loaded component is what the store has under its name."""
    return as_stored(component, stored.added_at_us) == stored


def check(registry: Registry) -> None:
    """Refuse a deployment in which two components export one interface or an import has no answer, but for imports of
    what cannot be run anyway. ComponentError, ImportRefused."""
    owners: dict[str, str] = {}
    for component in registry.components:
        for interface in component.description.exports:
            other = owners.setdefault(str(interface.name), component.name)
            if other != component.name:
                raise ComponentError(f"{interface.name} is exported by both {other} and {component.name}")
    for component in registry.components:
        if component.name not in registry.faults:
            link(component, registry)
