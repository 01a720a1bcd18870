"""Values of guests in Python: from the canonical JSON form that the engine has to what guest bindings have, and back.

Lowering (Python to JSON) checks what the component's ABI checks: types, ranges, scalar values of Unicode, cases. A
value that does not fit is `Unfit`, with the place inside it. Lifting trusts its argument.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from enum import Enum, Flag
from typing import Any, Final, Protocol, TypeAlias, cast

from obelisk.codegen.emit.guest.names import camel, shouty, snake
from obelisk.codegen.model import json_form
from obelisk.codegen.model.items import Function
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FlagsType,
    ListType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
    definition,
    unalias,
)
from obelisk.native.scalars import SCALARS, Lower, Unfit, as_is, nothing, shown, unfit

Lift: TypeAlias = Callable[[Any], Any]
_NAMES: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Classes(Protocol):
    """The classes of one copy of the guest bindings."""

    def of(self, type_: TypeDef) -> Any:
        """The class of a record, an enum, flags or a resource."""
        ...

    def case(self, type_: TypeDef, name: str) -> Any:
        """The class of a variant's case, by its label."""
        ...

    @property
    def ok(self) -> Any:
        """`componentize_py_types.Ok`."""
        ...

    @property
    def err(self) -> Any:
        """`componentize_py_types.Err`."""
        ...

    @property
    def some(self) -> Any:
        """`componentize_py_types.Some`."""
        ...


