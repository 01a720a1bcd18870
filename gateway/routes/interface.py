"""The web interface, at ``/`` and below ``/ui/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.document import interface
from obelisk.gateway.document.operations import Answer, Operation, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.routes.endpoint import Endpoint

PAGE = Operation(
    id="interface",
    path="/",
    tag="documents",
    summary="The web interface",
    answers={200: Answer(description="A page.", media_types=("text/html",))},
    problems=(404,),
    scope=Scope.PUBLIC,
)
FILE = Operation(
    id="interface-file",
    path="/ui/{file}",
    tag="documents",
    summary="A file of the web interface",
    segments={"file": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"}},
    answers={200: Answer(description="The file.", media_types=("text/css", "text/javascript", "image/svg+xml"))},
    problems=(404,),
    scope=Scope.PUBLIC,
)


def endpoints(built: Callable[[], interface.Interface] = interface.built) -> tuple[Endpoint, Endpoint]:
    """The page and its files. A server that has none says how to get them."""

    async def page(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        found = built().page
        if found is None:
            raise Refusal(
                "route_not_found",
                "the web interface is not built here: run `make interface`; /docs shows the API without it",
            )
        return found.answer(request.headers, interface.PAGE_HEADERS)

    async def file(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        found = built().files.get(request.path_params["file"])
        if found is None:
            raise Refusal("route_not_found", f"no route {request.url.path}")
        return found.answer(request.headers, interface.FILE_HEADERS)

    return (Endpoint(PAGE, page), Endpoint(FILE, file))
