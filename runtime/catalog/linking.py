"""What each import of a component means, decided when it is deployed and again, unchanged, when it is prepared.

Pure. `link` gives one `Link` per imported function or refuses with `ImportRefused`, naming every import that nothing
answers. Workflows may call deployed functions, their generated extensions and `obelisk:workflow`; activities get logs.
WASI is the host's to offer, or to refuse when it prepares the component.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from obelisk.codegen.model.items import Function, FunctionKind
from obelisk.codegen.model.names import Ffqn, InterfaceName, PackageName
from obelisk.codegen.model.signatures import UNKNOWN, shape_of, signature_of
from obelisk.codegen.model.types import (
    BorrowType,
    Case,
    Field,
    FixedListType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
    unalias,
)
from obelisk.runtime.catalog.registry import Component, DeployedFunction, Registry
from obelisk.runtime.catalog.settings import CODELESS, ComponentKind
from obelisk.runtime.errors import ImportRefused

SUPPORT = frozenset(
    {
        "execution-id-current",
        "random-u64",
        "random-u64-inclusive",
        "random-string",
        "sleep",
        "join-set-create",
        "join-set-create-named",
        "join-set-close",
        "submit-json",
        "get-result-json",
        "get-execution-failure-kind",
        "last-direct-call-id",
        "last-oneoff-id",
        "submit-delay",
        "join-next",
        "join-next-try",
        "execution-id-generate",
        "schedule-json",
        "call-json",
        "stub-json",
    }
)
LOG_LEVELS = ("trace", "debug", "info", "warn", "error")


EXTENSIONS = ("-obelisk-ext", "-obelisk-schedule", "-obelisk-stub")


class Extension(enum.Enum):
    """The function families generated from a deployed function."""

    SUBMIT = "-submit"
    AWAIT_NEXT = "-await-next"
    GET = "-get"
    SCHEDULE = "-schedule"
    STUB = "-stub"


@dataclass(frozen=True, slots=True)
class Undeployed:
    """A function as an old build asks for it, where none is deployed that fits. `signature` tells as much as can be
    known of its types, perhaps only its shape, or nothing."""

    ffqn: str
    signature: str


Callee: TypeAlias = DeployedFunction | Undeployed


@dataclass(frozen=True, slots=True)
class DirectCall:
    """Call a function and wait for its result."""

    function: Callee


@dataclass(frozen=True, slots=True)
class ExtensionCall:
    """One of the generated functions of `function`."""

    function: Callee
    extension: Extension


@dataclass(frozen=True, slots=True)
class SupportCall:
    """A function of `obelisk:workflow/workflow-support`."""

    name: str


@dataclass(frozen=True, slots=True)
class JoinSetMethod:
    """A method of the resource `obelisk:types/join-set.join-set`."""

    name: str


@dataclass(frozen=True, slots=True)
class LogCall:
    """A function of `obelisk:log/log`."""

    level: str


Target: TypeAlias = DirectCall | ExtensionCall | SupportCall | JoinSetMethod | LogCall


@dataclass(frozen=True, slots=True)
class Link:
    """An imported function and what it means."""

    interface: InterfaceName
    function: Function
    target: Target


def is_extension(interface: InterfaceName) -> bool:
    """Whether an interface belongs to a generated extension package."""
    return interface.package.name.endswith(EXTENSIONS)


def extended(interface: InterfaceName) -> tuple[InterfaceName, str]:
    """The interface that an extension interface extends, and the extension's suffix."""
    package = interface.package
    suffix = next(s for s in EXTENSIONS if package.name.endswith(s))
    base = PackageName(package.namespace, package.name.removesuffix(suffix), package.version)
    return InterfaceName(base, interface.name), suffix


