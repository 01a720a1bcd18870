"""How the calls of WASI are listed: an interface's functions by name, each with its signature and its handler.

A component brings its own idea of an interface's types, so a handler names the signature that it was written for; a
component that declares another one is refused when it is prepared, as with a function that is not offered at all.
Signatures are written as `json_form.wit_text` writes types: named types by name, aliases by what they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from obelisk.codegen.model import json_form
from obelisk.codegen.model.items import Function
from obelisk.runtime.ports.guest import JsonValue, Pending

CallHandler: TypeAlias = "Callable[[Any, list[Any]], JsonValue | Pending]"
"""Called with the `WasiGuest` and the arguments, which have the types of the signature: hence Any."""


_LEVELS: Final = 8
"""More than any type of WASI nests."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function of WASI; `waits` False promises that the handler never says PENDING."""

    signature: str
    handler: CallHandler
    waits: bool = False


Calls: TypeAlias = Mapping[str, Mapping[str, Call]]
"""Interface without version (``wasi:io/poll``) → function's name in a component (``[method]pollable.ready``) → call."""


def signature_of(function: Function) -> str:
    """A declared function's signature, to be compared with `Call.signature`: ``(u64) -> list<u8>``."""
    params = ", ".join(json_form.wit_text(param.type, _LEVELS) for param in function.params)
    return f"({params})" if function.result is None else f"({params}) -> {json_form.wit_text(function.result, _LEVELS)}"


def ok(value: JsonValue = None) -> JsonValue:
    """A result's ok case."""
    return {"ok": value}


def err(value: JsonValue = None) -> JsonValue:
    """A result's err case."""
    return {"err": value}
