"""The syntax tree of a WIT file: what was written, with spans, nothing looked up.

`docs` fields hold cleaned documentation text, ``""`` for none. `broken` marks a body in which a syntax error hid what
was declared: names may be missing from it. Source: the grammar of WIT.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from obelisk.codegen.model.items import FunctionKind
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.model.types import Primitive
from obelisk.codegen.source import SourceFile, Span


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier without its ``%``; the span covers it as written."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Since:
    """``@since(version = …)``; the span is that of the word."""

    version: str
    span: Span


@dataclass(frozen=True, slots=True)
class Unstable:
    """``@unstable(feature = …)``."""

    feature: str
    span: Span


@dataclass(frozen=True, slots=True)
class Deprecated:
    """``@deprecated(version = …)``."""

    version: str
    span: Span


@dataclass(frozen=True, slots=True)
class ExternalId:
    """``@external-id("…")``; `text` is the decoded string."""

    text: str
    span: Span


Attribute: TypeAlias = Since | Unstable | Deprecated | ExternalId


# --- type expressions -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PrimitiveExpr:
    """A keyword such as ``u32``."""

    primitive: Primitive
    span: Span


@dataclass(frozen=True, slots=True)
class NamedExpr:
    """The name of a type; of a resource: an owned handle."""

    name: Name

    @property
    def span(self) -> Span:
        """Where the name stands."""
        return self.name.span


@dataclass(frozen=True, slots=True)
class ListExpr:
    """``list<T>``, or ``list<T, N>`` when `length` is not None."""

    element: TypeExpr
    length: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class MapExpr:
    """``map<K, V>``."""

    key: TypeExpr
    value: TypeExpr
    span: Span


@dataclass(frozen=True, slots=True)
class TupleExpr:
    """``tuple<A, B, …>``."""

    items: tuple[TypeExpr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class OptionExpr:
    """``option<T>``."""

    payload: TypeExpr
    span: Span


@dataclass(frozen=True, slots=True)
class ResultExpr:
    """``result<T, E>`` with either side perhaps missing."""

    ok: TypeExpr | None
    err: TypeExpr | None
    span: Span


@dataclass(frozen=True, slots=True)
class StreamExpr:
    """``stream<T>`` or ``stream``."""

    payload: TypeExpr | None
    span: Span


@dataclass(frozen=True, slots=True)
class FutureExpr:
    """``future<T>`` or ``future``."""

    payload: TypeExpr | None
    span: Span


@dataclass(frozen=True, slots=True)
class HandleExpr:
    """``own<R>`` or ``borrow<R>``."""

    kind: Literal["own", "borrow"]
    resource: Name
    span: Span


TypeExpr: TypeAlias = (
    PrimitiveExpr
    | NamedExpr
    | ListExpr
    | MapExpr
    | TupleExpr
    | OptionExpr
    | ResultExpr
    | StreamExpr
    | FutureExpr
    | HandleExpr
)


# --- type declarations ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A record's field, a variant's or enum's case, a flag; `type` where it has one."""

    name: Name
    type: TypeExpr | None = None
    docs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """``record``, ``variant``, ``enum`` or ``flags`` with its members."""

    kind: Literal["record", "variant", "enum", "flags"]
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """``resource`` with its functions."""

    functions: tuple[Function, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """``type name = …``."""

    target: TypeExpr


@dataclass(frozen=True, slots=True)
class Faulty:
    """What had a syntax error: only the name before it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDeclaration:
    """Any of the statements that declare a type."""

    name: Name
    body: Composite | Resource | Alias | Faulty
    docs: str = ""
    attributes: tuple[Attribute, ...] = ()


# --- functions --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Param:
    """A parameter."""

    name: Name
    type: TypeExpr


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of an interface, a world or a resource; a constructor's name is the keyword itself.

    A `faulty` one had a syntax error behind its name.
    """

    name: Name
    kind: FunctionKind = FunctionKind.FREE
    params: tuple[Param, ...] = ()
    result: TypeExpr | None = None
    is_async: bool = False
    docs: str = ""
    attributes: tuple[Attribute, ...] = ()
    faulty: bool = False


# --- items ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PackageRef:
    """``ns:pkg`` of a path, with the version that stood behind the path; the span covers ``ns:pkg``."""

    name: PackageName
    span: Span


@dataclass(frozen=True, slots=True)
class UsePath:
    """``name`` or ``ns:pkg/name@version``."""

    package: PackageRef | None
    name: Name


@dataclass(frozen=True, slots=True)
class Renamed:
    """``name`` or ``name as alias``."""

    name: Name
    alias: Name | None = None

    @property
    def local(self) -> Name:
        """The name that is declared here."""
        return self.alias or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """``use path.{a, b as c};``."""

    path: UsePath
    names: tuple[Renamed, ...]
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    """``include path with { a as b };``."""

    path: UsePath
    renames: tuple[Renamed, ...] = ()
    attributes: tuple[Attribute, ...] = ()


InterfaceItem: TypeAlias = TypeDeclaration | Function | Use


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """``interface name { … }``, at the top level or inline in a world."""

    name: Name
    items: tuple[InterfaceItem, ...] = ()
    docs: str = ""
    attributes: tuple[Attribute, ...] = ()
    broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternPath:
    """``path`` or ``label: path`` behind ``import`` or ``export``."""

    path: UsePath
    label: Name | None = None
    docs: str = ""
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extern:
    """An ``import`` or ``export`` of a world."""

    direction: Literal["import", "export"]
    item: Interface | Function | ExternPath

    @property
    def name(self) -> Name:
        """The name that messages point at."""
        match self.item:
            case ExternPath(label=label, path=path):
                return label or path.name
            case _:
                return self.item.name


WorldItem: TypeAlias = Extern | TypeDeclaration | Use | Include


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``world name { … }``."""

    name: Name
    items: tuple[WorldItem, ...] = ()
    docs: str = ""
    attributes: tuple[Attribute, ...] = ()
    broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLevelUse:
    """``use path as alias;`` outside interfaces and worlds."""

    path: UsePath
    alias: Name | None = None
    attributes: tuple[Attribute, ...] = ()

    @property
    def local(self) -> Name:
        """The name that is declared in the file."""
        return self.alias or self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageHeader:
    """``package ns:name@version``; `docs_span` covers the comments before it."""

    name: PackageName
    span: Span
    docs: str = ""
    docs_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedPackage:
    """``package ns:name { … }``."""

    header: PackageHeader
    items: tuple[TopLevelItem, ...] = ()
    broken: bool = False


PackageItem: TypeAlias = Interface | World | TopLevelUse
TopLevelItem: TypeAlias = PackageItem | NestedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A whole file."""

    source: SourceFile
    header: PackageHeader | None = None
    items: tuple[TopLevelItem, ...] = ()
    broken: bool = False
