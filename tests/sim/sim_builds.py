"""The components of the simulated system in all their builds, and the host that prepares them.

A build's binary is its name. Builds of one component differ in nothing but their digest, or in what they ask for, or in
the types of what they export.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from unittest import mock

import msgspec

from obelisk.codegen.model.items import Function, FunctionKind, Interface, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import Primitive, ResultType, Type
from obelisk.runtime.catalog.description import Description, digest_of
from obelisk.runtime.catalog.linking import SUPPORT as SUPPORT_FUNCTIONS
from obelisk.runtime.catalog.registry import Component, Registry, deployed
from obelisk.runtime.catalog.settings import ComponentKind, ComponentSettings
from obelisk.runtime.deployment import deployment as components
from obelisk.runtime.deployment import reading
from obelisk.runtime.deployment.preparing import prepare
from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.ports.guest import GuestTrap, Handler, Host, ImportFunction
from sim_components import KINDS, SETTINGS
from sim_guests import Ask, Effect, Script, ScriptedComponent, Steps, Told, by_name
from sim_loose import echo_bare, echo_text
from sim_names import (
    EXTENSIONS,
    FLOW,
    FUNCTIONS,
    JOIN_SET,
    LOG,
    LOOSE,
    NARROW,
    OUTER,
    SCHEDULE,
    STUBS,
    STUBS_STUB,
    SUPPORT,
    WORK,
)
from sim_system import hauling_with_text, narrowly_with_text, step_text

RESULT = ResultType(Primitive.U64, Primitive.STRING)
FIRST = "1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Build:
    """One build of a component. `asks_at`: before which of its host calls it makes one more than the others, -1 never;
    `dies`: it traps there instead; `scripts` stand for those of the system; `asked` are the types of imported functions
    that differ."""

    component: str
    variant: str
    asks_at: int = -1
    dies: bool = False
    types: Mapping[str, Function] | None = None
    scripts: Mapping[str, Script] | None = None
    asked: Mapping[str, Function] | None = None

    @property
    def binary(self) -> bytes:
        """What stands for its code: it begins as binaries do."""
        return f"\0asm {self.component}@{self.variant}".encode()

    @property
    def digest(self) -> str:
        """Of its binary."""
        return digest_of(self.binary)


def _function(name: str, param: Type = Primitive.U64, result: Type = RESULT) -> Function:
    return Function(name=name, params=(Param("n", param),), result=result)


_STEP_OF_TEXT = {"step": _function("step", Primitive.STRING)}
_HAUL_OF_TEXT = {"haul": _function("haul", Primitive.STRING)}
_TYPES: Mapping[str, Function] = {"swallow": _function("swallow", Primitive.STRING)}
_BUILDS = (
    Build(component="cold", variant="1"),
    Build(component="cold", variant="2"),
    Build(component="cold", variant="asks", asks_at=2),
    Build(component="flow", variant="1"),
    Build(component="flow", variant="2"),
    Build(component="flow", variant="asks", asks_at=1),
    Build(component="flow", variant="asks-late", asks_at=6),
    Build(
        component="flow",
        variant="text",
        asked={**_STEP_OF_TEXT, **_HAUL_OF_TEXT},
        scripts={f"{FLOW}.narrowly": narrowly_with_text, f"{FLOW}.hauling": hauling_with_text},
    ),
    Build(component="loose", variant="1"),
    Build(component="loose", variant="2"),
    Build(
        component="loose",
        variant="text",
        types={"echo": _function("echo", Primitive.STRING, ResultType(Primitive.STRING, Primitive.STRING))},
        scripts={f"{LOOSE}.echo": echo_text},
    ),
    Build(
        component="loose",
        variant="bare",
        types={"echo": _function("echo", result=Primitive.U64)},
        scripts={f"{LOOSE}.echo": echo_bare},
    ),
    Build(component="narrow", variant="1"),
    Build(component="narrow", variant="2"),
    Build(component="narrow", variant="text", types=_STEP_OF_TEXT, scripts={f"{NARROW}.step": step_text}),
    Build(component="outer", variant="1"),
    Build(component="outer", variant="2"),
    Build(component="outer", variant="text", types=_HAUL_OF_TEXT),
    Build(component="side", variant="1"),
    Build(component="side", variant="2"),
    Build(component="side", variant="asks", asks_at=3),
    Build(component="side", variant="dies", asks_at=4, dies=True),
    Build(component="strait", variant="1"),
    Build(component="strait", variant="2"),
    Build(component="stubs", variant="1"),
    Build(component="work", variant="1"),
    Build(component="work", variant="2"),
)
BUILDS = {(build.component, build.variant): build for build in _BUILDS}
BY_DIGEST = {build.digest: build for build in _BUILDS}
_BY_BINARY = {build.binary: build for build in _BUILDS}


BROKEN = "the build is broken"


def differing(script: Script, at: int, *, dies: bool) -> Script:
    """The same script with one more host call, or with its death, before that of the number `at`."""

    def changed(*args: Any) -> Steps:
        steps = script(*args)
        asked = 0
        answer: Any = None
        error: Exception | None = None
        try:
            while True:
                try:
                    ask = steps.send(answer) if error is None else steps.throw(error)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                answer = error = None
                if asked == at and dies:
                    raise ZeroDivisionError(BROKEN)
                if asked == at:
                    yield Ask(SUPPORT, "random-u64", [0, 9])
                asked += 1
                try:
                    answer = yield ask
                except GuestTrap as trap:
                    error = trap
        finally:
            steps.close()

    return changed


def scripts_of(build: Build, table: Mapping[str, Mapping[str, Script]]) -> dict[str, Script]:
    """The scripts of a build; `table` has those of the system."""
    scripts = dict(table[build.component]) | dict(build.scripts or {})
    if build.asks_at < 0:
        return scripts
    return {name: differing(script, build.asks_at, dies=build.dies) for name, script in scripts.items()}


# --- what binaries say of themselves --------------------------------------------------------------------------------
@cache
def _imports(build: Build) -> tuple[Interface, ...]:
    """Every function of the system but those that are called by name alone, each of their extensions, all support.
    `narrow` and `outer` are called by `flow` alone."""
    interfaces = [
        Interface(
            name=InterfaceName.parse(SUPPORT), functions=tuple(Function(name=n) for n in sorted(SUPPORT_FUNCTIONS))
        ),
        _interface(LOG, [Function(name="info", params=(Param("message", Primitive.STRING),))]),
        Interface(
            name=InterfaceName.parse(JOIN_SET),
            functions=tuple(
                Function(name=name, kind=FunctionKind.METHOD, resource="join-set") for name in ("id", "last-id")
            ),
        ),
        _interface(SCHEDULE, [_extended(f"{name}-schedule") for name in FUNCTIONS[WORK]]),
        _interface(
            STUBS_STUB,
            [
                Function(name=f"{name}-stub", params=(Param("id", Primitive.U64), Param("result", RESULT)))
                for name in FUNCTIONS[STUBS]
            ],
        ),
    ]
    asked = build.asked or {}
    for name, extension in EXTENSIONS.items():
        if name in (NARROW, OUTER) and build.component != "flow":
            continue
        interfaces.append(_interface(name, [asked.get(function, _function(function)) for function in FUNCTIONS[name]]))
        interfaces.append(
            _interface(
                extension,
                [
                    _extended(function + suffix)
                    for function in FUNCTIONS[name]
                    for suffix in ("-submit", "-await-next", "-get")
                ],
            )
        )
    return tuple(interfaces)


def _extended(name: str) -> Function:
    """A generated function: what does not count for whether it fits is of any type."""
    params = (Param("first", Primitive.U64), Param("n", Primitive.U64))
    return Function(name=name, params=params, result=ResultType(RESULT, Primitive.STRING))


def _interface(name: str, functions: Sequence[Function]) -> Interface:
    return Interface(name=InterfaceName.parse(name), functions=tuple(functions))


@cache
def description(build: Build) -> Description:
    """What stands for reading a binary."""
    name = f"sim:world/{build.component}"
    types = {**_TYPES, **(build.types or {})}
    exports = _interface(name, [types.get(function, _function(function)) for function in FUNCTIONS[name]])
    imports = _imports(build) if KINDS[build.component] == "workflow" else ()
    return Description(digest=build.digest, exports=(exports,), imports=imports, plain_imports=())


@cache
def signature_by(digest: str, ffqn: str) -> str:
    """The types of a function as a build has them."""
    found = deployed(component(BY_DIGEST[digest], {}))
    return next(function.signature for function in found if function.ffqn == ffqn)


def described(binary: bytes, *, stub: bool = False) -> Description:
    """See `description.describe`."""
    del stub
    build = _BY_BINARY.get(binary)
    if build is None:
        raise ComponentError(f"not a component: {binary!r}")
    return description(build)


def _content(content: bytes, *_: object) -> bytes:
    """What stands for a binary is deployed as it is, also where a component has no code."""
    return content


@contextlib.contextmanager
def deployable() -> Generator[None]:
    """While this lasts builds are read as binaries are, and what was linked once is not linked again."""
    with (
        mock.patch.object(reading, "content_of", _content),
        mock.patch.object(components, "check", _check),
        mock.patch.object(components, "prepare", _prepare),
    ):
        yield


@contextlib.contextmanager
def known(*builds: Build) -> Generator[None]:
    """While this lasts there are these builds, too; operators do not deploy them by themselves."""
    with (
        mock.patch.dict(BY_DIGEST, {build.digest: build for build in builds}),
        mock.patch.dict(_BY_BINARY, {build.binary: build for build in builds}),
    ):
        yield


class _Noting:
    """Stands for a host: notes what a component is prepared with."""

    def __init__(self) -> None:
        self.imports: tuple[ImportFunction, ...] = ()

    def prepare(self, binary: bytes, *, imports: tuple[ImportFunction, ...], **_: object) -> None:
        self.imports = imports


_checked: set[object] = set()
_linked: dict[object, dict[str, Handler]] = {}
MOST_LINKED = 500
_right_check = reading.check


def _key(registry: Registry) -> tuple[object, ...]:
    components = ((c.digest, msgspec.json.encode(c.settings)) for c in registry.components)
    return (tuple(registry.faults), *components)


def _check(registry: Registry) -> None:
    if (key := _key(registry)) not in _checked:
        _right_check(registry)
        _remember(_checked)
        _checked.add(key)


def _prepare(
    host: SimHost, component: Component, registry: Registry, binary: bytes, *, is_deployed: bool = True
) -> ScriptedComponent:
    key = (component.digest, _key(registry), is_deployed)
    handlers = _linked.get(key)
    if handlers is None:
        noting = _Noting()
        prepare(cast("Host", noting), component, registry, binary, is_deployed=is_deployed)
        _remember(_linked)
        handlers = _linked[key] = by_name(noting.imports)
    return host.made(binary, handlers)


def _remember(what: set[object] | dict[object, Any]) -> None:
    """Make room for one more."""
    if len(what) >= MOST_LINKED:
        what.clear()


def source(build: Build, settings: Mapping[str, object]) -> Source:
    """What an operator deploys; `settings` besides the usual ones."""
    chosen = {"kind": KINDS[build.component], **SETTINGS[build.component], **settings}
    return Source(name=build.component, content=build.binary, settings=chosen)


def component(build: Build, settings: Mapping[str, object]) -> Component:
    """As it is deployed."""
    text = msgspec.json.encode(source(build, settings).settings)
    read = ComponentSettings.read(text, build.component)
    return Component(
        name=build.component,
        kind=ComponentKind(KINDS[build.component]),
        settings=read,
        description=description(build),
    )


@cache
def registry() -> Registry:
    """What is deployed in the beginning and in the end."""
    return Registry(tuple(component(BUILDS[name, FIRST], {}) for name in sorted(KINDS)))


class SimHost:
    """Makes builds into what can be started. `table` has the scripts of the system; `effect` and `told` as
    `ScriptedComponent` says."""

    def __init__(
        self, table: Mapping[str, Mapping[str, Script]], effect: Effect, told: Callable[[object], Told]
    ) -> None:
        self._table, self._effect, self._told = table, effect, told

    def to_binary(self, source: bytes) -> bytes:
        """It is one."""
        return source

    def made(self, binary: bytes, handlers: dict[str, Handler]) -> ScriptedComponent:
        """The scripts of a build with the handlers of its imports."""
        return ScriptedComponent(scripts_of(_BY_BINARY[binary], self._table), handlers, self._effect, self._told)

    def prepare(self, binary: bytes, *, imports: tuple[ImportFunction, ...], **_: object) -> ScriptedComponent:
        """See `guest.Host`."""
        return self.made(binary, by_name(imports))


class Choosy(SimHost):
    """The host of one process: it `fails` to load a build now and then; `host` makes them."""

    def __init__(self, host: SimHost, fails: Callable[[], bool]) -> None:
        self._host, self._fails = host, fails

    def made(self, binary: bytes, handlers: dict[str, Handler]) -> ScriptedComponent:
        """See `SimHost`. ComponentError."""
        if self._fails():
            raise ComponentError("this process cannot load it")
        return self._host.made(binary, handlers)
