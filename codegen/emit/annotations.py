"""Python annotations for WIT types, as the generated types and bindings write them."""

from __future__ import annotations

from typing import Final

from obelisk.codegen.emit.layout import Layout
from obelisk.codegen.emit.scope import Scope
from obelisk.codegen.model.json_form import is_bytes, is_nullable
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
)

SCALARS: Final = {
    Primitive.BOOL: "bool",
    Primitive.F32: "float",
    Primitive.F64: "float",
    Primitive.CHAR: "str",
    Primitive.STRING: "str",
}
"""What Python calls the primitive types that are no integers."""


class Annotations:
    """Writes annotations for one module; what they need is imported through its scope."""

    def __init__(self, layout: Layout, scope: Scope) -> None:
        self._layout = layout
        self._scope = scope

    def of(self, type_: Type | None) -> str:
        """The annotation of a type that can cross (`emit.crossing`); of None it is ``None``."""
        match type_:
            case None:
                return "None"
            case TypeDef():
                return self.named(type_)
            case Primitive():
                return SCALARS.get(type_, "int")
            case ListType(element) | FixedListType(element, _):
                return "bytes" if is_bytes(type_) else f"list[{self.of(element)}]"
            case TupleType(items):
                return f"tuple[{', '.join(self.of(item) for item in items) or '()'}]"
            case MapType(key, value):
                return f"dict[{self.of(key)}, {self.of(value)}]"
            case OptionType(payload):
                inner = self.of(payload)
                return f"{self._scope.value('Some')}[{inner}] | None" if is_nullable(payload) else f"{inner} | None"
            case ResultType(ok, err):
                ok_class, err_class = self._scope.value("Ok"), self._scope.value("Err")
                return f"{ok_class}[{self.of(ok)}] | {err_class}[{self.of(err)}]"
            case OwnType(resource) | BorrowType(resource):
                return self.named(resource)
            case RecordType() | VariantType() | EnumType() | FlagsType():
                raise AssertionError("WIT gives every record, variant, enum and flags a name")
            case _:
                raise AssertionError(f"cannot cross: {type_}")

    def named(self, type_: TypeDef, case: str = "") -> str:
        """The class of a named type, or of one of its variant's cases."""
        unit = self._layout.unit_of(type_)
        name = unit.classes[f"{type_.name}.{case}" if case else type_.name]
        return self._scope.sibling((unit.folder, "types", unit.module), name)
