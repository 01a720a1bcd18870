"""Guests in Python of the examples pass mypy and pyright, both strict, with the package that is generated for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from obelisk.cli import at_hand
from obelisk.cli.building import inferred
from obelisk.cli.building.worlds import extend
from obelisk.codegen.emit.guest.layout import Guest, of_world
from obelisk.codegen.emit.guest.package import guest_package
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.resolve.load import load

ROOT: Final = Path(__file__).resolve().parents[3]
EXAMPLES: Final = ROOT / "examples"
INFERRED: Final = ""
"""The world of a guest whose world follows from its code: it sees all that the project offers."""
GUESTS: Final = {
    "orders/src/fulfilment.py": INFERRED,
    "orders/src/services.py": INFERRED,
    "trip/activities/trip_activities.py": "demo:trip-worlds/activities",
    "trip/workflow/trip_workflow.py": "demo:trip-worlds/workflow",
    "stargazers/python/stargazers_activities.py": "demo:stargazers-worlds/in-python",
    "stargazers/workflow/stargazers_workflow.py": "demo:stargazers-worlds/workflow",
}
PROGRAMS: Final = Path(sys.executable).parent


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each guest: a link to its source, and the package that it imports."""
    root = tmp_path_factory.mktemp("guests")
    for source, world in GUESTS.items():
        example, _, name = source.split("/")
        folder = root / Path(name).stem
        if world == INFERRED:
            extensions = extend([EXAMPLES / example / "wit"], root / "generated" / example)
            write(folder, inferred.offered([EXAMPLES / example / "wit"], extensions))
            (folder / name).symlink_to(EXAMPLES / source)
            continue
        folders = [EXAMPLES / example / "wit", EXAMPLES / example / "worlds"]
        extensions = sorted((ROOT / f"generated/demo_{example}/wit").glob("*"))
        resolution = load([*folders, *extensions], spares=list(at_hand.shipped())).resolution
        found = resolution and resolution.world(InterfaceName.parse(world))
        assert found, world
        write(folder, of_world(found))
        (folder / name).symlink_to(EXAMPLES / source)
    return root


def write(folder: Path, guest: Guest) -> None:
    for path, text in guest_package(guest, "# stamp").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_every_guest_of_the_examples_is_looked_at() -> None:
    sources = {path for path in EXAMPLES.glob("*/*/*.py") if path.parent.name != "tests"}
    assert {path.relative_to(EXAMPLES).as_posix() for path in sources} == set(GUESTS)


@pytest.mark.parametrize("source", GUESTS)
def test_mypy_finds_nothing(source: str, projects: Path) -> None:
    name = Path(source).stem
    command = [str(PROGRAMS / "mypy"), "--strict", "--config-file=", "--cache-dir", str(projects / ".mypy_cache")]
    ran = subprocess.run([*command, f"{name}.py", "wit_world"], cwd=projects / name, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_pyright_finds_nothing(projects: Path) -> None:
    settings = {
        "typeCheckingMode": "strict",
        "executionEnvironments": [{"root": Path(source).stem} for source in GUESTS],
    }
    (projects / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(PROGRAMS / "pyright"), "--pythonpath", sys.executable]
    ran = subprocess.run(command, cwd=projects, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_new_project_passes_its_own_checks(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    run = [str(PROGRAMS / "obelisk"), "new", "my-app", "--lang", "python", "--into", str(folder)]
    subprocess.run(run, check=True, capture_output=True)
    for command in (["mypy", "--cache-dir", str(tmp_path / "cache")], ["pyright"]):
        ran = subprocess.run([str(PROGRAMS / command[0]), *command[1:]], cwd=folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
