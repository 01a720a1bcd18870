"""The module ``client.py`` of a generated package: its functions, called over HTTP with typed values.

Per function the conversion of its parameters, that of its result, and an `Operation` that holds both; per interface a
class of `Function` attributes and one of `AsyncFunction`. Everything else is `obelisk.client`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.conversions import Conversions
from obelisk.codegen.emit.endpoints import Endpoint
from obelisk.codegen.emit.layout import Layout
from obelisk.codegen.emit.modules import module
from obelisk.codegen.emit.python_names import attribute_name, class_name, parameter_name
from obelisk.codegen.emit.scope import CLIENT, Scope
from obelisk.codegen.emit.writer import Block, NameTable, docstring, literal
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.types import ResultType, unalias

_IMPORTED: Final = ("Any", "Final", "Ok", "Err", "Some", "JsonValue")
_RUNTIME: Final = ("AsyncClient", "AsyncFunction", "Client", "Function", "Operation")


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
    for _, group in named:
        for endpoint in group:
            writer.operation(endpoint, constants[endpoint.ffqn])
    for names, group in named:
        rows = [(attribute_name(e.ffqn.function), constants[e.ffqn], e.function.docs) for e in group]
        for name, kind, client in (
            (names.blocking, "Function", "Client"),
            (names.asynchronous, "AsyncFunction", "AsyncClient"),
        ):
            writer.interface(name, group[0], kind, client, rows)
    summary = (
        f"Calls `{title}` over HTTP.\n\n"
        "Give a class here an `obelisk.client.Client` or `AsyncClient`. A function is called as it stands, or\n"
        "recorded with its method `submit`. A WIT `result` comes back as `Ok` or `Err`; what else goes wrong is raised."
    )
    return module(stamp, summary, writer.scope.imports(), writer.block.text())


@dataclass(frozen=True, slots=True)
class _Names:
    blocking: str
    asynchronous: str

    @classmethod
    def of(cls, endpoint: Endpoint, scope: Scope) -> _Names:
        name = class_name(endpoint.ffqn.interface.name).rstrip("_")
        return cls(scope.declare(f"{name}Client"), scope.declare(f"{name}ClientAsync"))


class _ClientWriter:
    def __init__(self, layout: Layout, folder: str) -> None:
        self.block = Block()
        self.scope = Scope((folder, "client"), *_IMPORTED, *_RUNTIME)
        self._annotations = Annotations(layout, self.scope)
        self._conversions = Conversions(layout, self.scope, self._annotations)

    def operation(self, endpoint: Endpoint, constant: str) -> None:
        """The conversions of one function and the constant that holds them."""
        function, block = endpoint.function, self.block
        encode, decode = f"_{constant.lower()}_params", f"_{constant.lower()}_result"
        names = NameTable()
        params = [(param, names.unique(parameter_name(param.name))) for param in function.params]
        block.add("", "")
        signature = [f"{name}: {self._annotations.of(param.type)}" for param, name in params]
        block.listed(f"def {encode}(", signature, f") -> dict[str, {self.scope.value('JsonValue')}]:", call=True)
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
        operation, final = self.scope.use(CLIENT, "Operation"), self.scope.use("typing", "Final")
        fallible = isinstance(function.result and unalias(function.result), ResultType)
        arguments = [literal(str(endpoint.ffqn.interface)), literal(function.name), encode, decode]
        block.add("", "")
        block.listed(
            f"{constant}: {final} = {operation}(",
            [*arguments, *(["is_fallible=True"] if fallible else [])],
            ")",
            call=True,
        )
        block.add(*docstring(f"The function `{endpoint.ffqn}`."))

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
        self, name: str, endpoint: Endpoint, kind: str, client: str, rows: Sequence[tuple[str, str, str]]
    ) -> None:
        """The class of an interface's functions."""
        block, docs = self.block, endpoint.interface_docs
        block.add("", "")
        with block.under(f"class {name}:"):
            block.add(*docstring(f"Calls `{endpoint.ffqn.interface}` over HTTP.\n\n{docs}"), "")
            with block.under(f"def __init__(self, client: {self.scope.use(CLIENT, client)}) -> None:"):
                for attribute, constant, text in rows:
                    block.code(f"self.{attribute} = {self.scope.use(CLIENT, kind)}(client, {constant})")
                    block.add(*(docstring(text) if text else ()))
