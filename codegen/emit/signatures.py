"""The heads of generated methods: names and typed parameters of WIT functions."""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.python_names import attribute_name, parameter_name
from obelisk.codegen.emit.writer import Block, NameTable
from obelisk.codegen.model.items import Function, FunctionKind, Param
from obelisk.codegen.model.json_form import json_name


def method_names(functions: Sequence[Function]) -> dict[str, str]:
    """Python's names of an interface's functions, by their name in components; methods are named on their own.

    A constructor is named like its resource, a static function after its resource and itself: ``counter__merge``.
    """
    names: dict[str, str] = {}
    for function in functions:
        match function.kind:
            case FunctionKind.FREE | FunctionKind.METHOD:
                names[function.export_name] = attribute_name(function.name)
            case FunctionKind.CONSTRUCTOR:
                names[function.export_name] = attribute_name(function.resource)
            case FunctionKind.STATIC:
                names[function.export_name] = f"{json_name(function.resource)}__{json_name(function.name)}"
    return names


def own_params(function: Function) -> tuple[Param, ...]:
    """The parameters, without the resource of a method."""
    return function.params[1:] if function.kind is FunctionKind.METHOD else function.params


def parameter_names(function: Function) -> list[str]:
    """Python's names of `own_params`."""
    names = NameTable()
    return [names.unique(parameter_name(param.name)) for param in own_params(function)]


def signature(
    block: Block, annotations: Annotations, name: str, function: Function, returned: str = "", *, head: str = "def "
) -> None:
    """The head of a method of that name. It is said to return the function's result, or what `returned` writes."""
    rows = zip(parameter_names(function), own_params(function), strict=True)
    params = [f"{parameter}: {annotations.of(param.type)}" for parameter, param in rows]
    tail = f") -> {returned or annotations.of(function.result)}:"
    block.listed(f"{head}{name}(", ["self", *params], tail, call=True)
