"""Parameters on the command line: JSON as a whole, or ``name=value`` read as the function declares them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from obelisk.cli.errors import CommandError
from obelisk.runtime import json_text


def is_json(arguments: Sequence[str]) -> bool:
    """Whether the parameters are given as one JSON object or array."""
    return len(arguments) == 1 and arguments[0].lstrip()[:1] in ("{", "[")


def named(arguments: Sequence[str], schema: Mapping[str, Any]) -> bytes:
    """A JSON object of ``name=value`` arguments; `schema` is the function's own of its named parameters.

    A value is JSON where the schema takes what it says as JSON, else text where the schema takes text:
    ``name=Ada`` and ``name="Ada"`` are the same string, and so is ``name=12`` for a string.
    """
    known: Mapping[str, Any] = schema.get("properties", {})
    params: dict[str, object] = {}
    for argument in arguments:
        label, equals, text = argument.partition("=")
        name = label.strip().replace("-", "_")
        if not equals or name not in known:
            expected = ", ".join(known) or "none: it has no parameters"
            problem = (
                f"unknown parameter {label}"
                if equals
                else f'expected name=value or one JSON object, found "{argument}"'
            )
            raise CommandError("params_invalid", problem, hint=f"its parameters: {expected}")
        if name in params:
            raise CommandError("params_invalid", f"parameter {label} is given twice")
        params[name] = _value(text, _types(known[name], schema.get("$defs", {})))
    return msgspec.json.encode(params)


def _value(text: str, types: frozenset[str]) -> object:
    try:
        value = json_text.decode(text)
    except json_text.NotJson:
        return text
    return value if _type_of(value) in types or "string" not in types else text


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _types(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> frozenset[str]:
    """Which JSON types a schema takes at its top; an integer counts as a number."""
    reference = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if reference:
        return _types(definitions[reference], definitions)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return frozenset(type_ for member in schema[choice] for type_ in _types(member, definitions))
    type_ = str(schema.get("type", "object"))
    return frozenset({"number" if type_ == "integer" else type_})