def link(component: Component, registry: Registry, *, deployed: bool = True) -> tuple[Link, ...]:
    """Every imported function of `component` with its meaning; ImportRefused lists all that have none.

    Imports of `wasi:*` are left to the host; kinds without code import nothing. `deployed` False for a build that is
    no part of `registry`: what it calls may be gone since, or have other types; its history tells its answers.
    """
    if component.kind in CODELESS:
        return ()
    links: list[Link] = []
    refused: list[str] = []
    for interface in component.description.imports:
        name = interface.name
        if name.package.namespace == "wasi":
            continue
        for function in interface.functions:
            target = _target(component.kind, name, function, registry)
            if isinstance(target, str) and not deployed and component.kind is ComponentKind.WORKFLOW:
                target = _undeployed(name, function) or target
            if isinstance(target, str):
                refused.append(f"{Ffqn(name, function.export_name)}: {target}")
            else:
                links.append(Link(name, function, target))
    refused += [f"{name}: not an interface of any package" for name in component.description.plain_imports]
    if refused:
        what = f"{component.kind.value} {component.name!r} imports what nothing here answers"
        raise ImportRefused(f"{what}:\n  " + "\n  ".join(refused), component=component.name, imports=refused)
    return tuple(links)


def _target(kind: ComponentKind, name: InterfaceName, function: Function, registry: Registry) -> Target | str:
    """The meaning of an imported function, or why it has none."""
    package = name.package
    if package.namespace == "obelisk":
        return _obelisk(kind, name, function)
    if kind is ComponentKind.ACTIVITY:
        return "activities call nothing but WASI and obelisk:log"
    if is_extension(name):
        return _extension(name, function, registry)
    return _direct(Ffqn(name, function.name), function, registry)


def _obelisk(kind: ComponentKind, name: InterfaceName, function: Function) -> Target | str:
    package, interface, version = name.package.name, name.name, name.package.version
    if (package, interface) == ("log", "log") and version.startswith("1.") and function.name in LOG_LEVELS:
        return LogCall(function.name)
    if kind is ComponentKind.ACTIVITY:
        return "only workflows may use it"
    join_set = (package, interface) == ("types", "join-set") and version.startswith("5.")
    if join_set and function.kind is FunctionKind.METHOD and function.name in ("id", "last-id"):
        return JoinSetMethod(function.name)
    if (package, interface) == ("workflow", "workflow-support"):
        if not version.startswith("6."):
            return "this runtime offers version 6"
        if function.name in SUPPORT:
            return SupportCall(function.name)
    return "unknown to this runtime"


def _direct(ffqn: Ffqn, function: Function, registry: Registry) -> Target | str:
    deployed = registry.functions.get(str(ffqn))
    if deployed is None:
        return "no deployed component exports it"
    if deployed.unsupported:
        return f"cannot be called through the log: {deployed.unsupported}"
    if not same_signature(function, deployed.function):
        return f"its type differs from the one that {deployed.component.name!r} exports"
    return DirectCall(deployed)


def _extension(name: InterfaceName, function: Function, registry: Registry) -> Target | str:
    base, suffix = extended(name)
    for family in _FAMILIES[suffix]:
        if not function.name.endswith(family.value):
            continue
        ffqn = Ffqn(base, function.name.removesuffix(family.value))
        deployed = registry.functions.get(str(ffqn))
        if deployed is None:
            return f"no deployed component exports {ffqn}"
        if deployed.unsupported:
            return f"cannot be called through the log: {deployed.unsupported}"
        if family is Extension.STUB and deployed.kind is not ComponentKind.STUB:
            what = "is run by workers" if deployed.kind is ComponentKind.EXTERNAL else "has code for it"
            return f"{deployed.component.name!r} {what}: only the results of stubs can be set"
        if not _extension_fits(function, deployed.function, family):
            return f"its type does not fit the one that {deployed.component.name!r} exports"
        return ExtensionCall(deployed, family)
    return "not a generated extension"


