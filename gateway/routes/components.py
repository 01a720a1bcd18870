"""Routes below ``/v1/components``: what is deployed, its WIT; deploy a component, take one out.

A component is deployed as a whole or not at all, and served at once. Compiling a large one takes seconds; the answer
comes when it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import requests, responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.views import components as component_views
from obelisk.gateway.views import describe
from obelisk.runtime import json_text
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.wiring.config import check_settings, is_component_name

_TAG: Final = "components"
_MAX_SETTINGS: Final = 16_384
CHECKED, CHECK_S, CHECK_ALL_S = 50, 2.0, 60.0
"""How many executions are replayed after a deployment, for how long, and for how long when nothing is deployed."""
_NAME: Final = {
    "name": {"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$", "description": "Its name."}
}

LIST = Operation(
    id="list-components",
    path="/v1/components",
    tag=_TAG,
    summary="List the deployed components",
    answers={200: Answer(description="All components.", view=component_views.Components)},
)
ADD = Operation(
    id="add-component",
    path="/v1/components/{name}",
    method="PUT",
    tag=_TAG,
    summary="Deploy a component, replacing one of the same name",
    description=(
        "All its imports must be answered by what is deployed: add activities before the workflows that call them. "
        "What is missing, `imports` of the refusal lists by interface and function."
    ),
    segments=_NAME,
    parameters=(
        Parameter(
            name="settings",
            kind="text",
            description=(
                "A JSON object of all settings, as in a `[component.…]` section of the configuration file. Without it "
                "a component that is deployed keeps its settings."
            ),
            max_length=_MAX_SETTINGS,
        ),
    ),
    body="The component: a WebAssembly binary, or component text. Of an external component or a stub: its WIT.",
    body_type="application/octet-stream",
    answers={200: Answer(description="It is deployed and served.", view=component_views.ComponentView)},
    problems=(413, 415, 422),
)
CHECK = Operation(
    id="check-component",
    path="/v1/components/{name}/check",
    method="POST",
    tag=_TAG,
    summary="Check which executions in flight a build fits",
    description=(
        "Their histories are replayed with the build as if it were deployed under that name, the newest first, for a "
        "minute at most. Nothing is deployed and nothing is written."
    ),
    segments=_NAME,
    parameters=(
        Parameter(
            name="limit",
            kind="integer",
            description="How many executions are replayed at most.",
            default=1000,
            minimum=1,
            maximum=100_000,
        ),
    ),
    body="The component: a WebAssembly binary, or component text.",
    body_type="application/octet-stream",
    answers={200: Answer(description="What it fits.", view=component_views.BuildCheck)},
    problems=(413, 415, 422),
)
REMOVE = Operation(
    id="remove-component",
    path="/v1/components/{name}/remove",
    method="POST",
    tag=_TAG,
    summary="Take a component out of what is deployed",
    description=(
        "Refused with `component_in_use` while executions of its functions have not finished, or while others import "
        "what it exports. Its binary is kept for replays. A component of the configuration file comes back when the "
        "server starts again."
    ),
    segments=_NAME,
    parameters=(
        Parameter(
            name="force",
            kind="boolean",
            description="Also while executions need it: they wait until a component exports their function again.",
            default=False,
        ),
    ),
    answers={200: Answer(description="It is not deployed any more.", view=component_views.RemovedComponent)},
    problems=(404, 409),
)
WIT = Operation(
    id="get-component-wit",
    path="/v1/components/{name}/wit",
    tag=_TAG,
    summary="The WIT of a deployed component",
    segments=_NAME,
    answers={200: Answer(description="Its packages as one WIT text.", media_types=("text/plain",))},
    problems=(404, 422),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """All routes below ``/v1/components``."""
    api = gateway.api

    async def list_(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        used = await api.deployment.builds_in_use()
        return responses.json_answer(component_views.Components(items=component_views.components(api.registry, used)))

    async def add(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        name = _name_of(request)
        settings = _settings(query["settings"])
        content = await requests.bytes_body(request, gateway.settings)
        await api.add_component(name, content, settings)
        used = await api.deployment.builds_in_use()
        checked = await api.checking.deployed(name, limit=CHECKED, max_s=CHECK_S)
        return responses.json_answer(component_views.component(api.deployment.find(name), api.registry, used, checked))

    async def check(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        name = _name_of(request)
        content = await requests.bytes_body(request, gateway.settings)
        limit = query["limit"]
        assert isinstance(limit, int)
        return responses.json_answer(
            component_views.build_check(await api.checking.build(name, content, limit=limit, max_s=CHECK_ALL_S))
        )

    async def remove(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        name = _name_of(request)
        digest = await api.remove_component(name, force=query["force"] is True)
        return responses.json_answer(component_views.RemovedComponent(name=name, digest=digest))

    async def wit(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        binary = await api.deployment.binary(_name_of(request))
        return Response(describe.wit_of(binary), media_type="text/plain")

    return (
        Endpoint(LIST, list_),
        Endpoint(ADD, add),
        Endpoint(CHECK, check),
        Endpoint(REMOVE, remove),
        Endpoint(WIT, wit),
    )


def _name_of(request: Request) -> str:
    name: str = request.path_params["name"]
    if not is_component_name(name):
        raise Refusal("parameter_invalid", "a component's name has letters, digits, dots, dashes and underscores")
    return name


def _settings(text: ParameterValue) -> dict[str, Any] | None:
    """The settings of a query parameter, checked; None without it. Refusal ``parameter_invalid`` that names the key."""
    if not isinstance(text, str):
        return None
    try:
        settings = json_text.decode(text)
        if not isinstance(settings, dict):
            raise _refused("settings: expected a JSON object")
        check_settings(settings, where="settings")
    except json_text.NotJson as error:
        raise _refused(f"settings: expected a JSON object: {error}") from None
    except ConfigError as error:
        raise _refused(error.message) from None
    return settings


def _refused(detail: str) -> Refusal:
    return Refusal("parameter_invalid", detail, members={"parameter": "settings"})
