"""``/openapi.json``, and Swagger UI over it at ``/docs``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from obelisk import __version__
from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.context import Gateway
from obelisk.gateway.document import openapi, swagger
from obelisk.gateway.document.compressed import Document
from obelisk.gateway.document.operations import Answer, Operation, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.runtime.catalog.registry import Registry

_FILES = ("start.js", *swagger.INTEGRITY)

OPENAPI = Operation(
    id="openapi",
    path="/openapi.json",
    tag="documents",
    summary="This document",
    answers={200: Answer(description="OpenAPI 3.1.")},
)
DOCS = Operation(
    id="docs",
    path="/docs",
    tag="documents",
    summary="Swagger UI",
    answers={200: Answer(description="A page.", media_types=("text/html",))},
    scope=Scope.PUBLIC,
)
FILE = Operation(
    id="docs-file",
    path="/docs/{file}",
    tag="documents",
    summary="A file of Swagger UI",
    segments={"file": {"type": "string", "enum": list(_FILES)}},
    answers={200: Answer(description="The file.", media_types=("text/css", "text/javascript"))},
    problems=(404,),
    scope=Scope.PUBLIC,
)


class Described:
    """The OpenAPI document, made once per registry."""

    def __init__(self, operations: Sequence[Operation], *, authenticated: bool) -> None:
        self._operations = operations
        self._authenticated = authenticated
        self._made: tuple[Registry, Document] | None = None

    def of(self, registry: Registry) -> Document:
        """The document for a registry."""
        if self._made is None or self._made[0] is not registry:
            document = openapi.document(
                registry, self._operations, version=__version__, authenticated=self._authenticated
            )
            self._made = (registry, Document.of(msgspec.json.encode(document), responses.JSON))
        return self._made[1]


def endpoints(gateway: Gateway, operations: Sequence[Operation]) -> tuple[Endpoint, ...]:
    """The document routes; `operations` are those of all other routes."""
    document = Described((*operations, OPENAPI, DOCS, FILE), authenticated=gateway.access.required)
    page = swagger.page()

    async def openapi_(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        return document.of(gateway.api.registry).answer(request.headers)

    async def docs(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        return page.answer(request.headers, {"Content-Security-Policy": swagger.CONTENT_SECURITY_POLICY})

    async def file(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        found = swagger.asset(request.path_params["file"])
        if found is None:
            raise Refusal("route_not_found", f"no route {request.url.path}")
        return found.answer(request.headers, {"Cache-Control": "max-age=3600"})

    return (Endpoint(OPENAPI, openapi_), Endpoint(DOCS, docs), Endpoint(FILE, file))
