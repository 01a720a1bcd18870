"""The extension packages of a package: for each function `f`, typed functions with which workflows drive it.

``ns:pkg-obelisk-ext`` has ``f-submit`` (start as a child in a join set), ``f-await-next`` (take the next response) and
``f-get`` (look at one already taken); ``ns:pkg-obelisk-schedule`` has ``f-schedule`` (start on its own, later);
``ns:pkg-obelisk-stub`` has ``f-stub`` (set the result from outside). Names and signatures are those that guests built
for the public Obelisk import. They use ``obelisk:types`` 5.0.0. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from obelisk.codegen.emit.endpoints import LeftOut, endpoints
from obelisk.codegen.model.items import Function, Interface, Package, Param
from obelisk.codegen.model.names import EXTENSION_SUFFIXES, InterfaceName, PackageName
from obelisk.codegen.model.types import (
    BorrowType,
    FixedListType,
    ListType,
    MapType,
    OptionType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    definition,
)

TYPES: Final = PackageName("obelisk", "types", "5.0.0")
"""The package whose types the extensions use."""

_ENGINE: Final = frozenset(
    {"await-next-extension-error", "execution-id", "get-extension-error", "join-set", "schedule-at", "stub-error"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """The extension packages of one package (none when no function can be extended) and the functions left out."""

    packages: tuple[Package, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def is_extended(name: PackageName) -> bool:
    """Whether a package gets extensions: the engine's own, WASI and extensions themselves do not."""
    return name.namespace not in ("obelisk", "wasi") and not name.name.endswith(EXTENSION_SUFFIXES)


def extend(package: Package, types: Package) -> Extensions:
    """The extensions of `package`; `types` is the package `TYPES`."""
    if not is_extended(package.name):
        return Extensions()
    found, left_out = endpoints(package.interfaces)
    functions: dict[InterfaceName, list[Function]] = {}
    for endpoint in found:
        functions.setdefault(endpoint.ffqn.interface, []).append(endpoint.function)
    packages: list[Package] = []
    for suffix, family in zip(EXTENSION_SUFFIXES, (_driving, _scheduling, _stubbing), strict=True):
        name = PackageName(package.name.namespace, package.name.name + suffix, package.name.version)
        interfaces = tuple(
            _interface(InterfaceName(name, extended.name), functions[extended], types, family) for extended in functions
        )
        if interfaces:
            packages.append(Package(name=name, interfaces=interfaces))
    return Extensions(packages=tuple(packages), left_out=left_out)


class _Family(Protocol):
    """Makes the extension functions of one function; `uses` gives types as the new interface knows them."""

    def __call__(self, function: Function, uses: _Uses) -> tuple[Function, ...]:
        """The functions, in order."""
        ...


def _interface(name: InterfaceName, functions: Sequence[Function], types: Package, family: _Family) -> Interface:
    uses = _Uses(name, types)
    extended = tuple(new for function in functions for new in family(function, uses))
    return Interface(name=name, types=uses.in_order(), functions=extended)


def _driving(function: Function, uses: _Uses) -> tuple[Function, ...]:
    execution_id = uses.engine("execution", "execution-id")
    join_set = BorrowType(uses.engine("join-set", "join-set"))
    await_error = uses.engine("execution", "await-next-extension-error")
    get_error = uses.engine("execution", "get-extension-error")
    params, result = uses.params(function), uses.type(function.result)
    return (
        Function(
            name=f"{function.name}-submit",
            params=(Param(_free("join-set", params), join_set), *params),
            result=execution_id,
            docs=f"Starts `{function.name}` as a child execution in the join set.",
        ),
        Function(
            name=f"{function.name}-await-next",
            params=(Param("join-set", join_set),),
            result=ResultType(result, await_error),
            docs=f"Waits for the join set's next response, which must be one of `{function.name}`.",
        ),
        Function(
            name=f"{function.name}-get",
            params=(Param("execution-id", execution_id),),
            result=ResultType(result, get_error),
            docs=f"The result of a `{function.name}` whose response was taken before.",
        ),
    )


