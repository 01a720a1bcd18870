"""What is deployed: components, their functions and settings, as one immutable snapshot.

The one module of the runtime that reads component binaries (`codegen.binary`) and compiles validators
(`codegen.emit.validators`), because components arrive while the runtime is up. A new deployment is a new `Registry`;
nothing ever changes inside one.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import msgspec

from obelisk.codegen.binary.decoder import Decoded, decode
from obelisk.codegen.emit.validators import ParamsValidator, ValueValidator, compile_params, compile_value
from obelisk.codegen.model.items import Function, FunctionKind, Interface, World, WorldInterface
from obelisk.codegen.model.json_form import UnsupportedType, require_json_form
from obelisk.codegen.model.names import Ffqn, InterfaceName
from obelisk.codegen.model.problems import Problem
from obelisk.runtime.catalog.retry import RetryPolicy
from obelisk.runtime.errors import ComponentError, ConfigError, FunctionNotFound
from obelisk.runtime.log import signatures
from obelisk.runtime.ports.access import MAX_RESPONSE_BYTES, Access, ComponentHttp
from obelisk.runtime.ports.claims import is_label
from obelisk.runtime.ports.guest import DEFAULT_LIMITS, ExportFunction, Limits


class ComponentKind(enum.Enum):
    """What a component is run as; of a stub only the interface counts, its code, if it has any, is never run."""

    WORKFLOW = "workflow"
    ACTIVITY = "activity"
    STUB = "stub"


RUNNABLE = (ComponentKind.WORKFLOW, ComponentKind.ACTIVITY)
"""The kinds that executors run; executions of stubs wait for a result from outside."""

REPLAY, AUTO, MANUAL, PIN = UPGRADES = ("replay", "auto", "manual", "pin")
REJECT, EVICT_OLDEST = WHEN_FULL = ("reject", "evict-oldest")
_DECADE_MS = 315_360_000_000
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "max_retries": (0, 1_000_000),
    "initial_backoff_ms": (0, _DECADE_MS),
    "max_backoff_ms": (0, _DECADE_MS),
    "attempt_timeout_ms": (1, _DECADE_MS),
    "total_timeout_ms": (0, _DECADE_MS),
    "max_concurrent": (0, 1_000_000),
    "max_pending": (0, 1_000_000_000),
    "max_memory_bytes": (1 << 16, 4 << 30),
    "max_table_elements": (0, 1 << 27),
    "max_instances": (1, 10_000),
    "max_stack_bytes": (64 << 10, 64 << 20),
    "fuel": (0, (1 << 63) - 1),
    "max_output_bytes": (0, 1 << 30),
    # The store takes rows up to 1 GB, and a text inside an event's JSON may have six times its bytes.
    "max_value_bytes": (1 << 10, 1 << 27),
}
"""The least and the most of a component's settings that are integers, both included."""


class ComponentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one component, as in the configuration file; durations in milliseconds.

    `kind` empty means: a workflow when it imports `obelisk:workflow` or another component's functions, else an
    activity. `attempt_timeout_ms` bounds one attempt of an activity, `total_timeout_ms` all of them, from the instant
    for which the execution was scheduled, also while none runs: it waits for an executor or is paused (0: no bound).
    `cancellable` false keeps a workflow from being cancelled: whoever closes the join set it is in waits for it.
    `upgrade` says what becomes of a workflow's executions that were logged with another build: "replay" goes on with
    this one; "auto" too, and records the upgrade once the log was replayed whole; "manual" pauses all; "pin" goes on
    with that build. What diverges is paused in any case.

    Limits of a guest, each a failure of the execution that says which one: `max_memory_bytes` of a linear memory,
    `max_table_elements` of a table, `max_instances` that the component is made of, `max_stack_bytes` of its calls,
    `fuel` (instructions; 0: none are counted), `max_output_bytes` that one attempt of an activity, or a workflow, may
    log and write to its standard streams, `max_value_bytes` of a value as JSON: of a result, of a stub's result, of the
    parameters of a submission (both are refused, by HTTP with status 413), of a child or of what is scheduled.

    `hot` false unloads a workflow when it waits and replays it when its answer is there, but for work that is under way
    (`[executor] linger_ms`); true keeps it in memory as long as there is room. `begin_early` false makes an execution
    wait for the commit that creates it before its guest computes anything; what leaves the process waits for it in any
    case. `labels`: only executors that have all of them run the component. `max_concurrent` bounds how many of its
    executions are locked at once, over all executors (0: no bound); a workflow that waits is unloaded then, likewise,
    so that it never keeps the place that its own children wait for.
    `max_pending` bounds how many wait for an executor (0: no bound but the server's); a submission beyond that is
    refused, or with `when_full` "evict-oldest" takes the place of the one that waits the longest.

    `env`, `http`, `secrets` and `directories` are what an activity may reach: see `access`.
    """

    kind: str = ""
    max_retries: int = 5
    initial_backoff_ms: int = 100
    backoff_factor: float = 2.0
    max_backoff_ms: int = 60_000
    attempt_timeout_ms: int = 60_000
    total_timeout_ms: int = 0
    retry_on_err: bool = True
    cancellable: bool = True
    upgrade: str = "replay"
    max_memory_bytes: int = DEFAULT_LIMITS.memory_bytes
    max_table_elements: int = DEFAULT_LIMITS.table_elements
    max_instances: int = DEFAULT_LIMITS.instances
    max_stack_bytes: int = DEFAULT_LIMITS.stack_bytes
    fuel: int = 0
    max_output_bytes: int = 1 << 20
    max_value_bytes: int = 4 << 20
    hot: bool = True
    begin_early: bool = True
    labels: tuple[str, ...] = ()
    max_concurrent: int = 0
    max_pending: int = 0
    when_full: str = REJECT
    env: dict[str, str] = {}
    http: ComponentHttp = ComponentHttp()
    secrets: dict[str, str] = {}
    directories: dict[str, str] = {}

    @classmethod
    def read(cls, text: str | bytes, where: str, *, stored: bool = False) -> ComponentSettings:
        """Decode and check settings; ConfigError naming the key below `where`.

        `stored`: they were accepted once, perhaps by a version with wider bounds; what lies beyond today's is taken as
        the bound, so that an old database still opens.
        """
        try:
            settings = msgspec.json.decode(text, type=cls)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{where}: {error}", key=where) from None
        if stored:
            nearest = {key: min(max(getattr(settings, key), low), high) for key, (low, high) in BOUNDS.items()}
            most = min(settings.http.max_response_bytes, MAX_RESPONSE_BYTES)
            http = msgspec.structs.replace(settings.http, max_response_bytes=most)
            settings = msgspec.structs.replace(settings, **nearest, http=http)
        if settings.kind not in ("", *(kind.value for kind in ComponentKind)):
            raise ConfigError(f'{where}.kind: expected "workflow", "activity" or "stub"', key=f"{where}.kind")
        for key, (low, high) in BOUNDS.items():
            if not low <= getattr(settings, key) <= high:
                raise ConfigError(f"{where}.{key}: must lie in {low}…{high}", key=f"{where}.{key}")
        if settings.upgrade not in UPGRADES:
            raise ConfigError(f"{where}.upgrade: expected one of {', '.join(UPGRADES)}", key=f"{where}.upgrade")
        if settings.when_full not in WHEN_FULL:
            raise ConfigError(f"{where}.when_full: expected one of {', '.join(WHEN_FULL)}", key=f"{where}.when_full")
        for label in settings.labels:
            if not is_label(label):
                raise ConfigError(f'{where}.labels: "{label}" is no label', key=f"{where}.labels")
        if not settings.cancellable and settings.kind == "activity":
            raise ConfigError(f"{where}.cancellable: an activity always is", key=f"{where}.cancellable")
        if not 1.0 <= settings.backoff_factor <= 100.0:
            raise ConfigError(f"{where}.backoff_factor: must lie in 1…100", key=f"{where}.backoff_factor")
        settings.access(where).check(stored=stored)
        return settings

    def access(self, where: str) -> Access:
        """What a component with these settings, which stand below the key `where`, may reach."""
        return Access(
            where=where,
            environment=self.env,
            http=self.http,
            secrets=self.secrets,
            directories=self.directories,
        )

    @property
    def limits(self) -> Limits:
        """What a guest may use."""
        return Limits(
            memory_bytes=self.max_memory_bytes,
            table_elements=self.max_table_elements,
            instances=self.max_instances,
            stack_bytes=self.max_stack_bytes,
            fuel=self.fuel or None,
        )

    @property
    def retry(self) -> RetryPolicy:
        """The retry policy these settings stand for."""
        return RetryPolicy(
            max_retries=self.max_retries,
            initial_backoff_us=self.initial_backoff_ms * 1000,
            factor=self.backoff_factor,
            max_backoff_us=self.max_backoff_ms * 1000,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a binary says of itself: the interfaces it exports and imports, and imports without a ``ns:pkg/`` name."""

    digest: str
    exports: tuple[Interface, ...]
    imports: tuple[Interface, ...]
    plain_imports: tuple[str, ...]


def digest_of(binary: bytes) -> str:
    """``sha256:…`` of a component binary."""
    return f"sha256:{hashlib.sha256(binary).hexdigest()}"


def describe(binary: bytes, *, stub: bool = False) -> Description:
    """Read a component binary's interface; ComponentError says what is wrong and at which byte.

    `stub`: a WIT package in binary form will do as well; it exports the interfaces that it declares.
    """
    decoded = decode(binary)
    if stub and decoded.world is None and decoded.resolution is not None:
        packages = (decoded.resolution.package(name) for name in decoded.resolution.main)
        interfaces = tuple(i for package in packages if package is not None for i in package.interfaces)
        return Description(digest=digest_of(binary), exports=interfaces, imports=(), plain_imports=())
    world = _world(decoded)
    return Description(
        digest=digest_of(binary),
        exports=tuple(
            i.interface for i in world.exports if isinstance(i, WorldInterface) and not i.interface.inline_name
        ),
        imports=tuple(
            i.interface for i in world.imports if isinstance(i, WorldInterface) and not i.interface.inline_name
        ),
        plain_imports=tuple(
            i.interface.inline_name if isinstance(i, WorldInterface) else i.name
            for i in world.imports
            if isinstance(i, Function) or (isinstance(i, WorldInterface) and i.interface.inline_name)
        ),
    )


def world_of(binary: bytes) -> World:
    """All that a component imports and exports; ComponentError as `describe`."""
    return _world(decode(binary))


def _world(decoded: Decoded) -> World:
    if decoded.world is None or decoded.problems:
        problem = decoded.problems[0] if decoded.problems else None
        raise ComponentError(f"not a component: {problem}" if problem else "not a component: it has no world")
    return decoded.world


def infer_kind(description: Description) -> ComponentKind:
    """A component that imports anything but WASI, logs and plain types orchestrates others: a workflow."""
    for interface in description.imports:
        name = interface.name
        if name.package.namespace == "wasi" or not interface.functions:
            continue
        if name.package.namespace == "obelisk" and name.package.name != "workflow":
            continue
        return ComponentKind.WORKFLOW
    return ComponentKind.ACTIVITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One deployed component."""

    name: str
    kind: ComponentKind
    settings: ComponentSettings
    description: Description

    @property
    def digest(self) -> str:
        """``sha256:…`` of its binary."""
        return self.description.digest


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
        return ExportFunction(interface=str(self.interface), function=self.function)

    @property
    def kind(self) -> ComponentKind:
        """What its component is run as."""
        return self.component.kind

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
    """All deployed components and functions; `builds`: earlier ones that finish what they began."""

    components: tuple[Component, ...] = ()
    builds: tuple[Component, ...] = ()

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
