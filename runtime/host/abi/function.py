"""The ABI of one function: its parameters and result between canonical JSON form and component values.

A signature is compiled once per function (from `codegen.model`) and then only moves values. Who frees what: arguments
that the host lowers (`lower_args`) and results that it lifts (`lift_result`) are the host's to release; arguments of a
host call are wasmtime's, and so is a host call's result once `lower_result` has written it.

What a guest hands over has a bound in bytes of JSON, which is asked for with the guest's context for every value.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.types import Type
from obelisk.runtime.host.abi.crossing import AT_ONCE, SLICE, Crossing, Lengthy
from obelisk.runtime.host.abi.handles import GuestTypes, Resources
from obelisk.runtime.host.abi.lifting import Lift, LiftCompiler
from obelisk.runtime.host.abi.lowering import LowerCompiler, release
from obelisk.runtime.host.abi.lowering_slices import LowerSliceCompiler
from obelisk.runtime.host.abi.lowering_slices import Slices as LowerSlices
from obelisk.runtime.host.abi.scalars import Lower
from obelisk.runtime.host.abi.slicing import Lifting, SliceCompiler, Slices
from obelisk.runtime.host.errors import AbiError, UnfitAnswer
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.ports.guest import Bound, ExportFunction, ImportFunction, Judge


class LengthyArguments(Exception):
    """Some arguments of a host call are to be lifted in slices; those before them are `lifted`."""

    def __init__(self, lifted: list[JsonValue]) -> None:
        super().__init__("to be lifted in slices")
        self.lifted = lifted


class Lifter:
    """How values of a type are lifted: in one go, or in slices."""

    __slots__ = ("lift", "long", "slices", "spends")

    def __init__(self, type_: Type, compile_: SliceCompiler) -> None:
        facts = compile_.weights(type_)
        lift = compile_.lifts(type_)
        self.spends, self.long = facts.spends, facts.long
        self.lift: Lift = _opened(lift) if facts.handles and facts.spends else lift
        self.slices: Slices = compile_.part(type_)


def _opened(lift: Lift) -> Lift:
    """Lifts what has handles in it, which cannot be taken again, in one go."""

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        crossing.open()
        value = lift(image, at, crossing)
        crossing.refill()
        return value

    return apply


class Lowerer:
    """How values of a type are lowered: in one go, or in slices."""

    __slots__ = ("lower", "may_be_long", "slices")

    def __init__(self, type_: Type, compile_: LowerSliceCompiler) -> None:
        self.lower: Lower = compile_.lowers(type_)
        self.slices: LowerSlices = compile_(type_)
        facts = compile_.weights(type_)
        self.may_be_long = facts.spends or facts.long


class Abi:
    """Compiles signatures over one set of host resources; parts of types that functions share are compiled once.

    Exported functions may also pass the component's own resources, `guests`.
    """

    def __init__(self, resources: Resources, guests: GuestTypes | None = None) -> None:
        self._lift, self._lower = SliceCompiler(LiftCompiler(resources)), LowerSliceCompiler(LowerCompiler(resources))
        self._lift_out, self._lower_in = self._lift, self._lower
        if guests is not None:
            both = resources.with_guests(guests)
            self._lift_out, self._lower_in = SliceCompiler(LiftCompiler(both)), LowerSliceCompiler(LowerCompiler(both))

    def exported(self, export: ExportFunction) -> Exported:
        """The signature of a guest's function; `Unsupported` for types that cannot pass."""
        function = export.function
        result = None if function.result is None else Lifter(function.result, self._lift_out)
        lowerers = tuple(Lowerer(param.type, self._lower_in) for param in function.params)
        return Exported(function.name, lowerers, result, export.bound)

    def imported(self, offer: ImportFunction) -> Imported:
        """The signature of a host's function; `Unsupported` for types that cannot pass."""
        function = offer.function
        result = None if function.result is None else Lowerer(function.result, self._lower)
        lifters = tuple(Lifter(param.type, self._lift) for param in function.params)
        return Imported(function.name, lifters, result, offer.bound, offer.judge)


