"""`obelisk component` on the database and on a running server, as a user types it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from obelisk.runtime.host.component import to_binary

acceptance = importlib.import_module("server")
obelisk: Callable[..., Any] = importlib.import_module("command_line").obelisk
source_server = importlib.import_module("source_server")

FIBO = Path(__file__).parents[2] / "examples/fibo"
ACTIVITY, WORKFLOW = str(FIBO / "activity.wat"), str(FIBO / "workflow.wat")


@pytest.fixture(params=["database", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The options that name where the commands work."""
    if request.param == "database":
        (tmp_path / "obelisk.toml").write_text("")
        yield "--config", str(tmp_path / "obelisk.toml")
        return
    server = acceptance.Server(tmp_path, "")
    try:
        server.start()
        yield "--url", f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


def component(place: tuple[str, str], *args: str) -> Any:
    return obelisk("component", *args, *place)


def test_a_component_from_its_deployment_to_its_end(place: tuple[str, str]) -> None:
    assert component(place, "list", "--json").json == {"items": []}
    added = component(place, "add", WORKFLOW, ACTIVITY, "--set", "max_retries=2")
    assert added.status == 0, added.err
    assert {line.split()[1] for line in added.out.splitlines() if "sha256:" in line} == {"activity", "workflow"}
    listed = component(place, "list").out
    assert "demo:fibo/fibo" in listed
    shown = component(place, "show", "activity").out
    assert "\nsettings that are not the default\n  max_retries = 2\n\npackage" in shown
    assert "demo:fibo/fibo.fibo" in shown
    assert "fibo: func(n: u8) -> result<u64, string>;" in shown
    assert component(place, "wit", "activity").out in shown
    assert component(place, "show", "workflow", "--json").json["imports"]
    needed = component(place, "remove", "activity", "--json")
    assert (needed.status, needed.error["code"]) == (5, "component_in_use")
    assert "demo:fibo/fibo.fibo: no deployed component exports it" in needed.err
    assert component(place, "remove", "workflow").out.startswith("removed workflow sha256:")
    assert component(place, "remove", "activity", "--json").json["name"] == "activity"
    assert component(place, "list", "--json").json == {"items": []}
    for verb in ("show", "wit", "remove"):
        assert component(place, verb, "activity").status == 4


def test_of_settings_those_are_shown_that_are_not_the_default(place: tuple[str, str]) -> None:
    assert component(place, "add", ACTIVITY).status == 0
    assert "settings that" not in component(place, "show", "activity").out
    given = ('labels=["gpu"]', 'http={"connections": 7}', 'env={"A": "b"}')
    assert component(place, "add", ACTIVITY, *(part for pair in given for part in ("--set", pair))).status == 0
    shown = component(place, "show", "activity").out
    assert 'default\n  labels = ["gpu"]\n  env = {"A":"b"}\n  http.connections = 7\n\npackage' in shown


def test_settings_are_kept_and_what_changes_is_said(place: tuple[str, str], tmp_path: Path) -> None:
    """A file that replaces what a project deployed: a stub stays a stub, an allowlist stays."""
    (tmp_path / "built.wat").write_text(Path(ACTIVITY).read_text())
    (tmp_path / "app").mkdir()
    (tmp_path / "app/obelisk.toml").write_text(
        '[component.built]\npath = "../built.wat"\nkind = "stub"\nmax_retries = 2\nlabels = ["gpu"]\n'
    )
    assert component(place, "add", str(tmp_path / "app")).status == 0
    again = component(place, "add", str(tmp_path / "built.wat"), "--set", "max_retries=3")
    assert again.status == 0, again.err
    assert again.out.splitlines()[1] == "  max_retries: 2 → 3"
    shown = component(place, "show", "built", "--json").json
    assert (shown["kind"], shown["settings"]["labels"], shown["settings"]["max_retries"]) == ("stub", ["gpu"], 3)
    said = component(place, "add", str(tmp_path / "built.wat"), "--kind", "activity", "--reset").out
    assert said.splitlines()[1:4] == ["  kind: stub → activity", '  labels: ["gpu"] → []', "  max_retries: 3 → 5"]
    said = component(place, "add", str(tmp_path / "app")).out
    assert said.splitlines()[1:4] == ["  kind: activity → stub", '  labels: [] → ["gpu"]', "  max_retries: 5 → 2"]


