"""The module ``worker.py`` of a generated package: its functions, implemented in Python outside the engine.

Per function the conversion of its parameters and that of its result, and an `Operation` that holds both with the
function's signature and the validator of its result; per interface an abstract class to implement. Everything else is
`obelisk.worker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.conversions import Conversions
from obelisk.codegen.emit.endpoints import Endpoint
from obelisk.codegen.emit.json_schema import title_word
from obelisk.codegen.emit.layout import Layout
from obelisk.codegen.emit.modules import module
from obelisk.codegen.emit.python_names import attribute_name
from obelisk.codegen.emit.scope import WORKER, Scope
from obelisk.codegen.emit.signatures import signature
from obelisk.codegen.emit.writer import Block, docstring, literal
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.signatures import signature_of
from obelisk.codegen.model.types import OptionType, ResultType, Type, unalias

_IMPORTED: Final = ("Any", "Final", "Ok", "Err", "Some", "JsonValue", "RESULTS", "abstractmethod")
_RUNTIME: Final = ("Fallible", "Operation", "Returned", "Served", "Wrapped")


def worker_module(layout: Layout, folder: str, title: str, endpoints: Sequence[Endpoint], stamp: str) -> str:
    """The source; `title` is the package as documentation calls it."""
    writer = _WorkerWriter(layout, folder)
    groups = [list(group) for _, group in groupby(endpoints, key=lambda endpoint: endpoint.ffqn.interface)]
    named = [(writer.scope.declare(worker_class(group[0])), group) for group in groups]
    constants = {
        endpoint.ffqn: writer.scope.declare(
            f"{json_name(endpoint.ffqn.interface.name)}__{json_name(endpoint.ffqn.function)}".upper()
        )
        for endpoint in endpoints
    }
    for endpoint in endpoints:
        writer.operation(endpoint, constants[endpoint.ffqn])
    for name, group in named:
        writer.interface(name, group, [constants[endpoint.ffqn] for endpoint in group])
    summary = (
        f"Implements `{title}` in Python, outside the engine.\n\n"
        "Write a class for an interface, with `def` or `async def`, and give an object of it to an\n"
        "`obelisk.worker.Worker`. A function with a WIT `result` returns the good value or raises `Err(refusal)`."
    )
    return module(stamp, summary, writer.scope.imports(), writer.block.text())


def worker_class(endpoint: Endpoint) -> str:
    """What the class to implement for an endpoint's interface is called."""
    return f"{title_word(endpoint.ffqn.interface.name)}Worker"


class _WorkerWriter:
    def __init__(self, layout: Layout, folder: str) -> None:
        self.block = Block()
        self.scope = Scope((folder, "worker"), *_IMPORTED, *_RUNTIME)
        self._folder = folder
        self._annotations = Annotations(layout, self.scope)
        self._conversions = Conversions(layout, self.scope, self._annotations)

    def operation(self, endpoint: Endpoint, constant: str) -> None:
        """The conversions of one function and the constant that holds them."""
        function, block = endpoint.function, self.block
        decode, encode = f"_{constant.lower()}_params", f"_{constant.lower()}_result"
        types = [self._annotations.of(param.type) for param in function.params]
        data = self.scope.use("typing", "Any")
        block.add("", "")
        with block.under(f"def {decode}(data: {data}) -> tuple[{', '.join(types) or '()'}]:"):
            items = [
                self._conversions.from_json(param.type, f"data[{literal(json_name(param.name))}]")
                for param in function.params
            ]
            block.listed("return (", items, ",)" if len(items) == 1 else ")")
        block.add("", "")
        given = self._annotations.of(function.result)
        with block.under(f"def {encode}(value: {given}) -> {self.scope.value('JsonValue')}:"):
            if function.result is None:
                block.add("return value")
            else:
                block.code(f"return {self._conversions.to_json(function.result, 'value')}")
        self.scope.adopt((self._folder, "validators"), "RESULTS")
        names = [str(endpoint.ffqn.interface), function.name, attribute_name(function.name), signature_of(function)]
        arguments = [*map(literal, names), decode, encode, f"RESULTS[{literal(str(endpoint.ffqn))}]"]
        if _result(function.result) is not None:
            arguments.append("is_fallible=True")
        final, operation = self.scope.use("typing", "Final"), self.scope.use(WORKER, "Operation")
        block.add("", "")
        block.listed(f"{constant}: {final} = {operation}(", arguments, ")", call=True)
        block.add(*docstring(f"The function `{endpoint.ffqn}`."))

    def interface(self, name: str, group: Sequence[Endpoint], constants: Sequence[str]) -> None:
        """The class to implement."""
        block, first = self.block, group[0]
        block.add("", "")
        with block.under(f"class {name}({self.scope.use(WORKER, 'Served')}):"):
            block.add(*docstring(f"Implement `{first.ffqn.interface}`.\n\n{first.interface_docs}"), "")
            block.listed("obelisk__operations = (", constants, ",)" if len(constants) == 1 else ")")
            for endpoint in group:
                function = endpoint.function
                block.add("", f"@{self.scope.use('abc', 'abstractmethod')}")
                returned = self._returned(function.result)
                signature(block, self._annotations, attribute_name(function.name), function, returned)
                with block.under():
                    block.add(*docstring(function.docs or f"The function `{function.name}`."), "...")

    def _returned(self, result: Type | None) -> str:
        """What an implementation may return, now or as an awaitable."""
        bare = _result(result)
        if bare is None:
            return f"{self.scope.use(WORKER, 'Returned')}[{self._annotations.of(result)}]"
        kind = "Wrapped" if _may_be_result(bare.ok) else "Fallible"
        sides = f"{self._annotations.of(bare.ok)}, {self._annotations.of(bare.err)}"
        return f"{self.scope.use(WORKER, kind)}[{sides}]"


def _result(type_: Type | None) -> ResultType | None:
    bare = None if type_ is None else unalias(type_)
    return bare if isinstance(bare, ResultType) else None


def _may_be_result(ok: Type | None) -> bool:
    """Whether a good value can itself be an `Ok` or `Err`: only wrapping tells it from the whole result."""
    bare = None if ok is None else unalias(ok)
    while isinstance(bare, OptionType):
        bare = unalias(bare.payload)
    return isinstance(bare, ResultType)
