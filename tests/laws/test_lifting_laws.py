"""Laws of lifting: slices give what one go gives, and nothing is built that the budget does not allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obelisk.codegen.model.types import (
    Case,
    EnumType,
    Field,
    FlagsType,
    Label,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)
from obelisk.runtime.host.abi import lowering_slices
from obelisk.runtime.host.abi.crossing import WHOLE, Crossing, Lengthy, TooLarge
from obelisk.runtime.host.abi.handles import Resources
from obelisk.runtime.host.abi.lifting import LiftCompiler
from obelisk.runtime.host.abi.lowering import LowerCompiler, release
from obelisk.runtime.host.abi.slicing import SliceCompiler
from obelisk.runtime.host.abi.weights import Weights
from obelisk.runtime.host.wasmtime import native
from wit_values import values

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
UNSUPPORTED = (Primitive.ERROR_CONTEXT,)
SCALARS = st.sampled_from([one for one in Primitive if one not in UNSUPPORTED])
NAMES = ("a", "b-c", "d-e-f")
KEYS = st.sampled_from([Primitive.STRING, Primitive.U8, Primitive.CHAR, Primitive.BOOL, Primitive.S64])


def labels(count: int) -> tuple[Label, ...]:
    return tuple(Label(name) for name in NAMES[:count])


def larger(types: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    some = st.lists(types, min_size=1, max_size=3)
    optional = st.none() | types
    return st.one_of(
        types.map(ListType),
        st.builds(MapType, KEYS, types),
        some.map(lambda items: TupleType(tuple(items))),
        some.map(lambda items: RecordType(tuple(map(Field, NAMES, items)))),
        st.lists(optional, min_size=1, max_size=3).map(lambda items: VariantType(tuple(map(Case, NAMES, items)))),
        types.map(OptionType),
        st.builds(ResultType, optional, optional),
    )


LEAVES = (
    SCALARS
    | st.integers(1, 3).map(lambda n: EnumType(labels(n)))
    | st.integers(1, 3).map(lambda n: FlagsType(labels(n)))
)
TYPES: st.SearchStrategy[Type] = st.recursive(LEAVES, larger, max_leaves=6)
TYPED = TYPES.flatmap(lambda type_: st.tuples(st.just(type_), values(type_)))
LISTED = TYPES.flatmap(lambda type_: st.tuples(st.just(ListType(type_)), st.lists(values(type_), max_size=60)))


class Lifted:
    """A value on the C side, and the ways to lift it."""

    def __init__(self, type_: Type, value: Any) -> None:
        lifts = LiftCompiler(Resources())
        self._lift, self._slices = lifts(type_), SliceCompiler(lifts)(type_)
        self.image = bytearray(native.VAL_SIZE)
        LowerCompiler(Resources())(type_)(value, self.image, 0, 0)

    def at_once(self, limit: int) -> Any:
        crossing = Crossing(0)
        crossing.begin("it", limit, WHOLE)
        return self._lift(bytes(self.image), 0, crossing)

    def in_slices(self, limit: int, slice_: int) -> tuple[Any, int]:
        """The value, and in how many slices it came."""
        crossing = Crossing(0)
        crossing.begin("it", limit, slice_)
        slices, count = self._slices(bytes(self.image), 0, crossing), 1
        while True:
            try:
                next(slices)
                count += 1
            except StopIteration as end:
                return end.value, count

    def close(self) -> None:
        release(self.image)


def is_refused(lift: Callable[[], object]) -> bool:
    try:
        lift()
    except TooLarge:
        return True
    return False


def json_bytes(value: Any) -> int:
    return len(msgspec.json.encode(value))


def check(typed: tuple[Type, Any]) -> None:
    type_, value = typed
    size = json_bytes(value)
    assert Weights()(type_).least <= size
    lifted = Lifted(type_, value)
    try:
        assert repr(lifted.at_once(size)) == repr(value), "what its JSON fits into is enough"
        for slice_ in (1, 8, 64):
            assert repr(lifted.in_slices(size, slice_)[0]) == repr(value)
        for limit in (0, size // 4, size // 2, size - 1):
            if not is_refused(partial(lifted.at_once, limit)):
                assert repr(lifted.at_once(limit)) == repr(value)
            if not is_refused(partial(lifted.in_slices, limit, 16)):
                assert repr(lifted.in_slices(limit, 16)[0]) == repr(value)
    finally:
        lifted.close()


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=SLOW)
@given(TYPED)
def test_slices_give_what_one_go_gives(typed: tuple[Type, Any]) -> None:
    check(typed)


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=SLOW)
@given(LISTED)
def test_slices_of_lists_give_what_one_go_gives(typed: tuple[Type, Any]) -> None:
    check(typed)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=SLOW)
@given(LISTED, st.integers(0, 400), st.sampled_from([WHOLE, 1, 32]))
def test_no_more_is_built_than_the_budget_allows(typed: tuple[Type, Any], limit: int, slice_: int) -> None:
    """What is copied off the C side is at most in proportion to the budget, whatever the guest gives.

    An entry weighs two bytes at least, and has at most `ENTRY_SIZE` of memory for each value that it consists of.
    """
    type_, value = typed
    copied = 0
    bytes_at, text_at = native.bytes_at, native.text_at

    def counted(address: int, size: int) -> bytes:
        nonlocal copied
        copied += size
        return bytes_at(address, size)

    def counted_text(address: int, size: int, errors: bytes | None) -> str:
        nonlocal copied
        copied += size
        return text_at(address, size, errors)

    lifted = Lifted(type_, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "bytes_at", counted)
        patch.setattr(native, "text_at", counted_text)
        is_refused(lambda: lifted.at_once(limit) if slice_ == WHOLE else lifted.in_slices(limit, slice_))
    lifted.close()
    assert copied <= (limit + 2) * native.ENTRY_SIZE


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=SLOW)
@given(LISTED, st.integers(1, 200))
def test_what_is_too_long_for_one_go_says_so(typed: tuple[Type, Any], at_once: int) -> None:
    type_, value = typed
    lifted = Lifted(type_, value)
    crossing = Crossing(0)
    crossing.begin("it", json_bytes(value), at_once)
    try:
        assert repr(LiftCompiler(Resources())(type_)(bytes(lifted.image), 0, crossing)) == repr(value)
    except Lengthy:
        assert is_refused(lambda: lifted.at_once(at_once))
    finally:
        lifted.close()


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=SLOW)
@given(LISTED, st.integers(2, 6))
def test_lowering_in_slices_gives_what_lowering_gives(typed: tuple[Type, Any], most: int) -> None:
    """Also when it is given up after some slices."""
    type_, value = typed
    lowers = LowerCompiler(Resources())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lowering_slices, "LONG", most)
        slices, image = lowering_slices.LowerSliceCompiler(lowers)(type_), bytearray(native.VAL_SIZE)
        for _ in slices(value, image, 0, 0):
            pass
        given_up = slices(value, bytearray(native.VAL_SIZE), 0, 0)
        for _ in zip(range(2), given_up, strict=False):
            pass
        given_up.close()
    crossing = Crossing(0)
    crossing.begin("it", 1 << 20, WHOLE)
    assert repr(LiftCompiler(Resources())(type_)(bytes(image), 0, crossing)) == repr(value)
    release(image)


def test_types_that_branch_without_end_are_weighed_once_each() -> None:
    type_: Type = TupleType((Primitive.U8, Primitive.U8))
    for _ in range(200):
        type_ = TupleType((type_, type_))
    assert Weights()(type_).least > 2**200
