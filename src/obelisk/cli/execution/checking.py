"""Checks parameters against a function's WIT before they are sent: the server's own check, made here.

The WIT is asked of the server. Where it has none to give (the component has just been taken out), nothing is checked
here: the server checks every call itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from obelisk.cli.connection.client import Client, component_path, problem_error
from obelisk.codegen.emit.validators import ParamsValidator, compile_params
from obelisk.codegen.model.json_form import UnsupportedType
from obelisk.codegen.model.names import Ffqn
from obelisk.codegen.model.problems import Problem
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile
from obelisk.gateway.errors import located
from obelisk.gateway.http.strict_json import JsonRefused, decode


def check(client: Client, function: Mapping[str, Any], body: bytes) -> None:
    """Check a call's body; `function` is what the server shows of it. CommandError ``params_invalid``."""
    try:
        params = decode(body)
    except JsonRefused as refused:
        raise _refused("the parameters are not JSON", refused.problems, function) from None
    answer = client.text(f"{component_path(function['component'])}/wit")
    validate = validator(str(answer.value), function["ffqn"]) if answer.status == 200 else None
    if validate is None:
        return
    _, problems = validate(params)
    if problems:
        raise _refused(f"parameters of {function['ffqn']} do not typecheck", problems, function)


def validator(wit: str, ffqn: str) -> ParamsValidator | None:
    """The check of a function's parameters by a component's WIT text; None when the text does not have it."""
    resolution = resolve_sources([SourceFile(path="server.wit", text=wit)]).resolution
    name = Ffqn.parse(ffqn)
    interface = resolution.interface(name.interface) if resolution is not None else None
    for function in interface.functions if interface is not None else ():
        if function.name == name.function:
            try:
                return compile_params(function)
            except UnsupportedType:
                return None
    return None


def _refused(detail: str, problems: tuple[Problem, ...], function: Mapping[str, Any]) -> Exception:
    problem = {"code": "params_invalid", "detail": detail, "errors": located(problems)}
    return problem_error(problem, hint=f"its WIT is {function['wit']}")
