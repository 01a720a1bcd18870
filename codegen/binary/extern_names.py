"""The names of imports and exports: ``f``, ``[method]r.f``, ``ns:pkg/ifc@1.2.3`` as in Explainer.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from obelisk.codegen.binary.entities import ExternName
from obelisk.codegen.binary.errors import MalformedBinary
from obelisk.codegen.model.items import FunctionKind
from obelisk.codegen.model.names import InterfaceName, is_label

CONSTRUCTOR: Final = "constructor"
"""The `Function.name` of a constructor."""

# Toolchains of before the asynchronous function type marked asynchronous functions in the name.
_FUNCTION: Final = re.compile(r"(?:\[(?:async ?)?(constructor|method|static)?\])?([^.\[\]]+)(?:\.([^.\[\]]+))?\Z")


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function's name taken apart as `items.Function` holds it."""

    kind: FunctionKind
    name: str
    resource: str = ""


def function_name(name: ExternName) -> FunctionName:
    """Read the name of a function; MalformedBinary ``not-in-wit`` when it is none of WIT's."""
    match = _FUNCTION.match(name.text)
    if match is not None:
        kind, first, second = match[1], match[2], match[3]
        if kind in ("method", "static") and second is not None and is_label(first) and is_label(second):
            return FunctionName(FunctionKind(kind), second, first)
        if kind == "constructor" and second is None and is_label(first):
            return FunctionName(FunctionKind.CONSTRUCTOR, CONSTRUCTOR, first)
        if kind is None and second is None and is_label(first):
            return FunctionName(FunctionKind.FREE, first)
    raise _not_in_wit(name, "a function")


def label(name: ExternName, what: str) -> str:
    """Read a kebab-case label; MalformedBinary ``not-in-wit`` when it is none."""
    if not is_label(name.text):
        raise _not_in_wit(name, what)
    return name.text


def interface_name(name: ExternName) -> InterfaceName | None:
    """Read ``ns:pkg/ifc[@version]``, the version's suffix attached; None for a plain label.

    MalformedBinary ``not-in-wit`` for URLs, hashes, dependencies and whatever else has no name in WIT.
    """
    if is_label(name.text):
        return None
    try:
        return InterfaceName.parse(name.text + name.version_suffix)
    except ValueError:
        raise _not_in_wit(name, "an interface") from None


def implemented_interface(name: ExternName) -> InterfaceName | None:
    """The interface that a plainly named import or export says it implements; None when it says nothing."""
    if not name.implements:
        return None
    try:
        return InterfaceName.parse(name.implements + name.version_suffix)
    except ValueError:
        raise _not_in_wit(name, "an interface") from None


def _not_in_wit(name: ExternName, what: str) -> MalformedBinary:
    return MalformedBinary("not-in-wit", name.offset, f"{name.text[:200]!r} is not the name of {what} in WIT")
