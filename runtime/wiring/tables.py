"""Reading a table of the configuration file into a struct, with errors that name the key. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TypeVar

import msgspec

from obelisk.runtime.errors import ConfigError

_AT = " - at `$"
"""What msgspec says before the place of what it refuses: searched for from the end, for a key may look like it."""
_STEP = re.compile(r"\w+|\[\d+\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; unknown keys are refused."""


_S = TypeVar("_S", bound=msgspec.Struct)


def convert(table: object, into: type[_S], where: str) -> _S:
    """The table below key `where` as a struct; what msgspec refuses, as a ConfigError with the key."""
    try:
        return msgspec.convert(table, into)
    except msgspec.ValidationError as error:
        message = str(error)
    head, mark, place = message.rpartition(_AT)
    inner = place.removesuffix("`").removeprefix(".") if mark else ""
    message = head if mark else message
    key = ".".join(part for part in (where, inner) if part)
    unknown = _UNKNOWN.match(message)
    if unknown is None:
        message = message.replace("Object missing required field", "missing the key").replace("`object`", "a table")
        raise refusal(key, message[:1].lower() + message[1:])
    known = _keys(msgspec.inspect.type_info(into), _STEP.findall(inner))
    near = difflib.get_close_matches(unknown[1], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'none'}"
    raise refusal(f"{key}.{unknown[1]}" if key else unknown[1], f"unknown key; {hint}")


def _keys(at: msgspec.inspect.Type, steps: list[str]) -> list[str]:
    """The keys of the table that msgspec found something in, `steps` below `at`: fields, and places in lists."""
    for step in steps:
        if isinstance(at, msgspec.inspect.StructType):
            found = next((field.type for field in at.fields if field.encode_name == step), None)
            if found is None:
                return []  # the name of a key looks like a place
            at = found
        elif isinstance(at, msgspec.inspect.VarTupleType):
            at = at.item_type
    return [field.encode_name for field in at.fields] if isinstance(at, msgspec.inspect.StructType) else []


def refusal(key: str, expected: str) -> ConfigError:
    """What is raised where a key has no right value."""
    return ConfigError(f"{key}: {expected}" if key else expected, key=key)
