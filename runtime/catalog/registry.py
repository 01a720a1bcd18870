"""What is deployed: components and their functions, as one immutable snapshot.

The one module of the runtime that compiles validators (`codegen.emit.validators`), because components arrive while the
runtime is up. A new deployment is a new `Registry`; nothing ever changes inside one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from obelisk.codegen.emit.validators import ParamsValidator, ValueValidator, compile_params, compile_value
from obelisk.codegen.model import signatures
from obelisk.codegen.model.items import Function, FunctionKind
from obelisk.codegen.model.json_form import UnsupportedType, require_json_form
from obelisk.codegen.model.names import Ffqn, InterfaceName
from obelisk.codegen.model.problems import Problem
from obelisk.runtime.catalog.description import Description
from obelisk.runtime.catalog.retry import RetryPolicy
from obelisk.runtime.catalog.settings import (
    ATTEMPTED,
    ComponentKind,
    ComponentSettings,
)
from obelisk.runtime.errors import FunctionNotFound
from obelisk.runtime.ports.guest import ExportFunction, bound_of_values
from obelisk.runtime.ports.store import StoredComponent


@dataclass(frozen=True, kw_only=True)
class Component:
    """One deployed component."""

    name: str
    kind: ComponentKind
    settings: ComponentSettings
    description: Description

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` of its binary."""
        return self.description.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a component that is on record as deployed cannot be run by this process."""

    stored: StoredComponent
    reason: str


@dataclass(frozen=True, kw_only=True)
class DeployedFunction:
    """One exported function of a deployed component; `ffqn` is its text form."""

    ffqn: str
    interface: InterfaceName
    function: Function
    component: Component
    retry: RetryPolicy
    unsupported: str = ""

    @cached_property
    def signature(self) -> str:
        """What records of it say of its types; UNKNOWN for one that has no place in the log."""
        return signatures.UNKNOWN if self.unsupported else signatures.signature_of(self.function)

    @cached_property
    def shape(self) -> str:
        """How its results are read."""
        return signatures.shape_of(self.function.result)

    @cached_property
    def export(self) -> ExportFunction:
        """What the host starts."""
        return ExportFunction(interface=str(self.interface), function=self.function, bound=bound_of_values)

    @cached_property
    def kind(self) -> ComponentKind:
        """What its component is run as."""
        return self.component.kind

    @cached_property
    def total_timeout_ms(self) -> int | None:
        """What records of its executions say bounds their time; None where that is not bounded by a setting."""
        return self.component.settings.total_timeout_ms if self.kind in ATTEMPTED else None

    @cached_property
    def stays_hot(self) -> bool:
        """Whether a workflow's guest is kept while it waits, as long as there is room."""
        settings = self.component.settings
        return settings.hot and not settings.max_concurrent

    @cached_property
    def begins_early(self) -> bool:
        """Whether an execution may begin while the commit that creates it is in flight (`executor.early`)."""
        settings = self.component.settings
        return settings.begin_early and not settings.directories

    @property
    def cancellable(self) -> bool:
        """Whether its executions may be cancelled before they have ended: activities always."""
        return self.kind is not ComponentKind.WORKFLOW or self.component.settings.cancellable

    def check_params(self, value: object) -> tuple[list[object] | None, tuple[Problem, ...]]:
        """Canonical positional parameters of a JSON object or array, or every problem. Compiled on first use."""
        params, problems = self._validator(value)
        return (None if params is None else list(params)), problems

    def check_result(self, value: object) -> tuple[object, tuple[Problem, ...]]:
        """The canonical form of a result (null for a function without one), or every problem. Compiled on first use."""
        return self._result_validator(value)

    @cached_property
    def _result_validator(self) -> ValueValidator:
        return compile_value(self.function.result)

    @cached_property
    def _validator(self) -> ParamsValidator:
        return compile_params(self.function)


@dataclass(frozen=True)
class Registry:
    """All deployed components and functions; `builds`: earlier ones that finish what they began. `faults` has, by name,
    what is deployed and cannot be run; it is none of `components` when not even its functions can be read."""

    components: tuple[Component, ...] = ()
    builds: tuple[Component, ...] = ()
    faults: Mapping[str, Fault] = field(default_factory=dict[str, Fault])

    @cached_property
    def functions(self) -> Mapping[str, DeployedFunction]:
        """Every function that can be run, by Ffqn text, in component then interface then source order."""
        table: dict[str, DeployedFunction] = {}
        for component in self.components:
            for function in deployed(component):
                table.setdefault(function.ffqn, function)
        return MappingProxyType(table)

    def function(self, ffqn: str) -> DeployedFunction:
        """The deployed function; FunctionNotFound with near names."""
        found = self.functions.get(ffqn)
        if found is None:
            raise FunctionNotFound(f"no deployed component exports {ffqn}", ffqn=ffqn)
        return found

    @cached_property
    def earlier(self) -> Mapping[tuple[str, str], DeployedFunction]:
        """The functions of `builds`, by Ffqn and digest."""
        return {(f.ffqn, component.digest): f for component in self.builds for f in deployed(component)}

    def built(self, ffqn: str, digest: str) -> DeployedFunction | None:
        """The function as an earlier build `digest` has it, else as it is deployed, if it is."""
        return self.earlier.get((ffqn, digest)) or self.functions.get(ffqn)

    @cached_property
    def unread(self) -> tuple[Fault, ...]:
        """What is deployed and cannot be read."""
        return tuple(fault for name, fault in self.faults.items() if self.component(name) is None)

    def component(self, name: str) -> Component | None:
        """The component of that name."""
        return next((c for c in self.components if c.name == name), None)


def deployed(component: Component) -> Iterable[DeployedFunction]:
    """The functions a component exports: free functions of named interfaces.

    A function whose types have no JSON form is listed with `unsupported` saying why; it cannot be submitted.
    """
    for interface in component.description.exports:
        for function in interface.functions:
            if function.kind is not FunctionKind.FREE:
                continue
            unsupported = ""
            try:
                require_json_form(*(p.type for p in function.params), function.result)
            except UnsupportedType as error:
                unsupported = str(error)
            yield DeployedFunction(
                ffqn=str(Ffqn(interface.name, function.name)),
                interface=interface.name,
                function=function,
                component=component,
                retry=component.settings.retry,
                unsupported=unsupported,
            )
