"""Functions in generated bindings: as methods of a Protocol, as methods that call a component, as handlers."""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.codegen.emit.layout import has_form
from obelisk.codegen.emit.module_writer import ModuleWriter
from obelisk.codegen.emit.python_names import attribute_name, parameter_name
from obelisk.codegen.emit.writer import NameTable, docstring, literal
from obelisk.codegen.model.items import Function, FunctionKind
from obelisk.codegen.model.types import ResultType, unalias


def bindable(functions: Sequence[Function]) -> list[Function]:
    """The functions that have typed bindings: free ones whose types all have a JSON form."""
    free = (function for function in functions if function.kind is FunctionKind.FREE)
    return [function for function in free if has_form(*(param.type for param in function.params), function.result)]


class FunctionWriter:
    """Writes into a module."""

    def __init__(self, out: ModuleWriter) -> None:
        self._out = out

    def protocol_methods(self, functions: Sequence[Function]) -> None:
        """Typed methods without a body."""
        for function in functions:
            self._out.block.add("")
            self._signature(function)
            with self._out.block.under():
                self._out.block.add(*docstring(function.docs or f"The function `{function.name}`."), "...")

    def caller_methods(self, functions: Sequence[Function], interface: str) -> None:
        """Typed methods that call ``self._caller`` for the interface that the expression `interface` gives."""
        for function in functions:
            self._out.block.add("")
            self._signature(function)
            with self._out.block.under():
                self._out.block.add(*docstring(function.docs or f"Call `{function.name}`."))
                self._call(function, interface)

    def handlers(self, functions: Sequence[Function], implementation: str) -> None:
        """Local functions that call `implementation`, each named like its method with an underscore more."""
        block, convert = self._out.block, self._out.conversions.from_json
        for function in functions:
            any_value, json_value = self._out.scope.use("typing", "Any"), self._out.scope.value("JsonValue")
            arguments = [convert(param.type, f"params[{index}]") for index, param in enumerate(function.params)]
            method = f"{implementation}.{attribute_name(function.name)}"
            block.add("")
            with block.under(f"def {handler_name(function)}(params: list[{any_value}]) -> {json_value}:"):
                if function.result is None:
                    block.listed(f"{method}(", arguments, ")", call=True)
                    block.add("return None")
                else:
                    block.listed(f"result = {method}(", arguments, ")", call=True)
                    block.code(f"return {self._out.conversions.to_json(function.result, 'result')}")
        block.add("")

    def _signature(self, function: Function) -> None:
        rows = zip(_parameter_names(function), function.params, strict=True)
        params = [f"{name}: {self._out.annotations.of(param.type)}" for name, param in rows]
        tail = f") -> {self._out.annotations.of(function.result)}:"
        self._out.block.listed(f"def {attribute_name(function.name)}(", ["self", *params], tail, call=True)

    def _call(self, function: Function, interface: str) -> None:
        block, conversions = self._out.block, self._out.conversions
        rows = zip(_parameter_names(function), function.params, strict=True)
        arguments = ", ".join(conversions.to_json(param.type, name) for name, param in rows)
        call, items = "self._caller.call(", [interface, literal(function.name), f"[{arguments}]"]
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
        else:
            block.code(f"return {result}")


def handler_name(function: Function) -> str:
    """The local function that serves `function`."""
    return f"{attribute_name(function.name)}_"


def _parameter_names(function: Function) -> list[str]:
    names = NameTable()
    return [names.unique(parameter_name(param.name)) for param in function.params]
