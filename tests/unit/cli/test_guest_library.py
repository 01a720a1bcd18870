"""A component that imports `obelisk_guest` contains what it imports of it, and its world what that needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from obelisk.cli.building import foreign, inferred, languages, library, project
from obelisk.cli.building.inference import infer
from obelisk.cli.building.languages import Task
from obelisk.cli.building.modules import modules
from obelisk.cli.building.worlds import extend
from obelisk.cli.errors import CommandError
from obelisk.cli.settings import read_config

WIT = """
package app:shop;
interface stock { reserve: func(item: string) -> result<u32, string>; }
interface mail { send: func(to: string); }
interface orders { place: func(item: string) -> result<u32, string>; }
"""
FLOW = """from obelisk_guest.workflow import call, gather
from wit_world import exports
from wit_world.imports import stock


class Orders(exports.Orders):
    def place(self, item):
        return gather(call(stock.reserve, item))[0]
"""
STOCK = """from obelisk_guest import http
from wit_world import exports


class Stock(exports.Stock):
    def reserve(self, item):
        return http.get(item).status
"""
EMPTY = bytes.fromhex("0061736d0d000100")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wit").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "wit/shop.wit").write_text(WIT)
    (tmp_path / "src/flow.py").write_text(FLOW)
    (tmp_path / "src/stock.py").write_text(STOCK)
    (tmp_path / "obelisk.toml").write_text(
        '[component.flow]\nsource = "src/flow.py"\n[component.stock]\nsource = "src/stock.py"\n'
    )
    return tmp_path


def imports(folder: Path, source: str) -> tuple[set[str], list[str]]:
    """The interfaces that a component of this source imports, and those that it finds by name."""
    guest = inferred.offered([folder / "wit"], extend([folder / "wit"], folder / "generated"))
    found = infer(modules(folder / "src" / source, "src"), guest)
    return {str(name).partition("@")[0] for name in found.imports}, [str(name) for name in found.found_by_name]


def test_a_workflow_that_starts_children_imports_the_extensions_of_what_it_calls(folder: Path) -> None:
    assert imports(folder, "flow.py") == (
        {
            "app:shop/stock",
            "app:shop-obelisk-ext/stock",
            "obelisk:log/log",
            "obelisk:types/execution",
            "obelisk:types/time",
            "obelisk:workflow/workflow-support",
            "wasi:clocks/wall-clock",
        },
        ["app:shop-obelisk-ext/stock"],
    )


def test_an_activity_that_sends_requests_imports_nothing_of_workflows(folder: Path) -> None:
    assert imports(folder, "stock.py") == (
        {"wasi:http/outgoing-handler", "wasi:http/types", "wasi:io/streams"},
        [],
    )


def test_a_part_of_the_library_imports_its_part(folder: Path) -> None:
    (folder / "src/stock.py").write_text(
        STOCK.replace("from obelisk_guest import http", "import obelisk_guest.logging")
    )
    assert imports(folder, "stock.py")[0] == {"obelisk:log/log"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "from obelisk_guest import wokflow",
            "src/flow.py:1:27: obelisk_guest has no module `wokflow`; there are http, httpx, logging, workflow",
        ),
        (
            "import obelisk_guest.flow",
            "src/flow.py:1:8: there is no module `obelisk_guest.flow`; obelisk_guest has http, httpx, logging, work",
        ),
        ("import obelisk_guest", "src/flow.py:1:8: obelisk_guest has no module `…`; there are http"),
    ],
)
def test_a_module_that_the_library_does_not_have_is_told(folder: Path, line: str, told: str) -> None:
    (folder / "src/flow.py").write_text(f"{line}\n")
    with pytest.raises(CommandError) as raised:
        foreign.check(modules(folder / "src/flow.py", "src"), is_workflow=True)
    assert raised.value.message.startswith(told)


def test_the_library_is_part_of_the_build_and_no_source_of_the_author(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: dict[str, Task] = {}

    def build(task: Task) -> bytes:
        tasks[task.name] = task
        return EMPTY

    def build_all() -> list[str]:
        config = read_config(folder / "obelisk.toml")
        return [one.name for one in project.build(config, (), force=False, say=lambda text: None) if one.is_new]

    monkeypatch.setattr(languages, "python", build)
    assert build_all() == ["flow", "stock"]
    assert {"obelisk_guest/__init__.py", "obelisk_guest/workflow.py", "obelisk_guest/sagas.py"} <= set(
        tasks["flow"].library
    )
    assert set(tasks["stock"].library) == {
        f"obelisk_guest/{name}.py" for name in ("__init__", "http", "exchanges", "http_errors")
    }
    assert "wit_world.imports.stock_ext" in tasks["flow"].prelude
    assert "obelisk_guest" not in (folder / "build/flow.stamp").read_text()
    assert build_all() == []
    newer = folder / "newer"
    (newer / "obelisk_guest").mkdir(parents=True)
    for path in (library.folder() / "obelisk_guest").glob("*.py"):
        text = path.read_text()
        (newer / "obelisk_guest" / path.name).write_text(f"{text}# newer\n" if path.name == "http.py" else text)
    monkeypatch.setattr(library, "folder", lambda: newer)
    assert build_all() == ["stock"]


def test_a_declared_world_has_other_names_than_the_library_knows(folder: Path) -> None:
    (folder / "worlds").mkdir()
    (folder / "worlds/w.wit").write_text("package app:shop-worlds;\nworld w { export app:shop/orders; }\n")
    (folder / "obelisk.toml").write_text(
        '[build.flow]\nlanguage = "python"\nsource = "src/flow.py"\nworld = "app:shop-worlds/w"\n'
        '[component.flow]\npath = "build/flow.wasm"\n'
    )
    config = read_config(folder / "obelisk.toml")
    with pytest.raises(CommandError) as raised:
        list(project.build(config, (), force=False, say=lambda text: None))
    assert raised.value.message.endswith(
        "src/flow.py:1:36: `obelisk_guest.workflow` needs a world that follows from the code"
    )
    assert raised.value.hint == "take `world` out of the component's [build.…] table"
