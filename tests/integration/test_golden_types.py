"""Generated trees pass mypy and pyright, both strict, and a formatter finds nothing to change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All golden trees and the project's own, side by side in a folder that has no settings."""
    folder = tmp_path_factory.mktemp("trees") / "generated_trees"
    for tree in sorted(ROOT.glob("tests/golden/*/tree")):
        shutil.copytree(tree, folder / tree.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "generated", folder / "own", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "__init__.py").write_text("")
    return folder


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", *map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mypy_strict(trees: Path) -> None:
    assert "no issues found" in run("mypy", "--strict", "--config-file=", "--cache-dir=.mypy", trees, cwd=trees.parent)


def test_pyright_strict(trees: Path) -> None:
    settings = trees.parent / "pyrightconfig.json"
    settings.write_text('{"typeCheckingMode": "strict"}')
    output = run("pyright", "--pythonpath", sys.executable, "--project", settings, cwd=trees.parent)
    assert "0 errors, 0 warnings" in output


def test_formatted(trees: Path) -> None:
    arguments = ("format", "--isolated", "--check", "--line-length=120", "--exclude=models.py")
    assert "already formatted" in run("ruff", *arguments, trees, cwd=trees.parent)
