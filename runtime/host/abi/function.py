"""The ABI of one function: its parameters and result between canonical JSON form and component values.

A signature is compiled once per function (from `codegen.model`) and then only moves values. Who frees what: arguments
that the host lowers (`lower_args`) and results that it lifts (`lift_result`) are the host's to release; arguments of a
host call are wasmtime's, and so is a host call's result once `lower_result` has written it.
"""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.codegen.model.items import Function
from obelisk.codegen.model.json_form import JsonValue
from obelisk.runtime.host.abi.handles import GuestTypes, Resources
from obelisk.runtime.host.abi.lifting import Lift, LiftCompiler
from obelisk.runtime.host.abi.lowering import LowerCompiler, release
from obelisk.runtime.host.abi.scalars import Lower
from obelisk.runtime.host.errors import AbiError, UnfitAnswer
from obelisk.runtime.host.wasmtime import native


class Abi:
    """Compiles signatures over one set of host resources; parts of types that functions share are compiled once.

    Exported functions may also pass the component's own resources, `guests`.
    """

    def __init__(self, resources: Resources, guests: GuestTypes | None = None) -> None:
        self._lift, self._lower = LiftCompiler(resources), LowerCompiler(resources)
        self._lift_out, self._lower_in = self._lift, self._lower
        if guests is not None:
            both = resources.with_guests(guests)
            self._lift_out, self._lower_in = LiftCompiler(both), LowerCompiler(both)

    def exported(self, function: Function) -> Exported:
        """The signature of a guest's function; `Unsupported` for types that cannot pass."""
        result = None if function.result is None else self._lift_out(function.result)
        return Exported(function.name, tuple(self._lower_in(param.type) for param in function.params), result)

    def imported(self, function: Function) -> Imported:
        """The signature of a host's function; `Unsupported` for types that cannot pass."""
        result = None if function.result is None else self._lower(function.result)
        return Imported(function.name, tuple(self._lift(param.type) for param in function.params), result)


class Exported:
    """Calling into a guest: arguments are lowered, the result is lifted."""

    __slots__ = ("_lift", "_lowers", "name")

    def __init__(self, name: str, lowers: tuple[Lower, ...], lift: Lift | None) -> None:
        self.name, self._lowers, self._lift = name, lowers, lift

    @property
    def result_count(self) -> int:
        """How many results the C side is to write: 0 or 1."""
        return 0 if self._lift is None else 1

    def lower_args(self, args: Sequence[JsonValue], context: int) -> bytearray:
        """An array of component values, to be released by the caller; `AbiError` for wrong ones, with nothing kept."""
        if len(args) != len(self._lowers):
            raise AbiError(f"{self.name} takes {len(self._lowers)} arguments, {len(args)} were given")
        image = bytearray(len(args) * native.VAL_SIZE)
        at = 0
        try:
            for lower, value in zip(self._lowers, args, strict=True):
                lower(value, image, at, context)
                at += native.VAL_SIZE
        except BaseException:
            release(image)
            raise
        return image

    def lift_result(self, image: bytes, context: int) -> JsonValue:
        """The result in `image` (one component value, which stays to be released); None without a result."""
        return None if self._lift is None else self._lift(image, 0, context)


class Imported:
    """Being called by a guest: arguments are lifted, the result is lowered."""

    __slots__ = ("_lifts", "_lower", "name")

    def __init__(self, name: str, lifts: tuple[Lift, ...], lower: Lower | None) -> None:
        self.name, self._lower = name, lower
        self._lifts = tuple((lift, index * native.VAL_SIZE) for index, lift in enumerate(lifts))

    def lift_args(self, address: int, count: int, context: int) -> list[JsonValue]:
        """The `count` component values at `address`; `AbiError` when they are not as declared."""
        if count != len(self._lifts):
            raise AbiError(f"{self.name} takes {len(self._lifts)} arguments, the component gives {count}")
        if not count:
            return []
        image = native.bytes_at(address, count * native.VAL_SIZE)
        return [lift(image, at, context) for lift, at in self._lifts]

    def lower_result(self, value: JsonValue, address: int, context: int) -> None:
        """Write `value` as the component value at `address`; `UnfitAnswer` when it is wrong, and nothing is written."""
        if self._lower is not None:
            image = bytearray(native.VAL_SIZE)
            try:
                self._lower(value, image, 0, context)
            except AbiError as error:
                raise UnfitAnswer(f"{self.name}: {error.message}", **error.fields) from None
            native.move(address, bytes(image), native.VAL_SIZE)
        elif value is not None:
            raise UnfitAnswer(f"{self.name} has no result, its handler gave one")
