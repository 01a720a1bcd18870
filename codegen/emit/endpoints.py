"""Which functions have an HTTP endpoint: free functions whose parameters and result all have a JSON form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from obelisk.codegen.emit.crossing import can_cross, types_of
from obelisk.codegen.model.items import Function, FunctionKind, Interface
from obelisk.codegen.model.json_form import UnsupportedType, require_json_form
from obelisk.codegen.model.names import Ffqn


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A function that can be called over HTTP, with what its document says of its interface."""

    ffqn: Ffqn
    function: Function
    interface_docs: str = ""

    @property
    def path(self) -> str:
        """``/v1/functions/{ns}:{pkg}/{ifc}[@{version}]/{function}``."""
        return f"/v1/functions/{self.ffqn.interface}/{self.function.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A function without an endpoint.

    `code` is ``resource-function`` (it belongs to a resource), ``resource-handle`` (it passes one), or one of
    `UnsupportedType`. Those of the first two codes have typed bindings.
    """

    ffqn: str
    code: str
    reason: str


def endpoints(interfaces: Iterable[Interface]) -> tuple[tuple[Endpoint, ...], tuple[LeftOut, ...]]:
    """The functions of these interfaces in their order, and those left out, each with the reason."""
    found: list[Endpoint] = []
    left_out: list[LeftOut] = []
    for interface in interfaces:
        for function in interface.functions:
            if function.kind is not FunctionKind.FREE:
                method = f"{interface.name}.{function.export_name}"
                reason = f"it belongs to the resource {function.resource}, which lives only inside a component"
                left_out.append(LeftOut(ffqn=method, code="resource-function", reason=reason))
                continue
            ffqn = Ffqn(interface.name, function.name)
            try:
                require_json_form(*(param.type for param in function.params), function.result)
            except UnsupportedType as refusal:
                code = "resource-handle" if can_cross(*types_of(function)) else refusal.code
                left_out.append(LeftOut(ffqn=str(ffqn), code=code, reason=refusal.reason))
            else:
                found.append(Endpoint(ffqn=ffqn, function=function, interface_docs=interface.docs))
    return tuple(found), tuple(left_out)
