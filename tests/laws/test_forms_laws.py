"""Laws of generated classes over types that hypothesis makes: their JSON form is what the validators accept.

`to_json`, `from_json` and Pydantic's `TypeAdapter` are held to the compiled validator of the same WIT type.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, cast

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from obelisk.codegen.emit.package import Part
from obelisk.codegen.emit.python_names import class_name, form_name
from obelisk.codegen.emit.validators import compile_value
from obelisk.codegen.model.items import Interface, Package, Resolution
from obelisk.codegen.model.types import (
    EnumType,
    Field,
    FlagsType,
    RecordType,
    ResultType,
    TupleType,
    TypeDef,
    VariantType,
)
from obelisk.codegen.pipeline import generate
from obelisk.runtime.forms import InvalidValue, WitForm
from test_bindings_laws import ENGINE, NAME, InMemory, interfaces
from test_json_codec_laws import JUNK, exact, is_dict, is_list, resolves, values

EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
CALM = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
NAMED = (RecordType, VariantType, EnumType, FlagsType)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.startswith("laws_tree_")]:
        del sys.modules[name]


def generated(interface: Interface) -> tuple[Any, Any]:
    """The modules of types and of forms."""
    package = Package(name=NAME.package, interfaces=(interface,))
    resolution = Resolution(packages=(package,), main=(package.name,))
    finder = InMemory(generate(resolution, ENGINE, frozenset({Part.FORMS})).files)
    sys.meta_path.insert(0, finder)
    types, forms = (importlib.import_module(f"{finder.root}.test_laws.{name}.api") for name in ("types", "forms"))
    return types, forms


@st.composite
def cases(draw: st.DrawFn) -> tuple[Interface, TypeDef, Any]:
    """An interface, one of its types, and JSON that is a value of this type, or that was one before a change."""
    interface = draw(interfaces())
    type_ = draw(st.sampled_from(interface.types))
    value: list[Any] = [json.loads(json.dumps(draw(values(type_))))]
    if draw(st.booleans()):
        part, key = draw(st.sampled_from(list(places(value))))
        if isinstance(part[key], dict) and draw(st.booleans()):
            part[key][draw(st.sampled_from(["a", "zz", "ok", "some"]))] = draw(JUNK)
        else:
            part[key] = draw(JUNK)
    return interface, type_, value[0]


SIDES = Interface(
    name=NAME,
    types=(
        TypeDef(
            name="point",
            owner=NAME,
            body=RecordType((Field("a", ResultType(None, None)), Field("b", TupleType(())))),
        ),
    ),
)


def places(part: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(part) if is_dict(part) else range(len(part)) if is_list(part) else ():
        yield part, key
        yield from places(part[key])


@given(cases())
@settings(max_examples=EXAMPLES, suppress_health_check=CALM, deadline=None)
def test_forms_and_pydantic_judge_as_the_validator_does(case: tuple[Interface, TypeDef, Any]) -> None:
    interface, type_, value = case
    types, forms = generated(interface)
    canonical, problems = compile_value(type_)(value)
    form: WitForm[Any] = getattr(forms, form_name(type_.name))
    adapter = TypeAdapter(getattr(types, class_name(type_.name))) if isinstance(type_.body, NAMED) else None
    if problems:
        with pytest.raises(InvalidValue) as refused:
            form.from_json(value)
        assert refused.value.problems == problems
        if adapter is not None:
            with pytest.raises(ValidationError) as invalid:
                adapter.validate_python(value)
            places_told(invalid.value, value, type_, [problem.pointer for problem in problems])
        return
    typed = form.from_json(value)
    assert exact(form.to_json(typed)) == exact(canonical)
    if adapter is not None:
        assert same(adapter.validate_python(value), typed, form)
        assert adapter.validate_python(typed) is typed
        assert exact(adapter.dump_python(typed, mode="json")) == exact(canonical)
        assert same(adapter.validate_json(exact(value)), typed, form)
        assert jsonschema.Draft202012Validator(adapter.json_schema()).is_valid(canonical)  # pyright: ignore[reportUnknownMemberType]
        assert exact(typed.to_json()) == exact(canonical)
        assert same(cast(Any, type(typed)).from_json(value), typed, form)


def same(one: Any, other: Any, form: WitForm[Any]) -> bool:
    """Equal, NaN to NaN too."""
    return type(one) is type(other) and exact(form.to_json(one)) == exact(form.to_json(other))


def places_told(error: ValidationError, value: Any, type_: TypeDef, pointers: list[str]) -> None:
    """Each problem stands at its place in Pydantic's error; a variant's errors stand below their case."""
    told = ["".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in e["loc"]) for e in error.errors()]
    if isinstance(type_.body, VariantType):
        told = [pointer[pointer.find("/", 1) :] if pointer.find("/", 1) > 0 else "" for pointer in told]
        assert all(resolves(value, pointer) for pointer in told if pointer)
        return
    assert told == pointers


@given(cases())
@settings(max_examples=EXAMPLES, suppress_health_check=CALM, deadline=None)
@example((SIDES, SIDES.types[0], {"a": {"ok": None}, "b": []}))
def test_python_values_of_the_wrong_type_are_told_with_their_place(case: tuple[Interface, TypeDef, Any]) -> None:
    """Of a typed value in which one field is of another type: `to_json` refuses it and names the place."""
    interface, type_, value = case
    _, forms = generated(interface)
    form: WitForm[Any] = getattr(forms, form_name(type_.name))
    if compile_value(type_)(value)[1] or not isinstance(type_.body, RecordType):
        return
    typed = form.from_json(value)
    for attribute, field in zip(typed.__dataclass_fields__, type_.body.fields, strict=True):
        kept = getattr(typed, attribute)
        object.__setattr__(typed, attribute, cast(Any, object()))
        with pytest.raises(InvalidValue) as refused:
            typed.to_json()
        pointers = [problem.pointer for problem in refused.value.problems]
        assert f"/{field.name.replace('-', '_')}" in pointers
        # Python does not tell the two forms of a map with texts as keys apart.
        assert len(pointers) == 1 or "MapType" in repr(type_)
        object.__setattr__(typed, attribute, kept)
