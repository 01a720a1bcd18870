"""``obelisk token``: the file of tokens of a configuration. A server that runs notices a change within a second."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

import click

from obelisk.cli import console
from obelisk.cli.errors import CommandError
from obelisk.cli.settings import config_option, read_config
from obelisk.gateway.auth import token_file
from obelisk.gateway.auth.tokens import RANDOM_BYTES, SCOPES, Token, issue
from obelisk.gateway.views.executions import instant
from obelisk.runtime.wiring.clock import SystemClock

_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([hdw])\Z")
_SECONDS: Final = {"h": 3600, "d": 86_400, "w": 604_800}
_CLOCK: Final = SystemClock()

token = click.Group("token", help="Make, list and revoke tokens of a server.")


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(list(SCOPES)),
    default="read",
    show_default=True,
    help="What it may: read; submit, which includes read; admin, which includes both.",
)
@click.option("--expires", metavar="SPAN", help="After so long, as 12h, 30d or 8w. Default: never.")
@config_option
@console.json_option
def create(name: str, scope: str, expires: str | None, config_path: Path | None, as_json: bool) -> None:
    """Make a token called NAME and print it, once: only its hash is kept.

    \b
    export OBELISK_TOKEN=$(obelisk token create laptop --scope admin)
    """
    config = read_config(config_path)
    now_us = _CLOCK.now_us()
    expires_at_us = None if expires is None else now_us + _span_us(expires)
    kept = token_file.read(config.tokens)
    issued = issue(
        name, SCOPES[scope], random=secrets.token_bytes(RANDOM_BYTES), now_us=now_us, expires_at_us=expires_at_us
    )
    token_file.write(config.tokens, kept.with_token(issued.token))
    if as_json:
        console.value({**_shown(issued.token, now_us), "token": issued.secret})
        return
    console.say(issued.secret)
    console.note(f"token {issued.token.id} is in {config.tokens}, as a hash; this text is shown only here")
    if not kept.items:
        console.note('the first token: a server that runs with `auth = "auto"` asks for tokens after its next start')


@token.command(name="list")
@config_option
@console.json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """List the tokens, without their texts, which only their holders have."""
    config = read_config(config_path)
    now_us = _CLOCK.now_us()
    items = [_shown(kept, now_us) for kept in token_file.read(config.tokens).items]
    if as_json:
        console.value({"items": items})
    elif items:
        columns = ("id", "name", "scope", "created_at", "expires_at", "state")
        console.table(columns, [[console.cell(item[column]) for column in columns] for item in items])
    else:
        console.note(f"there are no tokens in {config.tokens}; `obelisk token create NAME` makes one")


@token.command()
@click.argument("token_id", metavar="ID")
@config_option
@console.json_option
def revoke(token_id: str, config_path: Path | None, as_json: bool) -> None:
    """Let the token of that ID (see `list`) count no more. A token itself says its id between its two underscores."""
    config = read_config(config_path)
    kept = token_file.read(config.tokens)
    found = next((item for item in kept.items if item.id == token_id), None)
    if found is None:
        raise CommandError(
            "token_not_found", f"no token {token_id} is in {config.tokens}", hint="`obelisk token list` shows which are"
        )
    token_file.write(config.tokens, kept.without(token_id))
    if as_json:
        console.value({"id": found.id, "name": found.name})
    else:
        console.say(f"revoked {found.id} {found.name}")


def _span_us(text: str) -> int:
    match = _SPAN.match(text)
    if match is None:
        raise click.BadParameter(f'expected a number and h, d or w, as 30d, found "{text}"', param_hint="--expires")
    return int(match[1]) * _SECONDS[match[2]] * 1_000_000


def _shown(kept: Token, now_us: int) -> dict[str, object]:
    return {
        "id": kept.id,
        "name": kept.name,
        "scope": kept.scope,
        "created_at": instant(kept.created_at_us),
        "expires_at": None if kept.expires_at_us is None else instant(kept.expires_at_us),
        "state": "valid" if kept.is_valid(now_us) else "expired",
    }
