"""Between C values and the core values that carry them through parameters and results (canonical ABI). Pure.

`Lowering` turns an expression into core expressions, `Lifting` assigns core expressions to an lvalue. Both write the
statements that variants need, whose payloads share core values: a slot has the type that all cases fit into.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from obelisk.codegen.emit.c.types import CTypes, c_name
from obelisk.codegen.emit.writer import Block
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    TupleType,
    Type,
    VariantType,
    unalias,
)

CORE: Final = {"i32": "int32_t", "i64": "int64_t", "f32": "float", "f64": "double"}
"""Core types and their C types."""

_WIDE: Final = {Primitive.S64: "i64", Primitive.U64: "i64", Primitive.F32: "f32", Primitive.F64: "f64"}
_LOWERED: Final = {
    ("f32", "i32"): "wit_f32_bits({})",
    ("i32", "i64"): "(int64_t)(uint32_t)({})",
    ("f32", "i64"): "(int64_t)(uint32_t)wit_f32_bits({})",
    ("f64", "i64"): "wit_f64_bits({})",
}
_LIFTED: Final = {
    ("i32", "f32"): "wit_f32_of({})",
    ("i64", "i32"): "(int32_t)({})",
    ("i64", "f32"): "wit_f32_of((int32_t)({}))",
    ("i64", "f64"): "wit_f64_of({})",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """A case of anything that has a tag: where its payload is in C, None without one."""

    place: str
    payload: Type | None


def arms(type_: Type) -> tuple[str, Sequence[Arm]] | None:
    """The field of the tag and the cases, of an option, a result or a variant."""
    match unalias(type_):
        case OptionType(payload):
            return "is_some", (Arm("", None), Arm("value", payload))
        case ResultType(ok, err):
            return "is_err", (Arm("value.ok", ok), Arm("value.err", err))
        case VariantType(cases):
            return "tag", tuple(Arm(f"value.{c_name(case.name)}", case.payload) for case in cases)
        case _:
            return None


def members(type_: Type) -> Sequence[tuple[str, Type]] | None:
    """The fields of a record or tuple."""
    match unalias(type_):
        case RecordType(fields):
            return tuple((c_name(field.name), field.type) for field in fields)
        case TupleType(items):
            return tuple((f"f{number}", item) for number, item in enumerate(items))
        case _:
            return None


def flat(type_: Type) -> tuple[str, ...]:
    """The core types of a value."""
    fields, cases = members(type_), arms(type_)
    if fields is not None:
        return tuple(core for _, field in fields for core in flat(field))
    if cases is not None:
        payloads = [flat(arm.payload) if arm.payload is not None else () for arm in cases[1]]
        slots = zip_longest(*payloads)
        return ("i32", *(_joined([core for core in slot if core is not None]) for slot in slots))
    body = unalias(type_)
    if isinstance(body, ListType | MapType) or body is Primitive.STRING:
        return ("i32", "i32")
    return (_WIDE.get(body, "i32") if isinstance(body, Primitive) else "i32",)


def _joined(cores: Sequence[str]) -> str:
    kinds = set(cores)
    if len(kinds) == 1:
        return cores[0]
    return "i32" if kinds == {"i32", "f32"} else "i64"


class Lowering:
    """Writes into `out`; one per function, as it numbers its variables."""

    def __init__(self, out: Block) -> None:
        self._out = out
        self._count = 0

    def lower(self, type_: Type, value: str) -> list[str]:
        """The core expressions of the C expression `value`."""
        fields, cases = members(type_), arms(type_)
        if fields is not None:
            return [core for label, field in fields for core in self.lower(field, f"{value}.{label}")]
        if cases is not None:
            return self._lower_cases(type_, value, *cases)
        match unalias(type_):
            case ListType() | MapType() | Primitive.STRING:
                return [f"(int32_t)(uintptr_t){value}.ptr", f"(int32_t){value}.len"]
            case Primitive() | EnumType() | FlagsType() | OwnType() | BorrowType() | ResourceType():
                return [f"({CORE[flat(type_)[0]]}){value}"]
            case body:
                raise AssertionError(f"{body} has no form in C")

    def _lower_cases(self, type_: Type, value: str, tag: str, cases: Sequence[Arm]) -> list[str]:
        slots = flat(type_)[1:]
        names = [f"wit_slot{self._count + number}" for number in range(len(slots))]
        self._count += len(slots)
        self._out.add(*(f"{CORE[core]} {name} = 0;" for core, name in zip(slots, names, strict=True)))
        carrying = [(number, arm) for number, arm in enumerate(cases) if arm.payload is not None]
        if slots:
            with self._out.under(f"switch ((uint32_t){value}.{tag}) {{"):
                for number, arm in carrying:
                    assert arm.payload is not None
                    with self._out.under(f"case {number}: {{"):
                        cores = zip(self.lower(arm.payload, f"{value}.{arm.place}"), flat(arm.payload), strict=True)
                        for (expression, have), name, want in zip(cores, names, slots, strict=False):
                            self._out.add(f"{name} = {_LOWERED.get((have, want), '{}').format(expression)};")
                        self._out.add("break;")
                    self._out.add("}")
            self._out.add("}")
        return [f"(int32_t){value}.{tag}", *names]


class Lifting:
    """Writes into `out`; `types` names the C types that are cast to."""

    def __init__(self, out: Block, types: CTypes) -> None:
        self._out = out
        self._types = types

    def lift(self, type_: Type, cores: Sequence[str], target: str) -> None:
        """Assign the value of the core expressions to `target`."""
        fields, cases = members(type_), arms(type_)
        if fields is not None:
            at = 0
            for label, field in fields:
                width = len(flat(field))
                self.lift(field, cores[at : at + width], f"{target}.{label}")
                at += width
        elif cases is not None:
            self._lift_cases(type_, cores, target, *cases)
        else:
            match unalias(type_):
                case ListType() | MapType() | Primitive.STRING:
                    self._out.add(f"{target}.ptr = (void *)(uintptr_t)(uint32_t){cores[0]};")
                    self._out.add(f"{target}.len = (size_t)(uint32_t){cores[1]};")
                case Primitive.BOOL:
                    self._out.add(f"{target} = {cores[0]} != 0;")
                case _:
                    self._out.add(f"{target} = ({self._types.name(type_)}){cores[0]};")

    def _lift_cases(self, type_: Type, cores: Sequence[str], target: str, tag: str, cases: Sequence[Arm]) -> None:
        slots = flat(type_)[1:]
        self._out.add(f"{target}.{tag} = {cores[0]};")
        if not slots:
            return
        with self._out.under(f"switch ({cores[0]}) {{"):
            for number, arm in enumerate(cases):
                if arm.payload is None:
                    continue
                with self._out.under(f"case {number}:"):
                    given = zip(cores[1:], slots, flat(arm.payload), strict=False)
                    lifted = [_LIFTED.get((have, want), "{}").format(core) for core, have, want in given]
                    self.lift(arm.payload, lifted, f"{target}.{arm.place}")
                    self._out.add("break;")
        self._out.add("}")
