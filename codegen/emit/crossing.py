"""Which types can cross between Python and a component in typed bindings: those with a JSON form, and handles.

A handle's resource is implemented in Python or by the component itself: see `runtime.resources`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from obelisk.codegen.model.items import Function
from obelisk.codegen.model.json_form import MAX_DEPTH, UnsupportedType, require_json_form
from obelisk.codegen.model.types import (
    FutureType,
    Primitive,
    ResourceType,
    StreamType,
    Type,
    TypeDef,
    parts,
    unalias,
)


def has_form(*types: Type | None) -> bool:
    """Whether values of all these types have a JSON form, as `json_form.require_json_form` decides."""
    try:
        require_json_form(*types)
    except UnsupportedType:
        return False
    return True


def can_cross(*types: Type | None) -> bool:
    """Whether bindings can carry values of all these types: as `has_form`, with handles besides."""
    return has_form(*types) or not any(isinstance(part, _Barrier) for type_ in types for part in _walk(type_))


def is_resource(type_: Type) -> bool:
    """Whether this is a resource, not a handle of one."""
    return isinstance(unalias(type_), ResourceType)


def types_of(function: Function) -> tuple[Type | None, ...]:
    """The types of a function's parameters and of its result."""
    return (*(param.type for param in function.params), function.result)


def servable(functions: Sequence[Function]) -> list[Function]:
    """The functions that Python can call in a component, and serve to one."""
    return [function for function in functions if can_cross(*types_of(function))]


class _Barrier:
    """What no binding can carry."""


_BARRIER = _Barrier()


def _walk(type_: Type | None) -> Iterator[Type | _Barrier]:
    """The parts of a type at any depth, each once, and a barrier for what cannot cross."""
    seen: set[int] = set()
    waiting = [] if type_ is None else [(type_, 1)]
    while waiting:
        part, level = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        bare = part is Primitive.ERROR_CONTEXT or isinstance(part, StreamType | FutureType | ResourceType)
        if bare or level > MAX_DEPTH:
            yield _BARRIER
        waiting += [(inner, level if isinstance(part, TypeDef) else level + 1) for inner in parts(part)]
