"""The answer to what a route raises: of the router's routes by Starlette's handlers, of calls directly."""

from __future__ import annotations

import logging
from typing import Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from obelisk.gateway import errors
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import responses
from obelisk.runtime.errors import ObeliskError

logger = logging.getLogger("obelisk.gateway")

REFUSED: Final = (Refusal, ObeliskError, HTTPException, ClientDisconnect)
"""What is no bug."""
Refused: TypeAlias = Refusal | ObeliskError | HTTPException | ClientDisconnect


def refused(error: Refused, method: str, path: str) -> Response:
    """What is told to the client; what is the server's own fault goes to the log, too."""
    match error:
        case Refusal():
            return responses.refused(error)
        case ObeliskError():
            refusal = errors.refusal(error)
            if refusal.status >= 500:
                logger.error("%s %s: %s: %s", method, path, error.code, error.message)
            return responses.refused(refusal)
        case HTTPException(status_code=404):  # of Starlette itself
            return responses.refused(Refusal("route_not_found", f"no route {path}"))
        case HTTPException():
            return responses.refused(Refusal("bad_request", error.detail))
        case ClientDisconnect():  # in the middle of its body; there is no reader for an answer
            return responses.refused(Refusal("bad_request", "the body ended early"))
