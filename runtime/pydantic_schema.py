"""Pydantic schemas of generated classes, so that they stand in models and in FastAPI as they are.

Values are read and written as their WIT types say, by the checks of the package itself (`forms`): exactly what a server
accepts, with a Pydantic error at each faulty place. An instance is taken as it is. This is the one module that imports
Pydantic, and it is imported only when Pydantic asks a class for its schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError, core_schema

from obelisk.codegen.model.problems import Problem
from obelisk.runtime.forms import WitForm, as_found, form_of, other_case

_REFERENCE: Final = "#/components/schemas/"


def of_value(kind: type[Any]) -> core_schema.CoreSchema:
    """The schema of a record, an enum, flags or a variant's case."""
    form = form_of(kind)

    def json_schema(_: object, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return _json_schema(form, kind, handler)

    # A new one each time: Pydantic changes what it is given.
    return core_schema.no_info_plain_validator_function(
        _validation(form, kind),
        ref=f"{kind.__module__}.{kind.__qualname__}:{id(kind)}",
        serialization=core_schema.plain_serializer_function_ser_schema(form.to_json, when_used="json"),
        metadata={"pydantic_js_functions": [json_schema]},
    )


def of_side(kind: type[Any], key: str, payload: core_schema.CoreSchema) -> core_schema.CoreSchema:
    """The schema of `Ok`, `Err` or `Some`, which is an object of that one key."""
    field = core_schema.typed_dict_field(payload, required=True)
    shape = core_schema.typed_dict_schema({key: field}, extra_behavior="forbid")

    def make(data: dict[str, Any]) -> Any:
        return kind(data[key])

    def taken(value: Any) -> dict[str, Any]:
        return {key: value.value} if isinstance(value, kind) else value

    def written(value: Any, handler: Callable[[Any], Any], info: Any) -> Any:
        return handler({key: value.value}) if info.mode == "json" else value

    return core_schema.no_info_before_validator_function(
        taken,
        core_schema.no_info_after_validator_function(make, shape),
        serialization=core_schema.wrap_serializer_function_ser_schema(written, info_arg=True, schema=shape),
    )


def _validation(form: WitForm[Any], kind: type[Any]) -> Callable[[Any], Any]:
    name = form.cases.get(kind)
    others = {*form.cases.values()} - {name}  # told at once: a union asks each of its cases

    def validate(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if others and (found := _case_in(value)) in others:
            raise _errors(kind, (other_case(str(name), found),), value)
        canonical, problems = form.checked(value)
        if problems and type(value) in (dict, list):  # there may be instances inside
            canonical, problems = form.checked(as_found(value))
        if problems:
            raise _errors(kind, problems, value)
        decoded = form.decode(canonical)
        if not isinstance(decoded, kind):
            raise _errors(kind, (other_case(str(name), form.cases[type(decoded)]),), value)
        return decoded

    validate.__qualname__ = kind.__name__  # as Pydantic names it in the errors of a union
    return validate


def _case_in(value: Any) -> str | None:
    """The name of the case that a variant's JSON form would be of."""
    if isinstance(value, dict) and len(cast("dict[object, object]", value)) == 1:
        value = next(iter(cast("dict[object, object]", value)))
    return value if isinstance(value, str) else None


def _errors(kind: type[Any], problems: tuple[Problem, ...], value: object) -> ValidationError:
    return ValidationError.from_exception_data(kind.__name__, [_error(problem, value) for problem in problems])


def _error(problem: Problem, value: Any) -> InitErrorDetails:
    place: list[int | str] = []
    for step in problem.pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        place.append(int(key) if type(value) is list and re.fullmatch("[0-9]+", key) else key)
        value = _inside(value, place[-1])
    told = {"expected": problem.expected, "detail": problem.detail}
    kind = PydanticCustomError("wit_value", "expected {expected}, {detail}", told)
    return InitErrorDetails(type=kind, loc=tuple(place), input=value)


def _inside(value: Any, key: int | str) -> Any:
    try:
        return value[key]
    except (LookupError, TypeError):
        return None


def _json_schema(form: WitForm[Any], kind: type[Any], handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    whole = _resolved(form.schema, form, handler)
    name = form.cases.get(kind)
    return whole if name is None else _of_case(whole, name)


def _resolved(schema: Any, form: WitForm[Any], handler: Callable[[Any], dict[str, Any]]) -> Any:
    """The schema with its references to other types as Pydantic's own."""
    if isinstance(schema, list):
        return [_resolved(item, form, handler) for item in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    entries = cast("dict[str, object]", schema)
    reference = entries.get("$ref")
    if isinstance(reference, str):
        used = form.uses[reference.removeprefix(_REFERENCE)]
        others = {key: value for key, value in entries.items() if key != "$ref"}
        if used.kind is None:
            return {**_resolved(used.schema, used, handler), **others}
        # Inside a list, since Pydantic makes definitions only of what is part of another schema.
        return {**handler(core_schema.list_schema(of_value(used.kind)))["items"], **others}
    return {key: _resolved(value, form, handler) for key, value in entries.items()}


def _of_case(variant: dict[str, Any], name: str) -> dict[str, Any]:
    """What of a variant's schema is for one of its cases."""
    for part in variant.get("oneOf", [variant]):
        if name in part.get("enum", ()):
            return {"type": "string", "const": name}
        if name in part.get("properties", ()):
            return {key: value for key, value in part.items() if key != "description" or "oneOf" in variant}
    raise AssertionError(f"no case {name} in {variant}")