class Converters:
    """Lifts and lowers values with the classes of one copy of the bindings; each type is compiled once."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._lifts: dict[int, tuple[Type, Lift]] = {}  # types are kept, so that their ids stay their own
        self._lowers: dict[int, tuple[Type, Lower]] = {}

    # --- whole calls ------------------------------------------------------------------------------------------------
    def lift_params(self, function: Function, values: Sequence[Any]) -> list[Any]:
        """The arguments of a call, in order."""
        return [self.lift(p.type)(value) for p, value in zip(function.params, values, strict=True)]

    def lower_params(self, function: Function, values: Sequence[Any]) -> list[Any]:
        """The same the other way round. Unfit."""
        return [self.lower(p.type)(value, snake(p.name)) for p, value in zip(function.params, values, strict=True)]

    def lift_result(self, function: Function, value: Any) -> Any:
        """What a call gives its caller; raises `Err` for a result that is one."""
        if function.result is None:
            return None
        lifted = self.lift(function.result)(value)
        if not raises(function):
            return lifted
        if isinstance(lifted, self._classes.err):
            raise cast("Exception", lifted)
        return lifted.value

    def lower_result(self, function: Function, value: Any) -> Any:
        """What a function returned, or the `Err` that it raised. Unfit."""
        if function.result is None:
            if value is not None:
                raise Unfit(f"the result: expected nothing, found {shown(value)}")
            return None
        if raises(function) and not isinstance(value, self._classes.err):
            value = self._classes.ok(value)
        return self.lower(function.result)(value, "the result")

    # --- types ------------------------------------------------------------------------------------------------------
    def lift(self, type_: Type) -> Lift:
        """From JSON."""
        known = self._lifts.get(id(type_))
        if known is None:
            known = self._lifts[id(type_)] = type_, self._lift(type_)
        return known[1]

    def lower(self, type_: Type) -> Lower:
        """To JSON."""
        known = self._lowers.get(id(type_))
        if known is None:
            known = self._lowers[id(type_)] = type_, self._lower(type_)
        return known[1]

    def _lift(self, type_: Type) -> Lift:
        body = unalias(type_)
        match body:
            case Primitive.F32 | Primitive.F64:
                return lambda value: _NAMES[value] if isinstance(value, str) else float(value)
            case ListType():
                return self._lift_list(body)
            case TupleType(items):
                inner = [self.lift(item) for item in items]
                return lambda value: tuple(lift(one) for lift, one in zip(inner, value, strict=True))
            case OptionType(payload):
                return self._lift_option(payload)
            case ResultType(ok, err):
                return self._lift_result_type(ok, err)
            case RecordType(members):
                class_ = self._classes.of(cast("TypeDef", type_))
                parts = [(snake(m.name), json_form.json_name(m.name), self.lift(m.type)) for m in members]
                return lambda value: class_(**{name: lift(value[key]) for name, key, lift in parts})
            case VariantType():
                return self._lift_variant(cast("TypeDef", type_), body)
            case EnumType():
                class_ = self._classes.of(cast("TypeDef", type_))
                return lambda value: class_[value.upper()]
            case FlagsType():
                return self._lift_flags(cast("TypeDef", type_))
            case OwnType(resource) | BorrowType(resource):
                class_ = self._classes.of(resource)
                return lambda value: class_._of_handle(value)
            case _:
                return as_is

    def _lift_list(self, body: ListType) -> Lift:
        element = unalias(body.element)
        if element is Primitive.U8:
            return base64.b64decode
        if element is Primitive.S8:
            return lambda value: bytes(byte & 0xFF for byte in value)
        lift = self.lift(body.element)
        return lambda value: [lift(one) for one in value]

    def _lift_option(self, payload: Type) -> Lift:
        lift, some = self.lift(payload), self._classes.some
        if json_form.is_nullable(payload):
            return lambda value: None if value is None else some(lift(value["some"]))
        return lambda value: None if value is None else lift(value)

    def _lift_result_type(self, ok: Type | None, err: Type | None) -> Lift:
        sides = {
            "ok": (self._classes.ok, self.lift(ok) if ok is not None else as_is),
            "err": (self._classes.err, self.lift(err) if err is not None else as_is),
        }

        def apply(value: dict[str, Any]) -> Any:
            ((side, inner),) = value.items()
            class_, lift = sides[side]
            return class_(lift(inner))

        return apply

    def _lift_variant(self, type_: TypeDef, body: VariantType) -> Lift:
        cases = {
            json_form.json_name(case.name): (
                self._classes.case(type_, case.name),
                None if case.payload is None else self.lift(case.payload),
            )
            for case in body.cases
        }

        def apply(value: Any) -> Any:
            name, inner = value, None
            if not isinstance(value, str):
                ((name, inner),) = value.items()
            class_, lift = cases[name]
            return class_() if lift is None else class_(lift(inner))

        return apply

    def _lift_flags(self, type_: TypeDef) -> Lift:
        class_ = self._classes.of(type_)

        def apply(value: list[str]) -> Any:
            flags = class_(0)
            for name in value:
                flags |= class_[name.upper()]
            return flags

        return apply

    def _lower(self, type_: Type) -> Lower:
        body = unalias(type_)
        match body:
            case Primitive():
                return SCALARS[body]
            case ListType():
                return self._lower_list(body)
            case TupleType(items):
                return self._lower_tuple(items)
            case OptionType(payload):
                return self._lower_option(payload)
            case ResultType(ok, err):
                return self._lower_result_type(ok, err)
            case RecordType():
                return self._lower_record(cast("TypeDef", type_), body)
            case VariantType():
                return self._lower_variant(cast("TypeDef", type_), body)
            case EnumType(cases):
                return self._lower_enum(cast("TypeDef", type_), [case.name for case in cases])
            case FlagsType(flags):
                return self._lower_flags(cast("TypeDef", type_), [flag.name for flag in flags])
            case OwnType(resource) | BorrowType(resource):
                return self._lower_handle(resource, is_own=isinstance(body, OwnType))
            case _:
                raise AssertionError(f"{json_form.wit_text(type_)}: functions with such types are not bound")

    def _lower_list(self, body: ListType) -> Lower:
        element, wit = unalias(body.element), json_form.wit_text(body)
        if element in (Primitive.U8, Primitive.S8):

            def octets(value: Any, at: str) -> Any:
                if not isinstance(value, bytes | bytearray):
                    raise unfit(at, f"bytes for {wit}", value)
                if element is Primitive.U8:
                    return base64.b64encode(value).decode()
                return [byte - 256 if byte > 127 else byte for byte in value]

            return octets
        lower = self.lower(body.element)

        def apply(value: Any, at: str) -> Any:
            if not isinstance(value, list):
                raise unfit(at, f"a list for {wit}", value)
            return [lower(one, f"{at}[{index}]") for index, one in enumerate(_any(value))]

        return apply

    def _lower_tuple(self, items: Sequence[Type]) -> Lower:
        inner = [self.lower(item) for item in items]

        def apply(value: Any, at: str) -> Any:
            found = _any(value)
            if not isinstance(value, tuple) or len(found) != len(inner):
                raise unfit(at, f"a tuple of {len(inner)}", found)
            return [lower(one, f"{at}[{index}]") for index, (lower, one) in enumerate(zip(inner, found, strict=True))]

        return apply

    def _lower_option(self, payload: Type) -> Lower:
        lower, some = self.lower(payload), self._classes.some
        if not json_form.is_nullable(payload):
            return lambda value, at: None if value is None else lower(value, at)

        def apply(value: Any, at: str) -> Any:
            if value is None:
                return None
            if not isinstance(value, some):
                raise unfit(at, "None or Some(…)", value)
            return {"some": lower(value.value, at)}

        return apply

    def _lower_result_type(self, ok: Type | None, err: Type | None) -> Lower:
        lower_ok = self.lower(ok) if ok is not None else nothing
        lower_err = self.lower(err) if err is not None else nothing
        ok_class, err_class = self._classes.ok, self._classes.err

        def apply(value: Any, at: str) -> Any:
            if isinstance(value, ok_class):
                return {"ok": lower_ok(value.value, at)}
            if isinstance(value, err_class):
                return {"err": lower_err(value.value, f"{at} (err)")}
            raise unfit(at, "Ok(…) or Err(…)", value)

        return apply

    def _lower_record(self, type_: TypeDef, body: RecordType) -> Lower:
        class_ = self._classes.of(type_)
        parts = [(snake(m.name), json_form.json_name(m.name), self.lower(m.type)) for m in body.fields]

        def apply(value: Any, at: str) -> Any:
            if not isinstance(value, class_):
                raise unfit(at, _named(type_), value)
            return {key: lower(getattr(value, name), f"{at}.{name}") for name, key, lower in parts}

        return apply

    def _lower_variant(self, type_: TypeDef, body: VariantType) -> Lower:
        cases = {
            self._classes.case(type_, case.name): (
                json_form.json_name(case.name),
                None if case.payload is None else self.lower(case.payload),
            )
            for case in body.cases
        }

        def apply(value: Any, at: str) -> Any:
            case = cases.get(cast("Any", type(value)))
            if case is None:
                raise unfit(at, f"a case of {_named(type_)}", value)
            name, lower = case
            return name if lower is None else {name: lower(value.value, f"{at}.value")}

        return apply

    def _lower_enum(self, type_: TypeDef, cases: Sequence[str]) -> Lower:
        class_ = self._classes.of(type_)
        names = {shouty(case): json_form.json_name(case) for case in cases}

        def apply(value: Any, at: str) -> Any:
            if not isinstance(value, class_):
                raise unfit(at, _named(type_), value)
            return names[cast("Enum", value).name]

        return apply

    def _lower_flags(self, type_: TypeDef, flags: Sequence[str]) -> Lower:
        class_ = self._classes.of(type_)
        names = [(class_[shouty(flag)], json_form.json_name(flag)) for flag in flags]

        def apply(value: Any, at: str) -> Any:
            if not isinstance(value, class_):
                raise unfit(at, _named(type_), value)
            return [name for flag, name in names if flag in cast("Flag", value)]

        return apply

    def _lower_handle(self, resource: TypeDef, *, is_own: bool) -> Lower:
        class_ = self._classes.of(resource)

        def apply(value: Any, at: str) -> Any:
            if not isinstance(value, class_):
                raise unfit(at, f"a handle of {_named(resource)}", value)
            return value._hand_over(is_own)

        return apply


def raises(function: Function) -> bool:
    """Whether a function raises `Err`: where its result stands as such, not where the type is another name of one."""
    result = function.result
    return isinstance(result.body if isinstance(result, TypeDef) else result, ResultType)


def _any(value: Any) -> Any:
    """The value, of which nothing is known any more."""
    return value


def _named(type_: TypeDef) -> str:
    return camel(definition(type_).name)
