"""Cases of variants, results and options as Python has them: equal by class and payload, immutable, of use in match."""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Generator
from typing import Any

import pytest

from obelisk.runtime.values import Case, CaseOf, Err, Ok, Some


class Closed(Case):
    __slots__ = ()


class Sold(CaseOf[list[str]]):
    __slots__ = ()


class Left(CaseOf[list[str]]):
    __slots__ = ()


def test_equality_is_of_class_and_payload() -> None:
    assert Closed() == Closed()
    assert Sold(["a"]) == Sold(["a"])
    assert Sold(["a"]) != Sold(["b"])
    assert Sold(["a"]) != Left(["a"])
    assert Ok(1) != Err(1)
    assert Some(None) != Ok(None)
    assert {Ok(1), Ok(1), Err(1), Closed(), Closed()} == {Ok(1), Err(1), Closed()}


def test_they_can_be_told_apart_in_match() -> None:
    def show(value: Closed | Sold) -> str:
        match value:
            case Closed():
                return "closed"
            case Sold(["one"]):
                return "one"
            case Sold(value=names):
                return ",".join(names)

    assert [show(Closed()), show(Sold(["one"])), show(Sold(["a", "b"]))] == ["closed", "one", "a,b"]


def test_they_are_immutable_and_small() -> None:
    ok: Any = Ok(1)
    with pytest.raises(AttributeError, match="immutable"):
        ok.value = 2
    with pytest.raises(AttributeError, match="immutable"):
        del ok.value
    with pytest.raises(AttributeError):
        ok.other = 2
    assert not hasattr(ok, "__dict__")
    closed: Any = Closed()
    with pytest.raises(AttributeError):
        closed.other = 1


@pytest.mark.parametrize("value", [Ok(1), Err([1]), Some(None), Closed(), Sold(["x"])])
def test_they_can_be_shown_copied_and_pickled(value: Any) -> None:
    assert eval(repr(value)) == value
    assert str(value) == repr(value)
    assert copy.deepcopy(value) == value
    assert copy.copy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value


def test_the_bad_side_can_be_raised_and_stays_the_value_it_was() -> None:
    @contextlib.contextmanager
    def passing() -> Generator[None]:
        yield

    def refused(refusal: Err[Sold]) -> Ok[int] | Err[Sold]:
        with passing():
            try:
                raise ValueError("below")
            except ValueError as cause:
                raise refusal from cause

    refusal = Err(Sold(["x"]))
    with pytest.raises(Exception, match="x") as raised:
        refused(refusal)
    assert raised.value is refusal
    assert refusal == Err(Sold(["x"]))
    assert isinstance(refusal.__cause__, ValueError)
    unsafe: Any = refusal
    with pytest.raises(AttributeError, match="immutable"):
        unsafe.value = 2
    with pytest.raises(AttributeError, match="immutable"):
        unsafe.other = 2
