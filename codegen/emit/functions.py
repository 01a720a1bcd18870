"""Functions in generated bindings: as methods of a Protocol, as methods that call a component, as handlers."""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.codegen.emit.crossing import types_of
from obelisk.codegen.emit.module_writer import ModuleWriter
from obelisk.codegen.emit.python_names import attribute_name
from obelisk.codegen.emit.signatures import method_names, own_params, parameter_names, signature
from obelisk.codegen.emit.writer import docstring, literal
from obelisk.codegen.model.items import Function, FunctionKind
from obelisk.codegen.model.types import BorrowType, OwnType, ResultType, resources, unalias


def needs_handles(functions: Sequence[Function]) -> bool:
    """Whether resources are passed by any of these."""
    return any(resources(*types_of(function)) for function in functions)


class FunctionWriter:
    """Writes into a module."""

    def __init__(self, out: ModuleWriter) -> None:
        self._out = out

    def protocol_methods(self, functions: Sequence[Function]) -> None:
        """Typed methods without a body; the methods of resources stand in classes of their own."""
        names = method_names(functions)
        for function in functions:
            if function.kind is not FunctionKind.METHOD:
                self._out.block.add("")
                signature(self._out.block, self._out.annotations, names[function.export_name], function)
                with self._out.block.under():
                    self._out.block.add(*docstring(function.docs or _summary(function)), "...")

    def caller_methods(self, functions: Sequence[Function], interface: str, *, documented: bool = True) -> None:
        """Typed methods that call ``self._caller`` for the interface that the expression `interface` gives."""
        conversions, names = self._out.conversions, method_names(functions)
        conversions.handles = "self._handles"
        for function in functions:
            self._out.block.add("")
            signature(self._out.block, self._out.annotations, names[function.export_name], function)
            with self._out.block.under():
                self._out.block.add(*(docstring(function.docs or _summary(function)) if documented else ()))
                if needs_handles([function]):
                    with self._out.block.under("with self._handles.call():"):
                        self._call(function, interface)
                else:
                    self._call(function, interface)
        conversions.handles = "handles"

    def handlers(self, functions: Sequence[Function], implementation: str) -> list[tuple[str, str]]:
        """Local functions that call `implementation`; gives each function's name in components and the local one."""
        block, names = self._out.block, method_names(functions)
        locals_: list[tuple[str, str]] = []
        self._out.conversions.may_be_guests = False
        for function in functions:
            any_value, json_value = self._out.scope.use("typing", "Any"), self._out.scope.value("JsonValue")
            name = f"{names[function.export_name]}_"
            target = f"{implementation}.{names[function.export_name]}"
            if function.kind is FunctionKind.METHOD:
                name = f"{attribute_name(function.resource)}__{name}"
                target = f"resource.{names[function.export_name]}"
            locals_.append((function.export_name, name))
            block.add("")
            with block.under(f"def {name}(params: list[{any_value}]) -> {json_value}:"):
                self._serve(function, target)
        self._out.conversions.may_be_guests = True
        block.add("")
        return locals_

    def _serve(self, function: Function, target: str) -> None:
        block, convert = self._out.block, self._out.conversions.from_json
        first = len(function.params) - len(own_params(function))
        if first:
            resource = self._out.annotations.of(function.params[0].type)
            block.add(f"resource: {resource} = {convert(function.params[0].type, 'params[0]')}")
        arguments = [convert(p.type, f"params[{index}]") for index, p in enumerate(own_params(function), first)]
        if function.result is None:
            block.listed(f"{target}(", arguments, ")", call=True)
            block.add("return None")
        else:
            block.listed(f"result = {target}(", arguments, ")", call=True)
            block.code(f"return {self._out.conversions.to_json(function.result, 'result')}")

    def _call(self, function: Function, interface: str) -> None:
        block, conversions = self._out.block, self._out.conversions
        names = (
            ["self", *parameter_names(function)] if function.kind is FunctionKind.METHOD else parameter_names(function)
        )
        rows = zip(names, function.params, strict=True)
        arguments = ", ".join(conversions.to_json(param.type, name) for name, param in rows)
        call, items = "self._caller.call(", [interface, literal(function.export_name), f"[{arguments}]"]
        if function.result is None:
            block.listed(call, items, ")", call=True)
            return
        # No WIT label ends in an underscore: the parameters leave this name free.
        result = conversions.from_json(function.result, "result_")
        if result == "result_":
            annotation = self._out.annotations.of(function.result)
        else:
            annotation = self._out.scope.use("typing", "Any")
        block.listed(f"result_: {annotation} = {call}", items, ")", call=True)
        bare = unalias(function.result)
        if isinstance(bare, ResultType):
            with block.under('if "ok" in result_:'):
                block.code(f"return {conversions.side(bare.ok, 'Ok', 'result_')}")
            block.code(f"return {conversions.side(bare.err, 'Err', 'result_')}")
        elif isinstance(bare, OwnType | BorrowType):
            block.code(f"resource_: {self._out.annotations.of(function.result)} = {result}")
            block.add("return resource_")
        else:
            block.code(f"return {result}")


def _summary(function: Function) -> str:
    match function.kind:
        case FunctionKind.CONSTRUCTOR:
            return f"Make a `{function.resource}`."
        case FunctionKind.STATIC:
            return f"The function `{function.resource}.{function.name}`."
        case _:
            return f"The function `{function.name}`."
