"""The control plane as data: each route once, with its parameters and answers.

Routing, the reading of parameters and the OpenAPI document all come from these records, so that they cannot disagree.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl

from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.errors import Refusal
from obelisk.gateway.views.executions import View, microseconds
from obelisk.runtime import tags

ParameterValue: TypeAlias = str | int | bool | None
Method: TypeAlias = Literal["GET", "POST", "PUT", "DELETE"]
_INTEGER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
_MAX_PARAMETERS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter; optional unless `required`. `default` is what a handler gets when it is not given.

    An integer lies in `minimum`…`maximum`; a text is one of `choices`, or has at most `max_length` characters; an
    instant is RFC 3339 text, and a handler gets microseconds since 1970; tags are a list as `runtime.tags` reads it.
    """

    name: str
    kind: Literal["integer", "boolean", "text", "instant", "tags"]
    description: str
    default: ParameterValue = None
    required: bool = False
    minimum: int = 0
    maximum: int = 10**18 - 1
    choices: tuple[str, ...] = ()
    max_length: int = 1024

    def schema(self) -> dict[str, object]:
        """Its JSON Schema."""
        schema: dict[str, object]
        if self.kind == "integer":
            schema = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        elif self.kind == "boolean":
            schema = {"type": "boolean"}
        elif self.kind == "instant":
            schema = {"type": "string", "format": "date-time"}
        elif self.kind == "tags":
            schema = {"type": "string", "pattern": tags.PATTERN}
        elif self.choices:
            schema = {"type": "string", "enum": list(self.choices)}
        else:
            schema = {"type": "string", "maxLength": self.max_length}
        return schema if self.default is None else schema | {"default": self.default}

    def read(self, text: str) -> ParameterValue:
        """The value of a given text. Refusal ``parameter_invalid`` that says what was expected."""
        if self.kind == "integer":
            value = int(text) if _INTEGER.match(text) else -1
            if self.minimum <= value <= self.maximum:
                return value
            raise self._refuse(f"expected an integer from {self.minimum} to {self.maximum}")
        if self.kind == "boolean":
            if text in ("true", "false"):
                return text == "true"
            raise self._refuse("expected true or false")
        if self.kind == "instant":
            at_us = microseconds(text)
            if at_us is not None:
                return at_us
            raise self._refuse("expected an instant as 2030-01-31T12:00:00Z (in a query, + is sent as %2B)")
        if self.kind == "tags":
            if tags.parse(text) is not None:
                return text
            raise self._refuse(f"expected {tags.EXPECTED}")
        if self.choices:
            if text in self.choices:
                return text
            raise self._refuse(f"expected one of {', '.join(self.choices)}")
        if len(text) > self.max_length:
            raise self._refuse(f"expected at most {self.max_length} characters")
        return text

    def _refuse(self, expected: str) -> Refusal:
        detail = f"parameter {self.name}: {expected}"
        return Refusal("parameter_invalid", detail, members={"parameter": self.name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful answer: JSON of `view`, or anything of `media_types`, or nothing when there are none."""

    description: str
    view: type[View] | None = None
    media_types: tuple[str, ...] = ("application/json",)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route. `path` is an OpenAPI template whose placeholders `segments` describes, by name; it has one method.

    `parameters` stand in the query, `headers` in headers of their names. `body` says what the body is, JSON unless
    `body_type` is another media type, with the schema of `body_view` if there is one; a route without one takes none.
    `problems` are the statuses of refusals apart from those that every route may give (`openapi` has them).
    """

    id: str
    path: str
    tag: str
    summary: str
    description: str = ""
    method: Method = "GET"
    body: str = ""
    body_type: str = "application/json"
    body_view: type[View] | None = None
    segments: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    parameters: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    answers: Mapping[int, Answer] = field(default_factory=dict[int, Answer])
    problems: tuple[int, ...] = ()
    scope: Scope | None = None

    @property
    def needed(self) -> Scope:
        """The scope that a request needs: to read what is only read, else to administer, unless the record says so."""
        if self.scope is not None:
            return self.scope
        return Scope.READ if self.method == "GET" else Scope.ADMIN

    def read_query(self, query: bytes) -> dict[str, ParameterValue]:
        """All parameters by name, defaults filled in. Refusal for what is unknown, given twice, no UTF-8 or wrong."""
        values: dict[str, ParameterValue] = {parameter.name: parameter.default for parameter in self.parameters}
        known = {parameter.name: parameter for parameter in self.parameters}
        given: set[str] = set()
        for name, text in _pairs(query):
            parameter = known.get(name)
            if parameter is None:
                expected = f"known here: {', '.join(known)}" if known else "none is known here"
                raise Refusal("parameter_invalid", f"unknown query parameter {name}; {expected}")
            if name in given:
                raise Refusal("parameter_invalid", f"parameter {name}: given twice")
            given.add(name)
            values[name] = parameter.read(text)
        for parameter in self.parameters:
            if parameter.required and parameter.name not in given:
                detail = f"parameter {parameter.name} is missing: {parameter.description}"
                raise Refusal("parameter_invalid", detail, members={"parameter": parameter.name})
        return values

    def read_headers(self, headers: Mapping[str, str]) -> dict[str, ParameterValue]:
        """All header parameters by name, defaults filled in. Refusal for what is wrong."""
        values: dict[str, ParameterValue] = {}
        for parameter in self.headers:
            text = headers.get(parameter.name)
            values[parameter.name] = parameter.default if text is None else parameter.read(text)
        return values


def _pairs(query: bytes) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise Refusal("parameter_invalid", "the query is not percent-encoded UTF-8") from None
    except ValueError:
        raise Refusal("parameter_invalid", f"the query has more than {_MAX_PARAMETERS} parameters") from None
