"""What `obelisk executor serve` says when it answers."""

from __future__ import annotations

import importlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from obelisk.cli.errors import CommandError
from obelisk.cli.server.run import easiest_call, greeting
from obelisk.cli.settings import read_config
from obelisk.runtime.catalog.registry import Registry

gateway_world: Any = importlib.import_module("gateway_world")


def registry(*names: str) -> Registry:
    return Registry((gateway_world.component(names),))


def test_the_greeting_has_the_address_the_page_and_a_call() -> None:
    lines = greeting("http://127.0.0.1:1", registry("add", "reserve", "flow"))
    assert "serves 2 functions of 1 component" in lines[0]
    assert lines[1:3] == ["  API      http://127.0.0.1:1", "  Swagger  http://127.0.0.1:1/docs"]
    assert lines[3].startswith("  try      curl http://127.0.0.1:1/v1/functions/demo:shop/cart@1.2.0/add ")


def test_without_components_the_next_step_is_told() -> None:
    assert greeting("http://h:1", Registry())[-1] == "  next     obelisk component add PATH"


def test_the_call_that_is_shown_works() -> None:
    world = gateway_world.world(gateway_world.component(("add", "reserve")))
    line = shlex.split(easiest_call("http://h:1", tuple(world.api.registry.functions.values())))
    assert (line[0], line[2], line[4]) == ("curl", "-H", "-d")
    with world.client() as http:
        assert http.post(line[1].removeprefix("http://h:1"), json.loads(line[5])).json() == 20


def test_a_call_with_parameters_is_shown_rather_than_one_without() -> None:
    functions = tuple(registry("ping", "blob").functions.values())
    assert "/blob" in easiest_call("http://h", functions)
    assert "/ping" in easiest_call("http://h", [f for f in functions if f.function.name == "ping"])


def test_the_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(None).port == 8080
    (tmp_path / "obelisk.toml").write_text('[server]\nlisten = "127.0.0.1:1"')
    assert read_config(None).port == 1
    (tmp_path / "other.toml").write_bytes(b"\xff")
    with pytest.raises(CommandError, match=r"other\.toml: not UTF-8: byte 0"):
        read_config(Path("other.toml"))
    with pytest.raises(CommandError, match=r"nowhere\.toml: there is no such file"):
        read_config(Path("nowhere.toml"))
    with pytest.raises(CommandError, match="Is a directory"):
        read_config(tmp_path)


def test_a_configuration_that_is_a_link_to_nothing_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when what it lies on is not mounted: with the defaults, another database would be served."""
    monkeypatch.chdir(tmp_path)
    Path("obelisk.toml").symlink_to("mounted/obelisk.toml")
    for given in (None, Path("obelisk.toml")):
        with pytest.raises(CommandError, match=r"obelisk\.toml: it is a link to mounted/obelisk\.toml, and there is"):
            read_config(given)