def _scheduling(function: Function, uses: _Uses) -> tuple[Function, ...]:
    execution_id, schedule_at = uses.engine("execution", "execution-id"), uses.engine("time", "schedule-at")
    params = uses.params(function)
    return (
        Function(
            name=f"{function.name}-schedule",
            params=(Param(_free("schedule-at", params), schedule_at), *params),
            result=execution_id,
            docs=f"Starts `{function.name}` at that time, as an execution of its own.",
        ),
    )


def _stubbing(function: Function, uses: _Uses) -> tuple[Function, ...]:
    execution_id, error = uses.engine("execution", "execution-id"), uses.engine("execution", "stub-error")
    result = uses.type(function.result)
    outcome = () if result is None else (Param("execution-result", result),)
    return (
        Function(
            name=f"{function.name}-stub",
            params=(Param("execution-id", execution_id), *outcome),
            result=ResultType(None, error),
            docs=f"Sets the result of a `{function.name}` that nothing runs.",
        ),
    )


def _free(name: str, params: Sequence[Param]) -> str:
    """`name`, or a longer one when the extended function has a parameter of that name."""
    while any(param.name == name for param in params):
        name = f"obelisk-{name}"
    return name


class _Uses:
    """The types that one extension interface uses, each under a name of its own there."""

    def __init__(self, interface: InterfaceName, types: Package) -> None:
        self._interface = interface
        self._types = types
        self._used: dict[int, TypeDef] = {}
        self._taken = set(_ENGINE)

    def in_order(self) -> tuple[TypeDef, ...]:
        """Every type that was asked for: those of the extended package, then the engine's by interface."""
        own = [use for use in self._used.values() if use.name not in _ENGINE]
        engine = [use for use in self._used.values() if use.name in _ENGINE]
        return (*own, *sorted(engine, key=lambda use: definition(use).owner))

    def engine(self, interface: str, name: str) -> TypeDef:
        """A type of the engine's own, under its own name."""
        owner = next(i for i in self._types.interfaces if i.name.name == interface)
        return self._use(next(t for t in owner.types if t.name == name), name)

    def params(self, function: Function) -> tuple[Param, ...]:
        """A function's parameters over the used types."""
        return tuple(Param(param.name, self._type(param.type)) for param in function.params)

    def type(self, type_: Type | None) -> Type | None:
        """A type over the used types."""
        return None if type_ is None else self._type(type_)

    def _type(self, type_: Type) -> Type:
        match type_:
            case TypeDef():
                declared = definition(type_)
                if declared.owner.package == self._types.name and declared.name in _ENGINE:
                    return self.engine(declared.owner.name, declared.name)
                return self._use(declared, self._name(declared))
            case ListType(element):
                return ListType(self._type(element))
            case FixedListType(element, length):
                return FixedListType(self._type(element), length)
            case MapType(key, value):
                return MapType(self._type(key), self._type(value))
            case TupleType(items):
                return TupleType(tuple(self._type(item) for item in items))
            case OptionType(payload):
                return OptionType(self._type(payload))
            case ResultType(ok, err):
                return ResultType(self.type(ok), self.type(err))
            case _:
                return type_

    def _use(self, declared: TypeDef, name: str) -> TypeDef:
        if id(declared) not in self._used:
            self._used[id(declared)] = TypeDef(name=name, owner=self._interface, body=declared)
        return self._used[id(declared)]

    def _name(self, declared: TypeDef) -> str:
        """The declared name, with as much of where it comes from before it as it takes to be the only one."""
        if id(declared) in self._used:
            return self._used[id(declared)].name
        name, owner = declared.name, declared.owner
        for prefix in (owner.name, owner.package.name, owner.package.namespace):
            if name not in self._taken:
                break
            name = f"{prefix}-{name}"
        while name in self._taken:
            name = f"other-{name}"
        self._taken.add(name)
        return name
