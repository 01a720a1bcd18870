"""Clients over HTTP in TypeScript: ``typescript/client.ts`` of a package, a class for each of its interfaces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from obelisk.codegen.emit.endpoints import Endpoint
from obelisk.codegen.emit.layout import Layout
from obelisk.codegen.emit.typescript.names import client_name, jsdoc, method_name, params_name
from obelisk.codegen.emit.typescript.scope import FOLDER, RUNTIME, Scope
from obelisk.codegen.emit.typescript.types import Expressions
from obelisk.codegen.emit.writer import literal
from obelisk.codegen.model.types import Field, ResultType, unalias


def client_module(layout: Layout, folder: str, title: str, endpoints: Sequence[Endpoint], stamp: str) -> str:
    """The source; `title` is the package as documentation calls it."""
    scope = Scope(layout, (folder, FOLDER, "client"))
    write = Expressions(scope)
    lines: list[str] = []
    for _, group in groupby(endpoints, key=lambda endpoint: endpoint.ffqn.interface):
        lines += _interface(list(group), write)
    docs = (
        f"Calls `{title}` over HTTP.\n\n"
        "Give a class here a `Client` of `obelisk`. A function is called as it stands, or recorded with its method\n"
        "`submit`. A WIT `result` comes back as `{ ok }` or `{ err }`; what else goes wrong is thrown."
    )
    return "\n".join([*scope.head(stamp, docs), *lines, ""])


def _interface(endpoints: Sequence[Endpoint], write: Expressions) -> list[str]:
    """The parameters of each function, then the class."""
    lines: list[str] = []
    for endpoint in endpoints:
        lines += [
            "",
            *jsdoc(f"The parameters of `{endpoint.ffqn}`."),
            f"export interface {_params(endpoint)} {{",
            *write.fields(_fields(endpoint)),
            "}",
        ]
    first = endpoints[0]
    members = [line for endpoint in endpoints for line in (*_member(endpoint, write), "")]
    made = [line for endpoint in endpoints for line in _made(endpoint, write)]
    return [
        *lines,
        "",
        *jsdoc(f"Calls `{first.ffqn.interface}` over HTTP.\n\n{first.interface_docs}"),
        f"export class {client_name(first.ffqn.interface.name)} {{",
        *(f"  {line}".rstrip() for line in members),
        f"  constructor(client: {RUNTIME}.Client) {{",
        *(f"    {line}" for line in made),
        "  }",
        "}",
    ]


def _member(endpoint: Endpoint, write: Expressions) -> list[str]:
    function = endpoint.function
    docs = jsdoc(function.docs or f"The function `{endpoint.ffqn}`.", function.stability.deprecated)
    return [*docs, f"readonly {method_name(function.name)}: {RUNTIME}.Callable<{_signature(endpoint, write)}>;"]


def _made(endpoint: Endpoint, write: Expressions) -> list[str]:
    function, result = endpoint.function, endpoint.function.result
    record = write.record(function.name, _fields(endpoint))
    fallible = result is not None and isinstance(unalias(result), ResultType)
    return [
        f"this.{method_name(function.name)} = {RUNTIME}.callable<{_signature(endpoint, write)}>(client, {{",
        f"  path: {literal(f'{endpoint.ffqn.interface}/{function.name}')},",
        f"  params: {record[0]}",
        *(f"  {line}" for line in record[1:-1]),
        f"  {record[-1]},",
        f"  result: {f'{RUNTIME}.nothing' if result is None else write.codec(result)},",
        f"  isFallible: {'true' if fallible else 'false'},",
        "});",
    ]


def _signature(endpoint: Endpoint, write: Expressions) -> str:
    result = endpoint.function.result
    return f"{_params(endpoint)}, {'void' if result is None else write.type(result)}"


def _params(endpoint: Endpoint) -> str:
    return params_name(endpoint.ffqn.interface.name, endpoint.ffqn.function)


def _fields(endpoint: Endpoint) -> tuple[Field, ...]:
    return tuple(Field(param.name, param.type) for param in endpoint.function.params)
