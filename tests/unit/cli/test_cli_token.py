"""`obelisk token`: tokens are shown once, kept as hashes, and taken by a gateway until they are revoked."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from pathlib import Path

import pytest

from command_line import obelisk
from obelisk.cli.exit_status import ExitStatus
from obelisk.gateway.app import create_app
from obelisk.gateway.auth import token_file
from obelisk.gateway.auth.access import access_of
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.wiring.config import parse

FILE = Path(".obelisk/tokens.json")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OBELISK_URL", "OBELISK_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def guarded() -> Generator[str]:
    """A gateway that asks for the tokens of the file as it is at every request."""
    gateway_world = importlib.import_module("gateway_world")
    config = parse('[server]\nauth = "required"', file=Path("obelisk.toml"))
    access = access_of(config.server, config.host, tokens=lambda: token_file.read(FILE))
    with gateway_world.served(create_app(gateway_world.world().api, GatewaySettings(), access)) as url:
        yield url


def test_a_token_opens_what_its_scope_may_until_it_is_revoked(guarded: str) -> None:
    refused = obelisk("execution", "list", "--url", guarded)
    assert refused.status == ExitStatus.REFUSED
    assert "hint: give a token with --token or OBELISK_TOKEN; `obelisk token create` makes one" in refused.err
    made = obelisk("token", "create", "laptop", "--json").json
    listing = ("execution", "list", "--url", guarded, "--token", made["token"])
    assert obelisk(*listing).status == ExitStatus.OK
    call = ("execution", "run", "demo:shop/cart@1.2.0.add", "[1, 2]", "--url", guarded, "--token")
    assert "hint: `obelisk token list` shows the scopes" in obelisk(*call, made["token"]).err
    submitter = obelisk("token", "create", "ci", "--scope", "submit").out.strip()
    assert obelisk(*call, submitter).out == "3\n"
    assert obelisk("token", "revoke", made["id"]).out == f"revoked {made['id']} laptop\n"
    assert obelisk(*listing).status == ExitStatus.REFUSED


def test_only_the_hash_is_kept_for_its_owner_alone() -> None:
    made = obelisk("token", "create", "laptop", "--scope", "admin", "--expires", "30d")
    secret = made.out.strip()
    assert secret.startswith("obk_")
    assert secret not in FILE.read_text()
    assert FILE.stat().st_mode & 0o077 == 0
    assert "this text is shown only here" in made.err
    assert "the first token" in made.err
    (item,) = obelisk("token", "list", "--json").json["items"]
    assert (item["name"], item["scope"], item["state"]) == ("laptop", "admin", "valid")
    assert item["expires_at"] > item["created_at"]
    assert secret not in obelisk("token", "list").out


def test_without_tokens_the_next_step_is_told() -> None:
    ran = obelisk("token", "list")
    assert (ran.status, ran.out) == (ExitStatus.OK, "")
    assert "`obelisk token create NAME` makes one" in ran.err
    assert not FILE.exists()


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("revoke", "0123"), ExitStatus.NOT_FOUND, "hint: `obelisk token list` shows which are"),
        (
            ("create", "a", "--expires", "soon"),
            ExitStatus.USAGE,
            'a number and h, d or w, as 30d, found "soon"',
        ),
        (("create", "a", "--scope", "all"), ExitStatus.USAGE, "'read', 'submit', 'work', 'admin'"),
    ],
)
def test_refusals_are_clear(args: tuple[str, ...], status: ExitStatus, said: str) -> None:
    ran = obelisk("token", *args)
    assert (ran.status, said in ran.err) == (status, True), ran.err
    assert not FILE.exists()


def test_a_damaged_file_is_told() -> None:
    FILE.parent.mkdir()
    FILE.write_text("{")
    ran = obelisk("token", "list", "--json")
    assert (ran.status, ran.error["code"]) == (ExitStatus.CONFIG, "token_file_invalid")
