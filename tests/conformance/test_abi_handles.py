"""Handles of host resources: owned ones belong to whoever holds them, borrowed ones are released exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from obelisk.codegen.model.items import Function, FunctionKind, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import BorrowType, OwnType, Primitive, ResourceType, TypeDef
from obelisk.runtime.errors import ImportRefused
from obelisk.runtime.host.component import Compiled, ComponentCache, to_binary
from obelisk.runtime.host.errors import AbiError
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.instance import Prepared, prepare
from obelisk.runtime.host.wasmtime.engine import Engine, workflow_settings
from obelisk.runtime.ports.guest import (
    PENDING,
    ExportFunction,
    ImportFunction,
    ImportResource,
    JsonValue,
    Returned,
    Trapped,
    Waiting,
    Yielded,
)

SETS = "test:h/sets@1.0.0"
GUEST = """(component $C
  (import "test:h/sets@1.0.0" (instance $i
    (export "set" (type $set (sub resource)))
    (export "create" (func (param "rep" u32) (result (own $set))))
    (export "[method]set.add" (func (param "self" (borrow $set)) (param "n" u32) (result u32)))
    (export "take" (func (param "set" (own $set)) (result u32)))))
  (alias export $i "set" (type $set))
  (import "test:h/users@1.0.0" (instance $users
    (alias outer $C $set (type $outer)) (export "set" (type $own (eq $outer)))
    (export "both" (func (param "a" (borrow $own)) (param "b" (borrow $own)) (result u32)))))
  (core func $create (canon lower (func $i "create")))
  (core func $add (canon lower (func $i "[method]set.add")))
  (core func $take (canon lower (func $i "take")))
  (core func $both (canon lower (func $users "both")))
  (core func $drop (canon resource.drop $set))
  (core module $m
    (import "h" "create" (func $create (param i32) (result i32)))
    (import "h" "add" (func $add (param i32 i32) (result i32)))
    (import "h" "take" (func $take (param i32) (result i32)))
    (import "h" "both" (func $both (param i32 i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "drops") (param $n i32) (result i32) (local $s i32) (local $sum i32)
      (loop $l
        (local.set $s (call $create (local.get $n)))
        (drop (call $add (local.get $s) (i32.const 1)))
        (local.set $sum (i32.add (local.get $sum) (call $add (local.get $s) (i32.const 2))))
        (call $drop (local.get $s))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $sum))
    (func (export "takes") (param $n i32) (result i32) (call $take (call $create (local.get $n))))
    (func (export "two") (param $n i32) (result i32) (local $a i32)
      (local.set $a (call $create (local.get $n)))
      (call $both (local.get $a) (local.get $a)))
    (func (export "keeps") (param $n i32) (result i32) (call $create (local.get $n))))
  (core instance $c (instantiate $m (with "h" (instance (export "create" (func $create)) (export "add" (func $add))
    (export "take" (func $take)) (export "both" (func $both)) (export "drop" (func $drop))))))
  (func $drops (param "n" u32) (result u32) (canon lift (core func $c "drops")))
  (func $takes (param "n" u32) (result u32) (canon lift (core func $c "takes")))
  (func $two (param "n" u32) (result u32) (canon lift (core func $c "two")))
  (func $keeps (param "n" u32) (result u32) (canon lift (core func $c "keeps")))
  (instance $e (export "drops" (func $drops)) (export "takes" (func $takes)) (export "two" (func $two))
    (export "keeps" (func $keeps)))
  (export "test:h/guest@1.0.0" (instance $e)))"""

U32 = Primitive.U32
SET = TypeDef(name="set", owner=InterfaceName.parse(SETS), body=ResourceType())
ALIAS = TypeDef(name="set", owner=InterfaceName.parse("test:h/users@1.0.0"), body=SET)
CREATE = Function(name="create", params=(Param("rep", U32),), result=OwnType(SET))
ADD = Function(
    name="add",
    params=(Param("self", BorrowType(SET)), Param("n", U32)),
    result=U32,
    kind=FunctionKind.METHOD,
    resource="set",
)
TAKE = Function(name="take", params=(Param("set", OwnType(SET)),), result=U32)
BOTH = Function(name="both", params=(Param("a", BorrowType(ALIAS)), Param("b", BorrowType(ALIAS))), result=U32)


@dataclass
class Host:
    """What the handlers saw."""

    calls: list[tuple[str, list[JsonValue]]] = field(default_factory=list[tuple[str, list[JsonValue]]])
    dropped: list[int] = field(default_factory=list[int])


def handler(name: str, answer: Callable[[list[Any]], Any]) -> Callable[[Any, list[JsonValue]], Any]:
    def handle(context: Any, args: list[JsonValue]) -> Any:
        cast(Host, context).calls.append((name, args))
        return answer(args)

    return handle


def drop(context: Any, rep: int) -> None:
    cast(Host, context).dropped.append(rep)
    if rep == 999_999:
        raise LookupError("no such set")


@pytest.fixture(scope="module")
def compiled() -> Iterator[Compiled]:
    with Engine(workflow_settings()) as engine:
        yield ComponentCache(engine, None).compile(to_binary(GUEST.encode()))


def exported(name: str) -> ExportFunction:
    return ExportFunction(
        interface="test:h/guest@1.0.0", function=Function(name=name, params=(Param("n", U32),), result=U32)
    )


def offer(*, waits: bool) -> list[ImportFunction]:
    answers: list[tuple[str, Function, Callable[[list[Any]], Any]]] = [
        (SETS, CREATE, lambda args: args[0]),
        (SETS, ADD, lambda args: args[0] + args[1]),
        (SETS, TAKE, lambda args: args[0] * 10),
        ("test:h/users@1.0.0", BOTH, lambda args: args[0] + args[1]),
    ]
    return [
        ImportFunction(
            interface=interface,
            function=function,
            handler=handler(function.name, (lambda _: PENDING) if waits else answer),
            waits=waits,
        )
        for interface, function, answer in answers
    ]


def prepared(compiled: Compiled, *, waits: bool) -> Prepared:
    return prepare(
        compiled,
        exports=[exported(name) for name in ("drops", "takes", "two", "keeps")],
        imports=offer(waits=waits),
        resources=[ImportResource(interface=SETS, name="set", dropped=drop)],
    )


def run(fiber: Fiber, answers: Iterable[JsonValue] = ()) -> JsonValue:
    coming = iter(answers)
    while True:
        match fiber.poll():
            case Returned(value):
                return value
            case Waiting():
                fiber.resume(next(coming))
            case Yielded():
                pass
            case Trapped() as trapped:
                raise AssertionError(trapped)


def test_borrows_are_released_and_drops_are_told(compiled: Compiled) -> None:
    host = Host()
    assert run(prepared(compiled, waits=False).start(exported("drops"), [3], host)) == (3 + 2) + (2 + 2) + (1 + 2)
    assert host.dropped == [3, 2, 1]
    assert [name for name, _ in host.calls] == ["create", "add", "add"] * 3


def test_borrows_are_released_when_the_answer_comes_late(compiled: Compiled) -> None:
    host = Host()
    fiber = prepared(compiled, waits=True).start(exported("drops"), [1], host)
    assert run(fiber, [41, 0, 7]) == 7
    assert host.calls == [("create", [1]), ("add", [41, 1]), ("add", [41, 2])]
    assert host.dropped == [41]


def test_an_owned_handle_goes_back_to_the_host(compiled: Compiled) -> None:
    host = Host()
    assert run(prepared(compiled, waits=False).start(exported("takes"), [7], host)) == 70
    assert host.calls[-1] == ("take", [7])
    assert host.dropped == []


def test_one_handle_may_be_borrowed_twice_and_through_another_interface(compiled: Compiled) -> None:
    assert run(prepared(compiled, waits=False).start(exported("two"), [21], Host())) == 42


def test_many_handles_of_one_store(compiled: Compiled) -> None:
    host = Host()
    run(prepared(compiled, waits=False).start(exported("drops"), [5_000], host))
    assert host.dropped == list(range(5_000, 0, -1))


def test_what_a_drop_raises_comes_out_of_poll(compiled: Compiled) -> None:
    fiber = prepared(compiled, waits=False).start(exported("drops"), [999_999], Host())
    with pytest.raises(LookupError, match="no such set"):
        run(fiber)


def test_a_rep_is_a_u32(compiled: Compiled) -> None:
    for rep in (-1, 1 << 32, "1", None, True):
        fiber = prepared(compiled, waits=True).start(exported("takes"), [7], Host())
        with pytest.raises(AbiError):
            run(fiber, [rep])


def test_handles_that_a_guest_keeps_are_freed_with_its_store(compiled: Compiled) -> None:
    host, ready = Host(), prepared(compiled, waits=False)
    for _ in range(50):
        run(ready.start(exported("keeps"), [9], host))
    assert host.dropped == []


def test_a_resource_that_nobody_defines_is_refused(compiled: Compiled) -> None:
    with pytest.raises(ImportRefused) as caught:
        prepare(compiled, exports=[], imports=offer(waits=False))
    assert caught.value.fields["imports"] == [f"{SETS}.set", "test:h/users@1.0.0.set"]