class Exported:
    """Calling into a guest: arguments are lowered, the result is lifted."""

    __slots__ = ("_bound", "_lifter", "_lowerers", "may_be_long", "name")

    def __init__(self, name: str, lowerers: tuple[Lowerer, ...], lifter: Lifter | None, bound: Bound) -> None:
        self.name, self._lowerers, self._lifter, self._bound = name, lowerers, lifter, bound
        self.may_be_long = any(lowerer.may_be_long for lowerer in lowerers)
        """Whether an argument may be one to be lowered in slices."""

    @property
    def result_count(self) -> int:
        """How many results the C side is to write: 0 or 1."""
        return 0 if self._lifter is None else 1

    def lower_args(self, args: Sequence[JsonValue], context: int) -> bytearray:
        """An array of component values, to be released by the caller; `AbiError` for wrong ones, with nothing kept."""
        if len(args) != len(self._lowerers):
            raise self._miscounted(args)
        image, at = bytearray(len(args) * native.VAL_SIZE), 0
        try:
            for lowerer, value in zip(self._lowerers, args, strict=True):
                lowerer.lower(value, image, at, context)
                at += native.VAL_SIZE
        except BaseException:
            release(image)
            raise
        return image

    def lower_slices(self, args: Sequence[JsonValue], context: int) -> Generator[None, None, bytearray]:
        """The same in slices."""
        if len(args) != len(self._lowerers):
            raise self._miscounted(args)
        image = bytearray(len(args) * native.VAL_SIZE)
        try:
            for index, (lowerer, value) in enumerate(zip(self._lowerers, args, strict=True)):
                yield from lowerer.slices(value, image, index * native.VAL_SIZE, context)
        except BaseException:
            release(image)
            raise
        return image

    def _miscounted(self, args: Sequence[JsonValue]) -> AbiError:
        return AbiError(f"{self.name} takes {len(self._lowerers)} arguments, {len(args)} were given")

    def lift_result(self, image: bytes, crossing: Crossing, guest: object, at_once: int = AT_ONCE) -> JsonValue:
        """The result in `image` (one component value, which stays to be released); None without a result.

        `guest` is its context. TooLarge; Lengthy when it weighs more than `at_once`: then it is for `lift_slices`.
        """
        lifter = self._lifter
        if lifter is None:
            return None
        if lifter.spends:
            crossing.begin("the result", self._bound(guest), at_once)
        return lifter.lift(image, 0, crossing)

    def lift_slices(self, image: bytes, crossing: Crossing, guest: object) -> Lifting:
        """The same in slices; TooLarge."""
        assert self._lifter is not None, "nothing is not lengthy"
        crossing.begin("the result", self._bound(guest), SLICE)
        return self._lifter.slices(image, 0, crossing)


class Imported:
    """Being called by a guest: arguments are lifted, the result is lowered."""

    __slots__ = ("_bound", "_lifters", "_lifts", "_lowerer", "_spends", "_what", "judge", "long", "name")

    def __init__(
        self, name: str, lifters: tuple[Lifter, ...], lowerer: Lowerer | None, bound: Bound, judge: Judge | None = None
    ) -> None:
        self.judge = judge
        self.name, self._lifters, self._lowerer, self._bound = name, lifters, lowerer, bound
        self._lifts = tuple((lifter.lift, index * native.VAL_SIZE) for index, lifter in enumerate(lifters))
        self._what = f"what {name} gets"
        self._spends = any(lifter.spends for lifter in lifters)
        self.long = any(lifter.long for lifter in lifters)
        """Whether its arguments may be long."""

    def lift_args(
        self, address: int, count: int, crossing: Crossing, guest: object, at_once: int = AT_ONCE
    ) -> list[JsonValue]:
        """The `count` component values at `address`; `AbiError` when they are not as declared.

        `guest` is its context. TooLarge; LengthyArguments when they weigh more than `at_once`: `lift_slices` goes on.
        """
        if count != len(self._lifts):
            raise AbiError(f"{self.name} takes {len(self._lifts)} arguments, the component gives {count}")
        values: list[JsonValue] = []
        if not count:
            return values
        image = native.bytes_at(address, count * native.VAL_SIZE)
        if not self._spends:
            for lift, at in self._lifts:
                values.append(lift(image, at, crossing))
            return values
        crossing.begin(self._what, self._bound(guest), at_once)
        try:
            for lift, at in self._lifts:
                values.append(lift(image, at, crossing))
        except Lengthy:
            raise LengthyArguments(values) from None
        return values

    def lift_slices(
        self, image: bytes, crossing: Crossing, guest: object, lifted: list[JsonValue]
    ) -> Generator[None, None, list[JsonValue]]:
        """All arguments, of which those in `lifted` are there, the rest in slices; TooLarge."""
        crossing.begin(self._what, self._bound(guest), SLICE)
        for index in range(len(lifted), len(self._lifters)):
            lifted.append((yield from self._lifters[index].slices(image, index * native.VAL_SIZE, crossing)))
        return lifted

    def lower_result(self, value: JsonValue, address: int, context: int) -> None:
        """Write `value` as the component value at `address`; `UnfitAnswer` when it is wrong, and nothing is written."""
        if self._lowerer is not None:
            image = bytearray(native.VAL_SIZE)
            try:
                self._lowerer.lower(value, image, 0, context)
            except AbiError as error:
                raise self._unfit(error) from None
            native.move(address, bytes(image), native.VAL_SIZE)
        elif value is not None:
            raise UnfitAnswer(f"{self.name} has no result, its handler gave one")

    def lower_slices(self, value: JsonValue, context: int) -> Generator[None, None, bytearray]:
        """The component value, in slices; `UnfitAnswer` when it is wrong."""
        if self._lowerer is None:
            raise UnfitAnswer(f"{self.name} has no result, its handler gave one")
        image = bytearray(native.VAL_SIZE)
        try:
            yield from self._lowerer.slices(value, image, 0, context)
        except AbiError as error:
            raise self._unfit(error) from None
        return image

    def _unfit(self, error: AbiError) -> UnfitAnswer:
        return UnfitAnswer(f"{self.name}: {error.message}", **error.fields)