def _undeployed(name: InterfaceName, function: Function) -> Target | None:
    """The meaning of a call of what is not deployed, None when it can have none."""
    if name.package.namespace == "obelisk":
        return None
    if not is_extension(name):
        return DirectCall(Undeployed(str(Ffqn(name, function.name)), signature_of(function)))
    base, suffix = extended(name)
    for family in _FAMILIES[suffix]:
        if function.name.endswith(family.value):
            ffqn = str(Ffqn(base, function.name.removesuffix(family.value)))
            return ExtensionCall(Undeployed(ffqn, _known(function, family)), family)
    return None


def _known(function: Function, family: Extension) -> str:
    """What one of the generated functions tells of the signature of the function behind it: its result, or nothing."""
    result = unalias(function.result) if function.result is not None else None
    if family in (Extension.AWAIT_NEXT, Extension.GET) and isinstance(result, ResultType):
        return shape_of(result.ok)
    return UNKNOWN


_FAMILIES = {
    "-obelisk-ext": (Extension.SUBMIT, Extension.AWAIT_NEXT, Extension.GET),
    "-obelisk-schedule": (Extension.SCHEDULE,),
    "-obelisk-stub": (Extension.STUB,),
}


def _extension_fits(function: Function, base: Function, family: Extension) -> bool:
    params = [p.type for p in function.params]
    match family:
        case Extension.SUBMIT | Extension.SCHEDULE:
            own = params[1:]
            return len(own) == len(base.params) and all(
                same_shape(a, b.type) for a, b in zip(own, base.params, strict=True)
            )
        case Extension.STUB:
            return len(params) <= 2 and same_optional(params[1] if len(params) == 2 else None, base.result)
        case Extension.AWAIT_NEXT | Extension.GET:
            result = unalias(function.result) if function.result is not None else None
            return isinstance(result, ResultType) and same_optional(result.ok, base.result)


def same_signature(a: Function, b: Function) -> bool:
    """Whether two functions have parameters and results of the same shape, in order."""
    return (
        len(a.params) == len(b.params)
        and all(same_shape(p.type, q.type) for p, q in zip(a.params, b.params, strict=True))
        and same_optional(a.result, b.result)
    )


def same_optional(a: Type | None, b: Type | None) -> bool:
    """`same_shape` where either may be absent."""
    return (a is None and b is None) or (a is not None and b is not None and same_shape(a, b))


def same_shape(a: Type, b: Type) -> bool:
    """Whether two types have the same values: names of type definitions don't matter, labels of parts do."""
    a, b = unalias(a), unalias(b)
    if type(a) is not type(b):
        return False
    match a, b:
        case RecordType(fields), RecordType(others):
            return _same_parts(fields, others)
        case VariantType(cases), VariantType(others):
            return _same_parts(cases, others)
        case (ListType(x), ListType(y)) | (OptionType(x), OptionType(y)):
            return same_shape(x, y)
        case FixedListType(x, n), FixedListType(y, m):
            return n == m and same_shape(x, y)
        case MapType(k, v), MapType(l, w):
            return same_shape(k, l) and same_shape(v, w)
        case TupleType(xs), TupleType(ys):
            return len(xs) == len(ys) and all(map(same_shape, xs, ys))
        case ResultType(o, e), ResultType(p, f):
            return same_optional(o, p) and same_optional(e, f)
        case (StreamType(x), StreamType(y)) | (FutureType(x), FutureType(y)):
            return same_optional(x, y)
        case (OwnType(x), OwnType(y)) | (BorrowType(x), BorrowType(y)):
            return x.name == y.name
        case _:
            return a == b


def _labelled(parts: tuple[Field, ...] | tuple[Case, ...]) -> list[tuple[str, Type | None]]:
    return [(part.name, part.type if isinstance(part, Field) else part.payload) for part in parts]


def _same_parts(a: tuple[Field, ...] | tuple[Case, ...], b: tuple[Field, ...] | tuple[Case, ...]) -> bool:
    return len(a) == len(b) and all(
        name == other and same_optional(x, y) for (name, x), (other, y) in zip(_labelled(a), _labelled(b), strict=True)
    )
