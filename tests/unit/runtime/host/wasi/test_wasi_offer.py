"""What is offered of WASI: by version, by signature, and how folders and networks are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from obelisk.codegen.model.items import Function, FunctionKind, Interface, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    Label,
    ListType,
    OptionType,
    OwnType,
    Primitive,
    ResourceType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
)
from obelisk.codegen.resolve.load import load
from obelisk.runtime.host.wasi.calls.http import WITH_HTTP
from obelisk.runtime.host.wasi.calls.offer import offer
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.ports.guest import GuestTrap

U64 = Primitive.U64
SHIPPED = Path(__file__).parents[5] / "src/obelisk/cli/building/wit"


def typedef(interface: str, name: str, body: Type) -> TypeDef:
    return TypeDef(name=name, owner=InterfaceName.parse(interface), body=body)


def interface(name: str, *functions: Function, types: tuple[TypeDef, ...] = ()) -> Interface:
    return Interface(name=InterfaceName.parse(name), functions=functions, types=types)


def function(name: str, result: Type | None, *params: Type, resource: str = "") -> Function:
    kind = FunctionKind.METHOD if resource else FunctionKind.FREE
    listed = tuple(Param(f"p{index}", type_) for index, type_ in enumerate(params))
    return Function(name=name, params=listed, result=result, kind=kind, resource=resource)


def new_guest() -> ActivityGuest:
    return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(0))


def answer(declared: Interface, *args: object) -> Any:
    (only,) = offer([declared]).functions
    return only.handler(new_guest(), list(args))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("wasi:random/random@0.2.0", True),
        ("wasi:random/random@0.2.99", True),
        ("wasi:random/random@0.3.0", False),
        ("wasi:random/random@0.2.0-rc-2023-11-10", False),
        ("wasi:random/random", False),
        ("wasi:other/random@0.2.0", False),
        ("test:random/random@0.2.0", False),
    ],
)
def test_any_compatible_version_is_served(name: str, served: bool) -> None:
    offered = offer([interface(name, function("get-random-u64", U64))])
    assert [f.interface for f in offered.functions] == ([name] if served else [])


def test_every_function_of_the_standard_is_served() -> None:
    """Of the packages that `obelisk build` knows, but for what guests export."""
    exported = {"wasi:cli/run@0.2.12", "wasi:http/incoming-handler@0.2.12"}
    loaded = load([SHIPPED])
    assert loaded.resolution is not None
    imported = [i for package in loaded.resolution.packages for i in package.interfaces if str(i.name) not in exported]
    offered = offer(imported, WITH_HTTP)
    served = {(f.interface, f.function.export_name) for f in offered.functions}
    wanted = {(str(i.name), f.export_name) for i in imported for f in i.functions}
    assert served == wanted
    assert len(wanted) > 100


@pytest.mark.parametrize(
    ("result", "params", "served"),
    [(ListType(Primitive.U8), (U64,), True), (ListType(U64), (U64,), False), (ListType(Primitive.U8), (), False)],
)
def test_a_wrong_signature_is_not_served(result: Type, params: tuple[Type, ...], served: bool) -> None:
    offered = offer([interface("wasi:random/random@0.2.0", function("get-random-bytes", result, *params))])
    assert bool(offered.functions) == served


def test_an_alias_is_what_it_stands_for() -> None:
    name = "wasi:clocks/monotonic-clock@0.2.0"
    assert offer([interface(name, function("now", typedef(name, "instant", U64)))]).functions


def test_resources_are_those_that_the_interface_declares() -> None:
    owner, user = "wasi:io/poll@0.2.0", "wasi:clocks/monotonic-clock@0.2.0"
    pollable = typedef(owner, "pollable", ResourceType())
    offered = offer(
        [interface(owner, types=(pollable,)), interface(user, types=(typedef(user, "pollable", pollable),))]
    )
    assert [(r.interface, r.name) for r in offered.resources] == [(owner, "pollable")]


def test_only_calls_that_may_wait_say_so() -> None:
    name = "wasi:io/poll@0.2.0"
    borrowed = BorrowType(typedef(name, "pollable", ResourceType()))
    offered = offer(
        [
            interface(
                name,
                function("ready", Primitive.BOOL, borrowed, resource="pollable"),
                function("block", None, borrowed, resource="pollable"),
                function("poll", ListType(Primitive.U32), ListType(borrowed)),
            )
        ]
    )
    assert [(f.function.name, f.waits) for f in offered.functions] == [
        ("ready", False),
        ("block", True),
        ("poll", True),
    ]


# --- folders and networks -------------------------------------------------------------------------------------------
SOCKETS = "wasi:sockets/tcp-create-socket@0.2.0"
NETWORK = "wasi:sockets/network@0.2.0"
FILES = "wasi:filesystem/types@0.2.0"
CODES = typedef(NETWORK, "error-code", EnumType((Label("access-denied"), Label("permanent-resolver-failure"))))
FILE_CODES = typedef(FILES, "error-code", EnumType((Label("access"), Label("not-permitted"))))
FAMILY = EnumType((Label("ipv4"), Label("ipv6")))


def test_there_are_no_folders() -> None:
    descriptor = OwnType(typedef(FILES, "descriptor", ResourceType()))
    directories = function("get-directories", ListType(TupleType((descriptor, Primitive.STRING))))
    assert answer(interface("wasi:filesystem/preopens@0.2.0", directories)) == []


def test_a_socket_is_refused() -> None:
    socket = OwnType(typedef("wasi:sockets/tcp@0.2.0", "tcp-socket", ResourceType()))
    assert answer(interface(SOCKETS, function("create-tcp-socket", ResultType(socket, CODES), FAMILY)), "ipv4") == {
        "err": "access_denied"
    }


def test_a_name_is_not_resolved() -> None:
    result = ResultType(Primitive.U32, CODES)
    lookup = interface("wasi:sockets/ip-name-lookup@0.2.0", function("resolve-addresses", result, Primitive.STRING))
    assert answer(lookup, "example.com") == {"err": "permanent_resolver_failure"}


def test_the_network_is_a_handle() -> None:
    network = OwnType(typedef(NETWORK, "network", ResourceType()))
    assert answer(interface("wasi:sockets/instance-network@0.2.0", function("instance-network", network))) == 1


def test_an_error_is_of_no_network() -> None:
    error = BorrowType(typedef("wasi:io/error@0.2.0", "error", ResourceType()))
    asks = "network-error-code"
    assert answer(interface(NETWORK, function(asks, OptionType(CODES), error)), 1) is None
    assert offer([interface(NETWORK, function(asks, CODES, error))]).functions == ()


def test_a_descriptor_or_socket_that_was_not_given_is_none() -> None:
    self = BorrowType(typedef(FILES, "descriptor", ResourceType()))
    sync = function("sync", ResultType(None, FILE_CODES), self, resource="descriptor")
    with pytest.raises(GuestTrap, match="handle 1 is of no Descriptor"):
        answer(interface(FILES, sync), 1)
    socket = BorrowType(typedef("wasi:sockets/tcp@0.2.0", "tcp-socket", ResourceType()))
    listening = function("is-listening", Primitive.BOOL, socket, resource="tcp-socket")
    with pytest.raises(GuestTrap, match="no such resource"):
        answer(interface("wasi:sockets/tcp@0.2.0", listening), 1)


def test_a_call_that_cannot_be_refused_is_not_offered() -> None:
    assert offer([interface(FILES, function("free", Primitive.U32))]).functions == ()
    strange = ResultType(None, EnumType((Label("other"),)))
    assert offer([interface(SOCKETS, function("create-tcp-socket", strange, FAMILY))]).functions == ()
