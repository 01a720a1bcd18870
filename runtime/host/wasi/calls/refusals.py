"""`wasi:sockets`: there is no network but HTTP, and every call says so in its own terms.

The calls are read off the component's own declaration: one whose result has an error code is refused with it, one that
asks for a code of an error gets none. What is left takes a handle that no guest can have (there are no sockets), so it
traps.
"""

from __future__ import annotations

from typing import Any, Final

from obelisk.codegen.model import json_form
from obelisk.codegen.model.items import Function
from obelisk.codegen.model.types import EnumType, OptionType, ResultType, Type, unalias
from obelisk.runtime.host.wasi.calls.call import Call, CallHandler, err, signature_of
from obelisk.runtime.host.wasi.guests import WasiGuest
from obelisk.runtime.ports.guest import GuestTrap, JsonValue

REFUSED: Final[dict[str, str]] = {
    "wasi:sockets/network": "",
    "wasi:sockets/instance-network": "",
    "wasi:sockets/ip-name-lookup": "permanent-resolver-failure",
    "wasi:sockets/tcp-create-socket": "access-denied",
    "wasi:sockets/tcp": "access-denied",
    "wasi:sockets/udp-create-socket": "access-denied",
    "wasi:sockets/udp": "access-denied",
}
"""The refused interfaces, each with the error code that its calls answer."""


class Network:
    """The resource `wasi:sockets/network.network`: a network that nothing can be reached on."""


def refusal(interface: str, function: Function) -> Call | None:
    """The call that refuses a declared function of one of the `REFUSED`; None when its type leaves no way to."""
    return None if (handler := _handler(interface, function)) is None else Call(signature_of(function), handler)


def _handler(interface: str, function: Function) -> CallHandler | None:
    match interface, function.export_name:
        case "wasi:sockets/instance-network", "instance-network":
            return _network
        case "wasi:sockets/network", "network-error-code":
            return _no_code if isinstance(_shape(function.result), OptionType) else None
        case _:
            return _by_type(REFUSED[interface], function)


def _by_type(code: str, function: Function) -> CallHandler | None:
    result = _shape(function.result)
    if code and isinstance(result, ResultType):
        codes = _shape(result.err)
        known = isinstance(codes, EnumType) and any(case.name == code for case in codes.cases)
        return _answering(err(json_form.json_name(code))) if known else None
    return _unreachable if function.resource else None


def _shape(type_: Type | None) -> Type | None:
    return None if type_ is None else unalias(type_)


def _answering(answer: JsonValue) -> CallHandler:
    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue:
        return answer

    return handler


def _network(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(Network())


def _no_code(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return None


def _unreachable(guest: WasiGuest, args: list[Any]) -> JsonValue:
    raise GuestTrap("there is no such resource: sockets are not given to guests")
