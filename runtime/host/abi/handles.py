"""Handles of host resources: which resource types the host defines, and the way from a handle to its `rep` and back.

A host resource is an integer (`rep`, u32) that the host chose. Giving ``own<R>`` to a guest puts the rep into the
store's table; taking any handle from a guest takes it out again, which releases a borrow (each must be released exactly
once, else the guest traps when the call returns) and hands an owned resource back to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from obelisk.codegen.model.names import InterfaceName, compatibility_track
from obelisk.codegen.model.types import TypeDef, definition
from obelisk.runtime.errors import Unsupported
from obelisk.runtime.host.errors import AbiError, mismatch
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.ports.guest import OutOfHandles

_REP_MAX: Final = (1 << 32) - 1


def is_compatible(offered: str, wanted: str) -> bool:
    """Whether an interface offered under one name serves an import of another: the same, or a compatible version."""
    if offered == wanted:
        return True
    try:
        left, right = InterfaceName.parse(offered), InterfaceName.parse(wanted)
    except ValueError:
        return False
    (a, b) = (left.package, right.package)
    same = (a.namespace, a.name, left.name) == (b.namespace, b.name, right.name)
    return same and bool(a.version and b.version) and compatibility_track(a.version) == compatibility_track(b.version)


class Holder(Protocol):
    """An instance whose own resources are held from outside: see `lasting.LastingInstance`."""

    def adopt(self, address: int, resource: TypeDef) -> int:
        """The number of a resource that the guest gives away, from its handle (which is copied)."""
        ...

    def handle(self, number: object, resource: TypeDef, *, owned: bool) -> int:
        """A new handle for the resource of a number, to be given or lent to the guest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestTypes:
    """Resource types that a component itself implements, and who holds such resources, by a store's context."""

    types: Collection[TypeDef]
    holder: Callable[[int], Holder]


class Resources:
    """The host's resource types by ``(interface, name)``; each has a number that wasmtime tells them apart by.

    `guests` are those of the component's own; the host holds none without.
    """

    def __init__(self, resources: Iterable[tuple[str, str]] = (), guests: GuestTypes | None = None) -> None:
        self._ids = {key: number for number, key in enumerate(resources, start=1)}
        self._guests = guests

    def with_guests(self, guests: GuestTypes | None) -> Resources:
        """The same types of the host, and these of the component's own."""
        return Resources(self._ids, guests)

    def holder(self, resource: TypeDef) -> Callable[[int], Holder] | None:
        """Who holds resources of this type, by a store's context, if it is one of the component's own."""
        if self._guests is None or definition(resource) not in self._guests.types:
            return None
        return self._guests.holder

    def number(self, interface: str, name: str) -> int | None:
        """The number of the resource type `name` of `interface`, or None when the host has no such type."""
        for (owner, resource), number in self._ids.items():
            if resource == name and is_compatible(owner, interface):
                return number
        return None

    def type_id(self, resource: TypeDef) -> int:
        """As `number`, from a handle's type; `Unsupported` when the host does not define it (a guest does)."""
        declared = definition(resource)
        number = self.number(str(declared.owner), declared.name)
        if number is None:
            raise Unsupported(f"handles of {declared.owner}.{declared.name}: the host defines no such resource")
        return number

    def take(self, context: int, handle: int, type_id: int) -> int:
        """The rep behind a guest's handle, which is released; `AbiError` when it is of another type."""
        out = native.Pair()
        error = native.handle_to_resource(context, handle, out)
        if error:
            raise AbiError(f"not a handle of the host: {native.take_error(error)}")
        try:
            if native.resource_type(out[0]) != type_id:
                raise AbiError("the component gave a handle of another resource type")
            return native.resource_rep(out[0])
        finally:
            native.resource_delete(out[0])

    def give(self, context: int, rep: object, type_id: int, *, owned: bool) -> int:
        """The address of a new handle for `rep`; `AbiError` when it is no u32, OutOfHandles when the store's table is
        full."""
        if type(rep) is not int or not 0 <= rep <= _REP_MAX:
            raise mismatch("a resource's rep (u32)", rep)
        resource, out = native.resource_new(owned, rep, type_id), native.Pair()
        try:
            error = native.resource_to_handle(context, resource, out)
            if error:
                raise OutOfHandles(f"no handle can be made: {native.take_error(error)}")
            return int(out[0])
        finally:
            native.resource_delete(resource)
