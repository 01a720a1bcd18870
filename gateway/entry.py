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
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Scope, Token, issue
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.usecases.api import Api
from obelisk.runtime.wiring.config import Config

EPHEMERAL: Final = "of this process"
WORKERS: Final = "of its workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who may ask, and tokens that were made for this process alone (``""``: none), nowhere to be kept.

    `secret` may do everything and is to be shown once. `worker_secret` is for the workers that the server starts: with
    it they can take attempts and do nothing else.
    """

    access: Access
    secret: str
    worker_secret: str = ""


OPEN_TO_ALL: Final = Admission(access=OPEN, secret="")


def admission(config: Config) -> Admission:
    """The rules of the server that `config` describes. TokensRequired, TokenFileInvalid.

    Where tokens are required and there are none, one is made that may do everything until the process ends. Where a
    token is needed and the server starts workers, one is made for these.
    """
    kept = token_file.read(config.tokens)
    extra: list[Token] = []
    secret = worker_secret = ""
    if config.server.auth == "required" and not kept.items:
        secret = _issued(EPHEMERAL, Scope.ADMIN, extra)
    if config.workers and (extra or kept.items):
        worker_secret = _issued(WORKERS, Scope.WORK, extra)
    live = LiveTokens(config.tokens, *extra)
    access = access_of(config.server, config.host, tokens=live.current)
    return Admission(access=access, secret=secret, worker_secret=worker_secret)


def _issued(name: str, scope: Scope, to: list[Token]) -> str:
    issued = issue(name, scope, random=secrets.token_bytes(RANDOM_BYTES), now_us=time.time_ns() // 1000)
    to.append(issued.token)
    return issued.secret


def gateway_app(config: Config, api: Api, access: Access) -> Starlette:
    """The application of a server."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return create_app(api, GatewaySettings.of(config.server, open_files=open_files), access)
