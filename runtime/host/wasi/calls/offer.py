"""What of WASI is offered to one component: its own declarations of `wasi:*`, each matched with the call that answers.

Any version 0.2.x of an interface is served. A function that is unknown, or declared with another signature than WASI's,
is left out of the offer: preparing the component then refuses it by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from obelisk.codegen.model.items import Interface
from obelisk.codegen.model.names import InterfaceName, compatibility_track
from obelisk.codegen.model.types import ResourceType, TypeDef, definition
from obelisk.runtime.host.wasi.calls.call import Call, Calls, signature_of
from obelisk.runtime.host.wasi.calls.cli_clock_random import WORLD_CALLS
from obelisk.runtime.host.wasi.calls.filesystem import FILE_CALLS
from obelisk.runtime.host.wasi.calls.io import IO_CALLS
from obelisk.runtime.host.wasi.calls.refusals import REFUSED, refusal
from obelisk.runtime.host.wasi.guests import WasiGuest
from obelisk.runtime.ports.guest import ImportFunction, ImportResource

TRACK: Final = "0.2"
ARGUMENT_BYTES: Final = 4 << 20
"""Of the arguments of a call, as JSON: three megabytes to write, ten thousand handles to poll."""
WITHOUT_HTTP: Final[Calls] = {**IO_CALLS, **WORLD_CALLS, **FILE_CALLS}
"""The calls of a guest that has no HTTP; refused interfaces are added to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Ready for `host.instance.prepare`; the context of every handler is a `WasiGuest`."""

    functions: tuple[ImportFunction, ...]
    resources: tuple[ImportResource, ...]
    renamed: tuple[tuple[str, str], ...]
    """Resource types that an interface has from another one under a name of its own, by interface and that name."""


def is_wasi(name: InterfaceName) -> bool:
    """Whether an import is one of WASI 0.2, of any of its versions."""
    return name.package.namespace == "wasi" and compatibility_track(name.package.version) == TRACK


def offer(interfaces: Iterable[Interface], calls: Calls = WITHOUT_HTTP) -> Offer:
    """The offer for a component that imports `interfaces`, as it declares them; other than WASI's are passed over."""
    functions: list[ImportFunction] = []
    resources: list[ImportResource] = []
    renamed: list[tuple[str, str]] = []
    for interface in interfaces:
        if not is_wasi(interface.name):
            continue
        plain = f"wasi:{interface.name.package.name}/{interface.name.name}"
        if plain not in calls and plain not in REFUSED:
            continue
        functions += _functions(plain, interface, calls)
        resources += [
            ImportResource(interface=str(interface.name), name=type_.name, dropped=_dropped)
            for type_ in interface.types
            if isinstance(type_.body, ResourceType)
        ]
        renamed += [
            (str(interface.name), type_.name)
            for type_ in interface.types
            if isinstance(type_.body, TypeDef) and definition(type_).name != type_.name
        ]
    return Offer(functions=tuple(functions), resources=tuple(resources), renamed=tuple(renamed))


def _functions(plain: str, interface: Interface, calls: Calls) -> Iterator[ImportFunction]:
    known = calls.get(plain)
    for function in interface.functions:
        call: Call | None
        call = refusal(plain, function) if known is None else known.get(function.export_name)
        if call is not None and call.signature == signature_of(function):
            yield ImportFunction(
                interface=str(interface.name),
                function=function,
                handler=call.handler,
                waits=call.waits,
                bound=_bound,
            )


def _bound(_: WasiGuest) -> int:
    return ARGUMENT_BYTES


def _dropped(guest: WasiGuest, rep: int) -> None:
    guest.dropped(rep)
