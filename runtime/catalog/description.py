"""What the bytes of a component say of it: its digest, its interfaces, its kind.

The one module of the runtime that reads component binaries (`codegen.binary`). Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from obelisk.codegen.binary.decoder import Decoded, decode
from obelisk.codegen.model.items import Function, Interface, World, WorldInterface
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.catalog.wit_text import exports, is_wit
from obelisk.runtime.errors import ComponentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a binary says of itself: the interfaces it exports and imports, and imports without a ``ns:pkg/`` name."""

    digest: str
    exports: tuple[Interface, ...]
    imports: tuple[Interface, ...]
    plain_imports: tuple[str, ...]


def digest_of(binary: bytes) -> str:
    """``sha256:…`` of a component binary."""
    return f"sha256:{hashlib.sha256(binary).hexdigest()}"


def describe(binary: bytes, *, stub: bool = False) -> Description:
    """Read a component binary's interface; ComponentError says what is wrong and at which byte.

    `stub`: it has no code that is run. Then a WIT package, as `wit_text.canonical` has it or in binary form, will do
    as well; it exports the interfaces that it declares.
    """
    if stub and is_wit(binary):
        return Description(digest=digest_of(binary), exports=exports(binary), imports=(), plain_imports=())
    decoded = decode(binary)
    if stub and decoded.world is None and decoded.resolution is not None:
        packages = (decoded.resolution.package(name) for name in decoded.resolution.main)
        interfaces = tuple(i for package in packages if package is not None for i in package.interfaces)
        return Description(digest=digest_of(binary), exports=interfaces, imports=(), plain_imports=())
    world = _world(decoded)
    return Description(
        digest=digest_of(binary),
        exports=tuple(
            i.interface for i in world.exports if isinstance(i, WorldInterface) and not i.interface.inline_name
        ),
        imports=tuple(
            i.interface for i in world.imports if isinstance(i, WorldInterface) and not i.interface.inline_name
        ),
        plain_imports=tuple(
            i.interface.inline_name if isinstance(i, WorldInterface) else i.name
            for i in world.imports
            if isinstance(i, Function) or (isinstance(i, WorldInterface) and i.interface.inline_name)
        ),
    )


def world_of(binary: bytes) -> World:
    """All that a component imports and exports; ComponentError as `describe`."""
    return _world(decode(binary))


def _world(decoded: Decoded) -> World:
    if decoded.world is None or decoded.problems:
        problem = decoded.problems[0] if decoded.problems else None
        raise ComponentError(f"not a component: {problem}" if problem else "not a component: it has no world")
    return decoded.world


def infer_kind(description: Description) -> ComponentKind:
    """A component that imports anything but WASI, logs and plain types orchestrates others: a workflow."""
    for interface in description.imports:
        name = interface.name
        if name.package.namespace == "wasi" or not interface.functions:
            continue
        if name.package.namespace == "obelisk" and name.package.name != "workflow":
            continue
        return ComponentKind.WORKFLOW
    return ComponentKind.ACTIVITY
