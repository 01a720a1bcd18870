"""The reference of the HTTP interface, from the records that the server routes by and documents itself with."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from obelisk.gateway import errors, routes
from obelisk.gateway.document import openapi
from obelisk.gateway.document.operations import Operation, Parameter

_INTRODUCTION: Final = """# HTTP

What every server answers, beside the endpoints of its functions ([WIT to HTTP](../wit-to-http.md)). A server
describes itself, functions and all, at `/openapi.json` (OpenAPI 3.1), and shows that at `/docs`.

Bodies are JSON. Instants are RFC 3339 in UTC with microseconds. An execution's id stands in a path as one segment, a
`/` in it as `%2F`. Unknown query parameters are refused.
"""
_ALWAYS: Final = (400, 500, 503)


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION, *_codes()]
    operations = sorted(_operations(), key=lambda operation: (operation.tag, operation.path, operation.method))
    for tag in dict.fromkeys(operation.tag for operation in operations):
        parts += [f"## {tag.capitalize()}", ""]
        for operation in operations:
            if operation.tag == tag:
                parts += _operation(operation)
    return "\n".join([*parts, *_schemas()])


def _operations() -> Iterator[Operation]:
    seen: set[str] = set()
    for info in pkgutil.iter_modules(routes.__path__):
        module = importlib.import_module(f"obelisk.gateway.routes.{info.name}")
        for value in vars(module).values():
            if isinstance(value, Operation) and value.id not in seen:
                seen.add(value.id)
                yield value


def _operation(operation: Operation) -> list[str]:
    lines = [f"### {operation.method} {operation.path}", "", f"{operation.summary}.", ""]
    if operation.description:
        lines += [operation.description, ""]
    parameters = [*operation.parameters, *operation.headers]
    if parameters:
        lines += ["| parameter | | |", "|---|---|---|", *(_parameter(p) for p in parameters), ""]
    if operation.body:
        lines += [f"Body (`{operation.body_type}`): {operation.body}", ""]
    lines += ["| status | |", "|---|---|"]
    for status, answer in operation.answers.items():
        name = answer.view.__name__ if answer.view is not None else ""
        shown = f"[`{name}`](#{name.lower()})" if name else ", ".join(f"`{media}`" for media in answer.media_types)
        lines.append(f"| {status} | {answer.description} {shown} |")
    problems = ", ".join(str(status) for status in sorted({*_ALWAYS, *operation.problems}))
    return [*lines, f"| {problems} | [problem](#problems) |", ""]


def _parameter(parameter: Parameter) -> str:
    schema = parameter.schema()
    kind = "one of " + ", ".join(f"`{choice}`" for choice in parameter.choices) if parameter.choices else parameter.kind
    default = f"; default `{str(schema['default']).lower()}`" if "default" in schema else ""
    needed = "; needed" if parameter.required else ""
    return f"| `{parameter.name}` | {kind}{default}{needed} | {parameter.description} |"


def _codes() -> list[str]:
    lines = [
        "## Problems",
        "",
        "Everything that is refused is problem details (RFC 9457, `application/problem+json`) with `type`, `title`, "
        "`status`, `detail` and a stable `code`; wrong parameters bring `errors`, every fault with its JSON `pointer`, "
        "what was `expected` and a `detail`.",
        "",
        "| status | codes |",
        "|---|---|",
    ]
    for status in sorted(set(errors.STATUS.values())):
        codes = ", ".join(f"`{code}`" for code, of_code in sorted(errors.STATUS.items()) if of_code == status)
        lines.append(f"| {status} | {codes} |")
    return [*lines, ""]


# --- what is shown --------------------------------------------------------------------------------------------------
def _schemas() -> list[str]:
    lines = ["## What is shown", ""]
    for name, schema in sorted(openapi.schemas().items()):
        lines += [f"### {name}", ""]
        if "description" in schema:
            lines += [str(schema["description"]), ""]
        properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {}))
        if properties:
            rows = [f"| `{label}` | {_type(part)} |" for label, part in properties.items()]
            lines += ["| member | |", "|---|---|", *rows, ""]
        elif "anyOf" in schema:
            lines += [f"{_type(schema)}.", ""]
    return lines


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in words; named ones as links."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[`{name}`](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join("`null`" if value is None else f'`"{value}"`' for value in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"array of {_type(schema.get('items') or {})}"
        case "string" if schema.get("format") == "date-time":
            return "instant"
        case None:
            return "any"
        case name:
            return str(name)
