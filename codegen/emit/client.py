"""The module ``client.py`` of a generated package: its functions, called over HTTP with typed values.

Per function the conversion of its parameters, those of its result, and an `Operation` that holds them; two classes
whose methods have its parameters, one that waits and one for asyncio; per interface two classes whose attributes these
are. Everything else is `obelisk.client`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.conversions import Conversions
from obelisk.codegen.emit.endpoints import Endpoint
from obelisk.codegen.emit.json_schema import title_word
from obelisk.codegen.emit.layout import Layout
from obelisk.codegen.emit.modules import module
from obelisk.codegen.emit.python_names import attribute_name, function_class_name
from obelisk.codegen.emit.scope import CLIENT, Scope
from obelisk.codegen.emit.signatures import parameter_names, signature
from obelisk.codegen.emit.writer import Block, docstring, literal
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.types import ResultType, unalias

_IMPORTED: Final = ("Any", "Final", "Ok", "Err", "Some", "JsonValue", "ParamsValidator", "ValueValidator")
_RUNTIME: Final = (
    "AsyncClient", "AsyncHandle", "AsyncRemoteFunction", "Client", "Handle", "Operation", "RemoteFunction",
)  # fmt: skip


class _Way(NamedTuple):
    """One of the two kinds of client: what its classes are made of."""

    client: str
    function: str
    handle: str
    is_async: bool


_WAYS: Final = (
    _Way("Client", "RemoteFunction", "Handle", False),
    _Way("AsyncClient", "AsyncRemoteFunction", "AsyncHandle", True),
)


def client_module(layout: Layout, folder: str, title: str, endpoints: Sequence[Endpoint], stamp: str) -> str:
    """The source; `title` is the package as documentation calls it."""
    writer = _ClientWriter(layout, folder)
    groups = [list(group) for _, group in groupby(endpoints, key=lambda endpoint: endpoint.ffqn.interface)]
    named = [(_Names.of(group[0], writer.scope), group) for group in groups]
    constants = {
        endpoint.ffqn: writer.scope.declare(
            f"{json_name(group[0].ffqn.interface.name)}__{json_name(endpoint.ffqn.function)}".upper()
        )
        for _, group in named
        for endpoint in group
    }
    writer.checks(folder)
    for _, group in named:
        for endpoint in group:
            writer.operation(endpoint, constants[endpoint.ffqn])
    for names, group in named:
        for name, way in zip((names.blocking, names.asynchronous), _WAYS, strict=True):
            classes = [writer.function(name, endpoint, way) for endpoint in group]
            writer.interface(name, group, classes, [constants[endpoint.ffqn] for endpoint in group], way.client)
    summary = (
        f"Calls `{title}` over HTTP.\n\n"
        "Give a class here an `obelisk.client.Client` or `AsyncClient`. A function is called as it stands, or\n"
        "recorded with its method `submit`; `options` says how. Parameters are checked before anything is sent. A WIT\n"
        "`result` comes back as `Ok` or `Err`; what else goes wrong is raised."
    )
    return module(stamp, summary, writer.scope.imports(), writer.block.text())


@dataclass(frozen=True, slots=True)
class _Names:
    blocking: str
    asynchronous: str

    @classmethod
    def of(cls, endpoint: Endpoint, scope: Scope) -> _Names:
        name = title_word(endpoint.ffqn.interface.name)
        return cls(scope.declare(f"{name}Client"), scope.declare(f"{name}ClientAsync"))


class _ClientWriter:
    def __init__(self, layout: Layout, folder: str) -> None:
        self.block = Block()
        self.scope = Scope((folder, "client"), *_IMPORTED, *_RUNTIME)
        self._annotations = Annotations(layout, self.scope)
        self._conversions = Conversions(layout, self.scope, self._annotations)

    def checks(self, folder: str) -> None:
        """The function that finds validators; they are imported when they are first needed."""
        params, value = self.scope.value("ParamsValidator"), self.scope.value("ValueValidator")
        self.block.add("", "")
        with self.block.under(f"def _checks(function: str) -> tuple[{params}, {value}]:"):
            self.block.add("from .validators import PARAMS, RESULTS", "", "return PARAMS[function], RESULTS[function]")

    def operation(self, endpoint: Endpoint, constant: str) -> None:
        """The conversions of one function and the constant that holds them."""
        function, block = endpoint.function, self.block
        encode, decode, give = (f"_{constant.lower()}_{what}" for what in ("params", "result", "given"))
        params = list(zip(function.params, parameter_names(function), strict=True))
        json_value = self.scope.value("JsonValue")
        block.add("", "")
        annotated = [f"{name}: {self._annotations.of(param.type)}" for param, name in params]
        block.listed(f"def {encode}(", annotated, f") -> dict[str, {json_value}]:", call=True)
        with block.under():
            convert = self._conversions.to_json
            items = [f"{literal(json_name(param.name))}: {convert(param.type, name)}" for param, name in params]
            block.listed("return {", items, "}")
        block.add("", "")
        annotation = self._annotations.of(function.result)
        is_same = function.result is not None and self._conversions.from_json(function.result, "data") == "data"
        data = annotation if is_same else self.scope.use("typing", "Any")
        with block.under(f"def {decode}(data: {data}) -> {annotation}:"):
            self._decode(endpoint)
        block.add("", "")
        with block.under(f"def {give}(value: {annotation}) -> {json_value}:"):
            block.code(f"return {'value' if function.result is None else convert(function.result, 'value')}")
        operation, final = self.scope.use(CLIENT, "Operation"), self.scope.use("typing", "Final")
        fallible = isinstance(function.result and unalias(function.result), ResultType)
        arguments = [literal(str(endpoint.ffqn.interface)), literal(function.name), encode, decode]
        block.add("", "")
        with block.under(f"{constant}: {final} = {operation}("):
            block.add(*(f"{argument}," for argument in arguments), *(["is_fallible=True,"] if fallible else []))
            if params:
                listed = [literal(json_name(param.name)) for param, _ in params]
                block.listed("params=(", listed, ",)," if len(listed) == 1 else "),")
            block.add(f"encode_result={give},", "checks=_checks,")
        block.add(")", *docstring(f"The function `{endpoint.ffqn}`."))

    def function(self, client: str, endpoint: Endpoint, way: _Way) -> str:
        """The class of one function, whose methods have its parameters; gives its name."""
        function, block = endpoint.function, self.block
        name = self.scope.declare(function_class_name(client, function.name))
        result, docs = self._annotations.of(function.result), function.docs or f"The function `{endpoint.ffqn}`."
        handle = f"{self.scope.use(CLIENT, way.handle)}[{result}]"
        waits, values = "await " if way.is_async else "", ", ".join(parameter_names(function))
        block.add("", "")
        with block.under(f"class {name}({self.scope.use(CLIENT, way.function)}[{result}]):"):
            block.add(*docstring(docs))
            for method, call, given, text in (
                ("__call__", "_call", result, docs),
                ("submit", "_submit", handle, f"Record the call, which goes on by itself.\n\n{docs}"),
            ):
                block.add("")
                head = "async def " if way.is_async else "def "
                signature(block, self._annotations, method, function, given, head=head)
                with block.under():
                    block.add(*docstring(text))
                    block.code(f"return {waits}self.{call}({values})")
        return name

    def _decode(self, endpoint: Endpoint) -> None:
        result = endpoint.function.result
        bare = None if result is None else unalias(result)
        if isinstance(bare, ResultType):
            with self.block.under('if "ok" in data:'):
                self.block.code(f"return {self._conversions.side(bare.ok, 'Ok', 'data')}")
            self.block.code(f"return {self._conversions.side(bare.err, 'Err', 'data')}")
        elif result is None:
            self.block.add("return None")
        else:
            self.block.code(f"return {self._conversions.from_json(result, 'data')}")

    def interface(
        self, name: str, endpoints: Sequence[Endpoint], classes: Sequence[str], constants: Sequence[str], client: str
    ) -> None:
        """The class of an interface's functions."""
        block, first = self.block, endpoints[0]
        block.add("", "")
        with block.under(f"class {name}:"):
            block.add(*docstring(f"Calls `{first.ffqn.interface}` over HTTP.\n\n{first.interface_docs}"), "")
            with block.under(f"def __init__(self, client: {self.scope.use(CLIENT, client)}) -> None:"):
                for endpoint, kind, constant in zip(endpoints, classes, constants, strict=True):
                    block.code(f"self.{attribute_name(endpoint.ffqn.function)} = {kind}(client, {constant})")
                    block.add(*(docstring(endpoint.function.docs) if endpoint.function.docs else ()))
