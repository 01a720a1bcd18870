"""What a user installs: the wheel, and the source distribution it can be built from, hold all that `obelisk` needs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEVER = ("__pycache__", ".cache", ".venv", ".obelisk", ".git/")
CODE_SUFFIXES = {".py", ".j2", ".sql", ".wit", ".typed", ".css", ".html", ".js"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel built from it, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
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


@pytest.mark.parametrize("folder", ["codegen", "runtime", "gateway", "wit"])
def test_the_wheel_holds_every_source(built: Path, folder: str) -> None:
    names = wheel_names(built)
    assert sources(folder)
    assert {f"obelisk/{name}" for name in sources(folder)} <= names


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


def test_the_installed_wheel_runs(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    program = (
        "import obelisk.cli.main, sys; assert obelisk.__file__.startswith(sys.argv.pop(1)); obelisk.cli.main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(site), "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for command in ("gen", "executor", "component", "execution"):
        assert command in done.stdout
