"""What names mean inside one interface or world while it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from obelisk.codegen.model.items import Function
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    UNGATED,
    BorrowType,
    OwnType,
    Stability,
    Type,
    TypeDef,
    definition,
    parts,
)
from obelisk.codegen.syntax.type_printer import identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """``use owner.{source as name}``."""

    name: str
    source: TypeDef
    stability: Stability = UNGATED
    external_id: str = ""


class PrintScope:
    """The types of an interface or world: those it uses and those it declares.

    `worlds` are all worlds: a type of a world, or of an interface inside one, can not be used from elsewhere; an alias
    of it is printed as a declaration of its own.
    """

    __slots__ = ("_item", "_names", "_owner", "_worlds", "declared", "uses")

    def __init__(
        self, owner: InterfaceName, item: str, types: Iterable[TypeDef], worlds: frozenset[InterfaceName]
    ) -> None:
        self._owner = owner
        self._item = item
        self._worlds = worlds
        self._names: dict[tuple[InterfaceName, str, str], str] = {}
        self.uses: list[Use] = []
        self.declared: list[TypeDef] = []
        for typedef in types:
            source = typedef.body
            self._names[_key(typedef)] = typedef.name
            if not isinstance(source, TypeDef) or self._is_own(source):
                self.declared.append(typedef)
            elif self._can_use(source):
                gates, external_id = typedef.stability, typedef.external_id
                self.uses.append(Use(name=typedef.name, source=source, stability=gates, external_id=external_id))
            else:
                self.declared.append(_redeclared(typedef))

    def name(self, typedef: TypeDef) -> str:
        """What `typedef` is called here."""
        return identifier(self._names.get(_key(typedef), typedef.name))

    def path(self, interface: InterfaceName) -> str:
        """An interface's name as seen from here: short within the same package."""
        if interface.package == self._owner.package:
            return identifier(interface.name)
        package = interface.package
        version = f"@{package.version}" if package.version else ""
        return f"{identifier(package.namespace)}:{identifier(package.name)}/{identifier(interface.name)}{version}"

    def add_uses(self, functions: Iterable[Function]) -> None:
        """Use the types of other interfaces that declarations and `functions` name without having been used."""
        taken = set(self._names.values()) | {f.name for f in functions}
        for typedef in self._mentioned(functions):
            if _key(typedef) in self._names or not self._can_use(typedef):
                continue
            name, number = typedef.name, 2
            while name in taken:
                name, number = f"{typedef.name}-{number}", number + 1
            taken.add(name)
            self._names[_key(typedef)] = name
            self.uses.append(Use(name=name, source=typedef))

    def _mentioned(self, functions: Iterable[Function]) -> Iterator[TypeDef]:
        for typedef in self.declared:
            yield from _named_in(typedef.body)
        for function in functions:
            for param in function.params:
                yield from _named_in(param.type)
            if function.result is not None:
                yield from _named_in(function.result)

    def _is_own(self, typedef: TypeDef) -> bool:
        return typedef.owner == self._owner and typedef.owner_item == self._item

    def _can_use(self, typedef: TypeDef) -> bool:
        return not self._is_own(typedef) and not typedef.owner_item and typedef.owner not in self._worlds


def _key(typedef: TypeDef) -> tuple[InterfaceName, str, str]:
    return typedef.owner, typedef.owner_item, typedef.name


def _redeclared(typedef: TypeDef) -> TypeDef:
    return TypeDef(
        name=typedef.name,
        owner=typedef.owner,
        owner_item=typedef.owner_item,
        body=definition(typedef).body,
        external_id=typedef.external_id,
        docs=typedef.docs,
        stability=typedef.stability,
    )


def _named_in(type_: Type) -> Iterator[TypeDef]:
    """The named types that stand in `type_`, not those inside their definitions."""
    match type_:
        case TypeDef():
            yield type_
        case OwnType(resource) | BorrowType(resource):
            yield resource
        case _:
            for part in parts(type_):
                yield from _named_in(part)
