"""An edit builds those components again that consist of the edited file, and no others. No tool is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from obelisk.cli.building import languages, project
from obelisk.cli.building.languages import Task
from obelisk.cli.errors import CommandError
from obelisk.cli.settings import read_config
from obelisk.cli.sources import folders, stamps
from obelisk.cli.sources.references import FileReference

WIT = """
package app:two;
interface one { f: func() -> u8; }
interface two { f: func() -> u8; }
"""
SETTINGS = '[component.one]\nsource = "src/one.py"\n[component.two]\nsource = "src/two.py"\n'
CLASS = """from wit_world import exports


class {0}(exports.{0}):
    def f(self):
        from shared import value

        return value()
"""
EMPTY = bytes.fromhex("0061736d0d000100")
"""A component without anything in it."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def build(task: Task) -> bytes:
        return EMPTY

    monkeypatch.setattr(languages, "python", build)
    (tmp_path / "wit").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "wit/two.wit").write_text(WIT)
    (tmp_path / "obelisk.toml").write_text(SETTINGS)
    (tmp_path / "src/one.py").write_text(CLASS.format("One").replace("shared", "own"))
    (tmp_path / "src/two.py").write_text(CLASS.format("Two"))
    (tmp_path / "src/own.py").write_text("def value():\n    return 1\n")
    (tmp_path / "src/shared.py").write_text("def value():\n    return 2\n")
    return tmp_path


def built(folder: Path) -> list[str]:
    config = read_config(folder / "obelisk.toml")
    return [one.name for one in project.build(config, (), force=False, say=lambda text: None) if one.is_new]


def edited(path: Path) -> None:
    path.write_text(f"{path.read_text()}\n# edited\n")


def test_only_what_imports_an_edited_file_is_built_again(folder: Path) -> None:
    assert built(folder) == ["one", "two"]
    assert built(folder) == []
    for name, again in {"own": ["one"], "shared": ["two"], "one": ["one"], "two": ["two"]}.items():
        edited(folder / f"src/{name}.py")
        assert built(folder) == again, name
        assert built(folder) == [], name
    (folder / "src/unrelated.py").write_text("x = 1\n")
    assert built(folder) == []
    (folder / "wit/two.wit").write_text(WIT.replace("f: func() -> u8", "f: func() -> u16"))
    assert built(folder) == ["one", "two"]


def test_the_world_that_followed_from_the_code_is_written_down(folder: Path) -> None:
    built(folder)
    world = (folder / "generated/one/world.wit").read_text()
    assert "    export %app:%two/%one;" in world
    assert "import" not in world.partition("world component {")[2]


def test_a_build_that_is_older_than_its_sources_is_not_deployed(folder: Path) -> None:
    built(folder)
    reference = FileReference(path=folder, digest="")
    assert [fetched.name for fetched in folders.read(reference)] == ["one", "two"]
    edited(folder / "src/shared.py")
    with pytest.raises(CommandError) as refused:
        folders.read(reference)
    assert refused.value.message == (
        f"two is not what its sources say: {folder}/build/two.wasm was built before {folder}/src/shared.py changed"
    )
    assert refused.value.hint.startswith(f"build it again: `obelisk build {folder}`")
    built(folder)
    (folder / "wit/two.wit").write_text(f"// edited\n{WIT}")
    with pytest.raises(CommandError, match="one is not what its sources say"):
        folders.read(reference)
    assert folders.read(FileReference(path=folder / "build/one.wasm", digest=""))[0].name == "one"


def test_a_server_tells_which_builds_are_older_than_their_sources(folder: Path) -> None:
    built(folder)
    components = read_config(folder / "obelisk.toml").components
    assert list(stamps.stale(components)) == []
    edited(folder / "src/shared.py")
    assert list(stamps.stale(components)) == [
        f"two is not what its sources say: {folder}/build/two.wasm was built before {folder}/src/shared.py changed"
    ]


def test_where_sources_are_not_nothing_is_said_of_them(folder: Path) -> None:
    built(folder)
    for path in folder.glob("src/*.py"):
        path.unlink()
    assert len(folders.read(FileReference(path=folder, digest=""))) == 2
