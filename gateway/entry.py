"""Where the gateway of a server is put together: from its configuration and its file of tokens."""

from __future__ import annotations

import resource
import secrets
import time
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette

from obelisk.gateway.app import create_app
from obelisk.gateway.auth import token_file
from obelisk.gateway.auth.access import OPEN, Access, access_of
from obelisk.gateway.auth.token_file import LiveTokens
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Scope, issue
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.usecases.api import Api
from obelisk.runtime.wiring.config import Config

EPHEMERAL: Final = "of this process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who may ask, and a token that was made for this process alone (``""``: none). It is to be shown once and nowhere
    to be kept."""

    access: Access
    secret: str


OPEN_TO_ALL: Final = Admission(access=OPEN, secret="")


def admission(config: Config) -> Admission:
    """The rules of the server that `config` describes. TokensRequired, TokenFileInvalid.

    Where tokens are required and there are none, one is made that may do everything until the process ends.
    """
    kept = token_file.read(config.tokens)
    if config.server.auth == "required" and not kept.items:
        issued = issue(EPHEMERAL, Scope.ADMIN, random=secrets.token_bytes(RANDOM_BYTES), now_us=time.time_ns() // 1000)
        live, secret = LiveTokens(config.tokens, issued.token), issued.secret
    else:
        live, secret = LiveTokens(config.tokens), ""
    return Admission(access=access_of(config.server, config.host, tokens=live.current), secret=secret)


def gateway_app(config: Config, api: Api, access: Access) -> Starlette:
    """The application of a server."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return create_app(api, GatewaySettings.of(config.server, open_files=open_files), access)
