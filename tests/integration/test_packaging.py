"""What a user installs: the wheel, and the source distribution it can be built from, hold all that `obelisk` needs."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from obelisk.cli import main
from obelisk.cli.lazy import LazyGroup

ROOT = Path(__file__).resolve().parents[2]
NEVER = ("__pycache__", ".cache", ".venv", ".obelisk", ".git/", "node_modules")
CODE_SUFFIXES = {".py", ".j2", ".sql", ".wit", ".typed", ".css", ".html", ".js"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel built from it, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, ROOT / "ui/build.py", "--strict"], check=True, capture_output=True, text=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


def wheel_names(built: Path) -> set[str]:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sdist_names(built: Path) -> set[str]:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def sources(folder: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in CODE_SUFFIXES and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_library_for_guests(built: Path) -> None:
    assert {name.removeprefix("src/") for name in sources("src/obelisk_guest")} <= wheel_names(built)
    assert sources("src/obelisk_guest") <= sdist_names(built)


@pytest.mark.parametrize("folder", ["codegen", "runtime", "gateway", "wit"])
def test_the_wheel_holds_every_source(built: Path, folder: str) -> None:
    names = wheel_names(built)
    assert sources(folder)
    assert {f"obelisk/{name}" for name in sources(folder)} <= names


def test_the_wheel_holds_the_web_interface(built: Path) -> None:
    inside = {name.removeprefix("obelisk/gateway/assets/ui/") for name in wheel_names(built) if "/assets/ui/" in name}
    assert {name.rpartition(".")[2] for name in inside} == {"html", "js", "css", "svg"}
    assert "ui/package-lock.json" in sdist_names(built)


def test_the_wheel_holds_all_that_the_command_line_is_made_of(built: Path) -> None:
    """Templates of projects included, whatever their suffix."""
    names = wheel_names(built)
    ours = [
        path for path in (ROOT / "src/obelisk/cli").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert len(ours) > 20
    missing = {f"obelisk/cli/{path.relative_to(ROOT / 'src/obelisk/cli').as_posix()}" for path in ours} - names
    assert not missing


def test_the_wheel_holds_the_command_line_and_the_licence(built: Path) -> None:
    names = wheel_names(built)
    assert "obelisk/cli/main.py" in names
    assert "obelisk/py.typed" in names
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in names}


def test_the_source_distribution_can_run_make(built: Path) -> None:
    names = sdist_names(built)
    for folder in ("codegen", "runtime", "gateway", "wit"):
        assert sources(folder) <= names
    assert {"Makefile", "pyproject.toml", "requirements.lock", "examples/build.py", "tests/test_tidy.py"} <= names


def test_no_leftovers_are_packed(built: Path) -> None:
    names = wheel_names(built) | sdist_names(built)
    assert not [name for name in names if any(part in name for part in NEVER)]


@pytest.fixture(scope="module")
def site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed, without what it needs."""
    folder = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return folder


def installed(site: Path, *args: str) -> str:
    """What the installed program prints, run where no source tree is."""
    program = (
        "import obelisk.cli.main, sys; assert obelisk.__file__.startswith(sys.argv.pop(1)); obelisk.cli.main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(site), *args],
        cwd=site.parent,
        env={"PYTHONPATH": str(site), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(group: LazyGroup, *path: str) -> Iterator[tuple[str, ...]]:
    for name, entry in group.entries.items():
        yield (*path, name)
        command = entry.load()
        if isinstance(command, LazyGroup):
            yield from commands(command, *path, name)
        elif isinstance(command, click.Group):
            yield from ((*path, name, below) for below in command.commands)


def test_the_installed_wheel_has_the_same_commands(site: Path) -> None:
    paths = [(), *commands(main.obelisk)]
    assert len(paths) > 40
    script = (
        "import json, sys; from obelisk.cli.main import run\n"
        "for path in json.load(open(sys.argv[1])):\n"
        "    assert run([*path, '--help']) == 0, path\n"
    )
    listing = site.parent / "paths.json"
    listing.write_text(json.dumps(paths))
    helps = [
        subprocess.run(
            [sys.executable, "-c", script, str(listing)],
            cwd=site.parent,
            env={"COLUMNS": "100", **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for environment in ({"PYTHONPATH": str(site)}, {"PYTHONPATH": str(ROOT / "src")})
    ]
    assert helps[0] == helps[1]
    assert installed(site, "--help") in helps[0]


def test_the_installed_wheel_works(site: Path) -> None:
    folder = site.parent / "work"
    folder.mkdir()
    (folder / "obelisk.toml").write_text('[store]\npath = "db.sqlite"\n[cache]\npath = "cache"\n')
    config = ("--config", str(folder / "obelisk.toml"))
    assert "[server]" in installed(site, "config", "check", *config)
    added = installed(site, "component", "add", str(ROOT / "examples/fibo/activity.wat"), "--name", "fibo", *config)
    assert "demo:fibo/fibo.fibo" in added
    submitted = installed(site, "execution", "submit", "demo:fibo/fibo.fibo", "n=10", "--direct", *config)
    assert submitted.startswith("E_")
