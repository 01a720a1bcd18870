"""`obelisk config check`: what is wrong is named with file and key; what is right is shown whole, without secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from command_line import obelisk
from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.wiring.config import parse

GOOD = """
[server]
listen = "127.0.0.1:81"
[client]
token = "the-secret"
[secrets.github]
env = "GITHUB_TOKEN"
hosts = ["api.github.com"]
headers = ["authorization"]
[[http.allow]]
host = "api.github.com"
methods = ["GET"]
[component."fibo.v1"]
path = "fibo.wat"
max_retries = 3
kind = "activity"
env = { REGION = "eu", API_TOKEN = "the-secret" }
secrets = { GITHUB_TOKEN = "github" }
[[component."fibo.v1".http.allow]]
host = "api.github.com"
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fibo.wat").write_text("(component)")


def test_every_setting_is_shown_with_its_effective_value() -> None:
    Path("obelisk.toml").write_text(GOOD)
    ran = obelisk("config", "check")
    assert (ran.status, ran.err) == (ExitStatus.OK, "obelisk.toml is good\n")
    shown = tomllib.loads(ran.out)
    assert shown["server"]["listen"] == "127.0.0.1:81"
    assert shown["executor"]["lease_ms"] == 10_000
    assert shown["component"]["fibo.v1"]["max_retries"] == 3
    assert shown["component"]["fibo.v1"]["upgrade"] == "replay"
    assert shown["secrets"]["github"]["schemes"] == ["https"]
    assert shown["component"]["fibo.v1"]["secrets"] == {"GITHUB_TOKEN": "github"}
    assert shown["http"]["allow"][0]["methods"] == ["GET"]


def test_what_is_shown_is_a_configuration_with_the_same_effect() -> None:
    Path("obelisk.toml").write_text(GOOD.replace("the-secret", ""))
    first = obelisk("config", "check").out
    parse(first, file=Path("obelisk.toml"))
    Path("obelisk.toml").write_text(first)
    assert obelisk("config", "check").out == first


def test_secrets_are_hidden() -> None:
    Path("obelisk.toml").write_text(GOOD)
    for more in ((), ("--json",)):
        ran = obelisk("config", "check", *more)
        assert "the-secret" not in ran.out + ran.err
        assert "(hidden)" in ran.out


def test_as_json() -> None:
    Path("obelisk.toml").write_text(GOOD)
    shown = obelisk("config", "check", "--json").json
    assert shown["file"] == "obelisk.toml"
    assert shown["settings"]["component"]["fibo.v1"]["path"] == "fibo.wat"
    assert obelisk("config", "check", "--config", "obelisk.toml", "--json").json == shown


def test_without_a_file_all_settings_have_their_defaults() -> None:
    ran = obelisk("config", "check")
    assert (ran.status, ran.err) == (
        ExitStatus.OK,
        "there is no obelisk.toml: all settings have their defaults\n",
    )
    assert obelisk("config", "check", "--json").json["file"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nlissen = 1", "obelisk.toml: server.lissen: unknown key; did you mean listen?"),
        ("[executor]\nlease_ms = 0", "obelisk.toml: executor.lease_ms: expected `int` >= 1"),
        ('[component.a]\npath = "nowhere.wasm"', "component.a.path: there is no file nowhere.wasm"),
        ("[component.a]\nmax_retries = 1", "obelisk.toml: component.a.path: expected the path"),
        ("[server", "obelisk.toml: not TOML: "),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(text: str, said: str) -> None:
    Path("obelisk.toml").write_text(text)
    ran = obelisk("config", "check")
    assert (ran.status, ran.out) == (ExitStatus.CONFIG, "")
    assert said in ran.err


def test_a_named_file_must_be_there() -> None:
    ran = obelisk("config", "check", "--config", "nowhere.toml", "--json")
    assert (ran.status, ran.error["code"]) == (ExitStatus.NOT_FOUND, "file_not_found")
