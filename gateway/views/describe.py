"""What is deployed as it is shown: WIT of functions and components, JSON Schemas and examples of parameters. Pure."""

from __future__ import annotations

from typing import Any, Final, cast

from obelisk.codegen.binary.decoder import decode
from obelisk.codegen.emit.endpoints import Endpoint
from obelisk.codegen.emit.examples import TooLarge, example
from obelisk.codegen.emit.json_schema import Schemas
from obelisk.codegen.model.json_form import JsonValue, json_name, wit_text
from obelisk.codegen.model.names import Ffqn
from obelisk.codegen.model.types import Field, Type, TypeDef, parts
from obelisk.codegen.syntax.printer import print_resolution
from obelisk.codegen.syntax.type_printer import own_name, print_declaration
from obelisk.gateway.views import executions as views
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.catalog.wit_text import is_wit

_LEVELS: Final = 100
_SHARED: Final = "#/components/schemas/"
_OWN: Final = "#/$defs/"


def endpoint(function: DeployedFunction) -> Endpoint:
    """What the OpenAPI emitter needs of a function."""
    interface = next(i for i in function.component.description.exports if i.name == function.interface)
    ffqn = Ffqn(function.interface, function.function.name)
    return Endpoint(ffqn=ffqn, function=function.function, interface_docs=interface.docs)


def wit_of(binary: bytes) -> str:
    """The packages of a deployed component, from its binary or its WIT, as one WIT text."""
    if is_wit(binary):
        return binary.decode()
    decoded = decode(binary)
    return "" if decoded.resolution is None else print_resolution(decoded.resolution)


def functions(registry: Registry, *, prefix: str = "", component: str | None = None) -> views.Functions:
    """The functions of a registry whose names start so, of one component or of all."""
    wanted = (
        function
        for ffqn, function in sorted(registry.functions.items())
        if ffqn.startswith(prefix) and component in (None, function.component.name)
    )
    return views.Functions(items=[describe(function) for function in wanted])


def describe(function: DeployedFunction) -> views.FunctionView:
    """The view of one function."""
    declared = function.function
    served = not function.unsupported
    return views.FunctionView(
        ffqn=function.ffqn,
        component=function.component.name,
        kind=function.kind.value,
        digest=function.component.digest,
        docs=declared.docs,
        wit=signature(function),
        params=[views.Param(name=param.name, type=wit_text(param.type, _LEVELS)) for param in declared.params],
        result=None if declared.result is None else wit_text(declared.result, _LEVELS),
        types=_named_types(*(param.type for param in declared.params), declared.result) if served else [],
        path=function_path(function) if served else None,
        unsupported=function.unsupported or None,
        params_schema=_params_schema(function) if served else None,
        result_schema=_schema(declared.result) if served and declared.result is not None else None,
        example=example_params(function) if served else None,
    )


def _named_types(*types: Type | None) -> list[views.NamedType]:
    """The named types anywhere inside, each once and after its parts. What has a JSON form nests within bounds."""
    found: dict[int, views.NamedType] = {}
    seen: set[int] = set()

    def walk(type_: Type) -> None:
        if id(type_) in seen:
            return
        seen.add(id(type_))
        for part in parts(type_):
            walk(part)
        if isinstance(type_, TypeDef):
            found[id(type_)] = views.NamedType(
                name=type_.name,
                interface=str(type_.owner),
                docs=type_.docs,
                wit="\n".join(print_declaration(type_, own_name)),
            )

    for type_ in types:
        if type_ is not None:
            walk(type_)
    return list(found.values())


def function_path(function: DeployedFunction) -> str:
    """The path of a function's endpoint."""
    return endpoint(function).path


def signature(function: DeployedFunction) -> str:
    """``name: func(a: u8) -> string``."""
    declared = function.function
    params = ", ".join(f"{param.name}: {wit_text(param.type, _LEVELS)}" for param in declared.params)
    result = "" if declared.result is None else f" -> {wit_text(declared.result, _LEVELS)}"
    return f"{declared.name}: {'async ' * declared.is_async}func({params}){result}"


def example_params(function: DeployedFunction) -> dict[str, JsonValue] | None:
    """Named parameters that typecheck, or None when the smallest ones would be too large to be of use."""
    params = function.function.params
    try:
        values = example(*(param.type for param in params))
    except TooLarge:
        return None
    return {json_name(param.name): value for param, value in zip(params, values, strict=True)}


def _params_schema(function: DeployedFunction) -> dict[str, Any]:
    schemas = Schemas()
    schema = schemas.record(tuple(Field(param.name, param.type) for param in function.function.params))
    return _complete(schema, schemas)


def _schema(type_: Type) -> dict[str, Any]:
    schemas = Schemas()
    return _complete(schemas.schema(type_), schemas)


def _complete(schema: dict[str, JsonValue], schemas: Schemas) -> dict[str, Any]:
    """The schema with the named ones it refers to in ``$defs``."""
    own = cast("dict[str, Any]", _moved(schema))
    if schemas.components:
        own["$defs"] = {name: _moved(named) for name, named in schemas.components.items()}
    return own


def _moved(value: JsonValue) -> JsonValue:
    """A schema whose references point into ``$defs``. Types have a bounded depth, and so have their schemas."""
    if isinstance(value, list):
        return [_moved(item) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    moved = {name: _moved(item) for name, item in value.items()}
    if isinstance(reference, str):
        moved["$ref"] = reference.replace(_SHARED, _OWN, 1)
    return moved