def test_a_build_is_checked_against_what_is_in_flight(place: tuple[str, str], tmp_path: Path) -> None:
    """`component check` for continuous integration, and what a deployment says of itself."""
    original = Path(WORKFLOW).read_text()
    minutes = "(i64.const 2)                                     ;; duration: minutes"
    diverging = original.replace("(i64.const 0)                                     ;; duration: milliseconds", minutes)
    (tmp_path / "workflow.wat").write_text(diverging)
    compatible = tmp_path / "compatible.wat"
    compatible.write_text(f"{original.rstrip()[:-1]}\n  (core module $unused))\n")
    assert component(place, "add", ACTIVITY, WORKFLOW).status == 0
    nothing = component(place, "check", str(tmp_path / "workflow.wat"), "--json")
    assert (nothing.status, nothing.json["checked"], nothing.json["misfits"]) == (0, 0, [])
    if place[0] == "--config":
        return  # nothing runs on this database
    run = obelisk("execution", "submit", "demo:fibo/workflow.fibo-later", "n=5", "milliseconds=3600000", *place)
    assert run.status == 0, run.err
    execution_id = run.out.split()[0]
    while obelisk("execution", "get", execution_id, *place, "--json").json["waits_for"] is None:
        pass
    found = component(place, "check", str(tmp_path / "workflow.wat"))
    assert found.status == 11
    assert found.out.startswith(f"{execution_id} demo:fibo/workflow.fibo-later: logged with sha256:")
    assert "does not fit 1 of 1 executions in flight" in found.err
    assert component(place, "check", str(compatible), "--name", "workflow").status == 0
    listed = component(place, "show", "workflow", "--json").json
    assert [build["executions"] for build in listed["in_flight"]] == [1]
    deployed = component(place, "add", str(tmp_path / "workflow.wat"))
    assert "  in flight: 1 of " in deployed.out
    assert "does not fit 1 of 1 executions in flight: those will be paused" in deployed.err
    assert " of sha256:" in component(place, "list").out


def test_what_is_missing_is_named_with_the_next_step(place: tuple[str, str]) -> None:
    refused = component(place, "add", WORKFLOW, "--name", "w")
    assert refused.status == 6
    assert "demo:fibo/fibo.fibo: no deployed component exports it" in refused.err
    assert "hint: deploy what exports these first" in refused.err
    assert component(place, "list", "--json").json == {"items": []}


def test_components_from_elsewhere(place: tuple[str, str], tmp_path: Path) -> None:
    with source_server.served() as source:
        content = Path(ACTIVITY).read_bytes()
        url = source.file("/fibo.wat", content)
        digest = source_server.digest_of(content)
        assert component(place, "add", f"{url}@{digest}").status == 0
        wrong = component(place, "add", f"{url}@sha256:{'0' * 64}", "--name", "x")
        assert (wrong.status, "is not what was asked for" in wrong.err) == (6, True)
        source.artifact("demo/fibo", "1", content)
        assert component(place, "add", f"oci://{source.host}/demo/fibo:1", "--json").json["name"] == "fibo"
    # What is pinned and stored needs no download; a server is sent what it is to deploy, so it has to be had.
    pinned = component(place, "add", f"{url}@{source_server.digest_of(to_binary(content))}", "--set", "max_retries=7")
    assert pinned.status == (0 if place[0] == "--config" else 9), pinned.err
    gone = component(place, "add", url)
    assert (gone.status, "cannot be reached" in gone.err, "hint: " in gone.err) == (9, True, True)
    assert [item["name"] for item in component(place, "list", "--json").json["items"]] == ["fibo"]


def test_a_folder_and_a_project(place: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "built"
    folder.mkdir()
    empty = component(place, "add", str(folder))
    assert (empty.status, "hint: build its project first" in empty.err) == (4, True)
    (folder / "one.wasm").write_text(Path(ACTIVITY).read_text())
    (folder / "two.wasm").write_text(Path(WORKFLOW).read_text())
    assert component(place, "add", str(folder), "--name", "x").status == 3
    assert component(place, "add", str(folder)).status == 0
    (folder / "obelisk.toml").write_text('[component.three]\npath = "two.wasm"\ncancellable = false\n')
    assert component(place, "remove", "two").status == 0
    project = component(place, "add", str(folder), "--json")
    assert (project.json["name"], project.json["settings"]["cancellable"]) == ("three", False)
    (folder / "two.wasm").unlink()
    assert "hint: build the project first" in component(place, "add", str(folder)).err


def test_bad_command_lines(place: tuple[str, str]) -> None:
    assert component(place, "add").status == 2
    assert component(place, "add", "nothing.wasm").status == 4
    assert component(place, "add", "ftp://x/y.wasm").status == 3
    assert component(place, "add", ACTIVITY, "--set", "max_retrys=1").status == 3
    assert component(place, "add", ACTIVITY, "--set", "max_retries").status == 3
    assert component(place, "add", ACTIVITY, "--name", "no name").status == 3
    assert component(place, "add", ACTIVITY, ACTIVITY).status == 3
    assert component(place, "list", "--json").json == {"items": []}
