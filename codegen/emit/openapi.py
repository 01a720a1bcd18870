"""OpenAPI 3.1 documents for the HTTP contract of functions (ARCHITECTURE §7), pure and deterministic.

`openapi_document` serves both `obelisk gen`, for one package, and the gateway, for all that is deployed, which adds its
own paths and schemas. Operation ids and the names of schemas do not depend on what else is in the document.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, cast

from obelisk.codegen.emit import openapi_parts
from obelisk.codegen.emit.endpoints import Endpoint
from obelisk.codegen.emit.examples import TooLarge, example
from obelisk.codegen.emit.json_schema import JsonObject, Schemas
from obelisk.codegen.emit.validators import signature_text
from obelisk.codegen.model.items import Function
from obelisk.codegen.model.json_form import JsonValue, json_name, wit_text
from obelisk.codegen.model.names import Ffqn
from obelisk.codegen.model.types import Field, ResultType, Type, unalias

OPENAPI: Final = "3.1.0"
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[^a-z])")
"""Not the point of ``e.g. so``."""


def openapi_document(
    functions: Iterable[Endpoint],
    *,
    title: str,
    version: str,
    description: str = "",
    extra_paths: Mapping[str, JsonObject] | None = None,
    extra_schemas: Mapping[str, JsonObject] | None = None,
    extra_responses: Mapping[str, JsonObject] | None = None,
    security_schemes: Mapping[str, JsonObject] | None = None,
    security_required: bool = True,
    extra_tags: Sequence[JsonObject] = (),
    servers: Sequence[JsonObject] = (),
    known: Collection[str] = (),
) -> JsonObject:
    """One document for `functions` (see `endpoints.endpoints`), in order of their names.

    `extra_schemas` and `extra_responses` add components or replace shared ones of the same name (`openapi_parts`); a
    type never takes such a name. With `security_schemes` every operation needs one of them (or may need one, if it is
    not `security_required`). `known`: the ids of the operations of `extra_paths`, to which links lead in the document;
    other links lead to the document of the server. What is said of a function does not depend on any of these.
    """
    shared_schemas = {**openapi_parts.SCHEMAS, **(extra_schemas or {})}
    schemas = Schemas(*shared_schemas)
    paths: JsonObject = {}
    tags: dict[str, JsonObject] = {}
    for endpoint in sorted(functions, key=lambda e: e.ffqn):
        operation = function_operation(endpoint, schemas)
        paths[endpoint.path] = {"post": operation}
        tag = str(endpoint.ffqn.interface)
        tags[tag] = {"name": tag, "description": endpoint.interface_docs} if endpoint.interface_docs else {"name": tag}
    info: JsonObject = {"title": title, "version": version}
    if description:
        info["description"] = description
    components: JsonObject = {
        "schemas": {**dict(sorted(schemas.components.items())), **dict(sorted(shared_schemas.items()))},
        "responses": {**openapi_parts.RESPONSES, **(extra_responses or {})},
        "parameters": openapi_parts.PARAMETERS,
        "headers": openapi_parts.HEADERS,
        "links": openapi_parts.links(known),
    }
    document: JsonObject = {"openapi": OPENAPI, "info": info}
    if servers:
        document["servers"] = list(servers)
    if security_schemes:
        needs: list[JsonValue] = [{name: []} for name in security_schemes]
        document["security"] = needs if security_required else [{}, *needs]
        components["securitySchemes"] = dict(security_schemes)
    document["tags"] = [*tags.values(), *extra_tags]
    document["paths"] = {**paths, **(extra_paths or {})}
    document["components"] = components
    return document


def operation_id(ffqn: Ffqn) -> str:
    """``demo.trip.v1_2_0.workflow.book_trip``: one per function and version, whatever else is deployed."""
    package = ffqn.interface.package
    version = ["v" + "".join(c if c.isalnum() else "_" for c in package.version)] if package.version else []
    labels = (package.namespace, package.name, *version, ffqn.interface.name, ffqn.function)
    return ".".join(json_name(label) for label in labels)


def function_operation(endpoint: Endpoint, schemas: Schemas) -> JsonObject:
    """The POST operation of one function; the named types it meets go into `schemas`."""
    function = endpoint.function
    summary, rest = _divided(function.docs)
    operation: JsonObject = {
        "operationId": operation_id(endpoint.ffqn),
        "tags": [str(endpoint.ffqn.interface)],
        "summary": summary or signature_text(function),
        "description": f"{rest}\n\n{_wit_block(function)}".strip(),
    }
    if function.stability.deprecated:
        operation["deprecated"] = True
    operation["parameters"] = [
        {"$ref": f"#/components/parameters/{name}"} for name in cast(dict[str, object], openapi_parts.PARAMETERS)
    ]
    operation["requestBody"] = _request_body(endpoint, schemas)
    operation["responses"] = _responses(endpoint, schemas)
    return operation


def _request_body(endpoint: Endpoint, schemas: Schemas) -> JsonObject:
    """Named parameters; of a function without any the body may be left out.

    An array of them in order is accepted as well. It is not described: generators would make a union of each body.
    """
    params = endpoint.function.params
    named = schemas.record(tuple(Field(param.name, param.type) for param in params))
    content: JsonObject = {"schema": schemas.add(endpoint.ffqn.interface, endpoint.function.name, "Params", named)}
    sample = _example(*(param.type for param in params))
    if sample is not None:
        content["example"] = {json_name(p.name): value for p, value in zip(params, sample, strict=True)}
    return {"required": bool(params), "content": {"application/json": content}}


def _responses(endpoint: Endpoint, schemas: Schemas) -> JsonObject:
    result = endpoint.function.result
    bare = None if result is None else unalias(result)
    value = bare.ok if isinstance(bare, ResultType) else result
    responses: JsonObject = dict([_success(value, schemas)])
    if isinstance(bare, ResultType):
        responses["422"] = _business_error(endpoint, bare.err, schemas)
    for status, name in openapi_parts.STATUSES.items():
        responses[status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(responses.items()))


def _success(value: Type | None, schemas: Schemas) -> tuple[str, JsonObject]:
    headers: JsonObject = {**openapi_parts.EXECUTION_HEADER, **openapi_parts.PREFERENCE_HEADER}
    if value is None:
        return "204", {"description": "Done; there is no value.", "headers": headers, "links": openapi_parts.LINKED}
    content: JsonObject = {"schema": schemas.schema(value)}
    sample = _example(value)
    if sample is not None:
        content["example"] = sample[0]
    description = f"The result: `{wit_text(value)}`."
    answer: JsonObject = {"description": description, "headers": headers, "content": {"application/json": content}}
    return "200", {**answer, "links": openapi_parts.LINKED}


def _business_error(endpoint: Endpoint, err: Type | None, schemas: Schemas) -> JsonObject:
    """A problem whose member `error` is the function's own error value."""
    own: JsonObject = {"type": "object", "properties": {"error": schemas.schema(err)}, "required": ["error"]}
    problem: JsonObject = {"allOf": [{"$ref": "#/components/schemas/Problem"}, own]}
    content: JsonObject = {"schema": schemas.add(endpoint.ffqn.interface, endpoint.function.name, "Error", problem)}
    sample = [None] if err is None else _example(err)
    if sample is not None:
        more: JsonObject = {"error": sample[0], "execution_id": openapi_parts.EXECUTION_ID}
        content["example"] = openapi_parts.problem(422, "returned_err", "the function returned err", more)
    return {
        "description": f"The function returned an error: `{wit_text(err)}`.",
        "headers": {**openapi_parts.EXECUTION_HEADER, **openapi_parts.PREFERENCE_HEADER},
        "content": {openapi_parts.PROBLEM_TYPE: content},
        "links": openapi_parts.LINKED,
    }


def _example(*types: Type) -> list[JsonValue] | None:
    try:
        return example(*types)
    except TooLarge:
        return None


def _divided(docs: str) -> tuple[str, str]:
    """The first sentence on one line, and what comes after it. Together they say all that the documentation does."""
    paragraph, _, more = docs.strip().partition("\n\n")
    end = _SENTENCE_END.search(paragraph)
    sentence = paragraph[: end.start()] if end else paragraph
    rest = paragraph[end.end() :] if end else ""
    return " ".join(sentence.split()), "\n\n".join(part for part in (rest, more.strip()) if part)


def _wit_block(function: Function) -> str:
    params = ", ".join(f"{param.name}: {wit_text(param.type)}" for param in function.params)
    result = "" if function.result is None else f" -> {wit_text(function.result)}"
    return f"```wit\n{function.name}: {'async ' if function.is_async else ''}func({params}){result}\n```"
