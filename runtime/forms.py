"""The JSON form of generated classes: `to_json` and `from_json`, checked as a server checks parameters.

A generated package has, next to each module of types, a module ``forms`` with a `WitForm` per type. Classes find theirs
when it is first needed, so importing types stays cheap. `pydantic_schema` builds on this. Pure.
"""

from __future__ import annotations

import base64
import importlib
import json
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, Self, TypeVar, cast

from obelisk.codegen.model.checks import Check, Problems, TooManyProblems
from obelisk.codegen.model.json_value import JsonValue
from obelisk.codegen.model.problems import Problem
from obelisk.runtime.errors import ObeliskError

T = TypeVar("T")
_ATTRIBUTE: Final = "__as_found__"
"""The method of classes that say what they look like (`as_found`)."""


class InvalidValue(ObeliskError, ValueError):
    """A value is not of its WIT type: `problems` has every place, with its JSON pointer."""

    code: ClassVar[str] = "value_invalid"

    def __init__(self, type_text: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"no {type_text}: {'; '.join(map(str, problems))}")
        self.type_text, self.problems = type_text, problems

    def __reduce__(self) -> tuple[type[Self], tuple[str, tuple[Problem, ...]]]:
        return type(self), (self.type_text, self.problems)


class WitForm(Generic[T]):
    """The JSON form of one WIT type. `T` is what Python has for it."""

    def __init__(
        self,
        name: str,
        *,
        check: Check,
        decode: Callable[[Any], T],
        encode: Callable[[T], JsonValue],
        schema: str,
        uses: Mapping[str, WitForm[Any]] = MappingProxyType({}),
        kind: type[Any] | None = None,
        cases: Mapping[type[Any], str] = MappingProxyType({}),
    ) -> None:
        """`name` is the type's in WIT. `check` gives the canonical form and notes problems, `decode` takes a canonical
        form, `encode` gives it. `schema` is JSON Schema, which refers to the types of `uses` by these names. `kind` is
        the class of a record, an enum or flags, `cases` are the classes of a variant with their names in JSON.
        """
        self.name, self.check, self.decode, self.encode = name, check, decode, encode
        self.uses, self.kind, self.cases = uses, kind, cases
        self._schema = schema

    def from_json(self, data: object) -> T:
        """The value of a JSON form, as `json.loads` gives it. InvalidValue names every fault by its JSON pointer."""
        return self.decode(self.canonical(data))

    def to_json(self, value: T) -> JsonValue:
        """The canonical JSON form. InvalidValue when the value holds what its WIT type does not allow."""
        try:
            encoded = self.encode(value)
        except _FAULTS as error:
            raise self._unfit(value, error) from error
        return self.canonical(encoded)

    def canonical(self, data: object) -> JsonValue:
        """The canonical form of a JSON form: every field there, in order. InvalidValue as in `from_json`."""
        value, problems = self.checked(data)
        if problems:
            raise InvalidValue(self.name, problems)
        return value

    def checked(self, data: object) -> tuple[JsonValue, tuple[Problem, ...]]:
        """The canonical form and no problems, or something and all problems."""
        problems: Problems = []
        try:
            value = self.check(cast(JsonValue, data), None, problems)
        except TooManyProblems:
            return None, tuple(problems)
        return value, tuple(problems)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the JSON form; what it refers to stands in `uses`."""
        found: dict[str, Any] = json.loads(self._schema)
        return found

    def _unfit(self, value: object, error: Exception) -> InvalidValue:
        """Why a Python value has no form: the problems that the checks find in its nearest JSON."""
        # A dict of texts may be a map with other keys, whose form is a list of pairs: what fits better is meant.
        forms = (as_found(value), as_found(value, pairs=True))
        _, problems = min(map(self.checked, forms), key=lambda judged: len(judged[1]))
        told = f"found a Python {type(value).__name__}: {error}"
        return InvalidValue(self.name, problems or (Problem(pointer="", expected=self.name, detail=told),))


_FAULTS: Final = (AttributeError, KeyError, IndexError, TypeError, ValueError)


def other_case(name: str, found: object) -> Problem:
    """The problem of a variant's value that is of the case `found` instead of `name`."""
    return Problem(pointer="", expected=f'the case "{name}"', detail=f'found the case "{found}"')


def as_found(value: object, *, pairs: bool = False) -> object:
    """What a Python value looks like as JSON, whether or not it is of its type; what has no form stays as it is.

    With `pairs` every dict is a list of pairs, without only those with other keys than texts.
    """
    like = getattr(type(value), _ATTRIBUTE, None)
    if like is not None:
        return like(value, pairs)
    match value:
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case float() if not math.isfinite(value):
            return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        case list() | tuple():
            return [as_found(item, pairs=pairs) for item in cast("list[object]", value)]
        case dict():
            items = cast("dict[object, object]", value).items()
            entries = [(as_found(k, pairs=pairs), as_found(v, pairs=pairs)) for k, v in items]
            is_object = not pairs and all(type(key) is str for key, _ in entries)
            return dict(entries) if is_object else [list(entry) for entry in entries]
        case _:
            return value


_found: Final[dict[type[Any], WitForm[Any]]] = {}


def form_of(kind: type[Any]) -> WitForm[Any]:
    """The form of a generated class, from the module ``forms`` next to its own. ObeliskError when there is none."""
    if kind not in _found:
        declaring = next((base for base in kind.__mro__ if ".types." in base.__module__), kind)
        package, _, unit = declaring.__module__.rpartition(".types.")
        forms = _forms(f"{package}.forms", unit) if package else {}
        if declaring.__name__ not in forms:
            why = "it holds a resource, or its package was generated without the part `forms`"
            raise ObeliskError(f"{kind.__qualname__} has no JSON form: {why}")
        _found[kind] = forms[declaring.__name__]
    return _found[kind]


def _forms(folder: str, unit: str) -> dict[str, WitForm[Any]]:
    """The forms of a unit; none when it has no such module."""
    try:
        forms: dict[str, WitForm[Any]] = importlib.import_module(f"{folder}.{unit}").FORMS
    except ModuleNotFoundError as error:
        if error.name not in (folder, f"{folder}.{unit}"):
            raise
        return {}
    return forms
