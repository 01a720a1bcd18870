"""The examples' components against their contracts, judged by the reference tools.

The extension package that the fibo workflow imports is generated here from the example's own WIT, so this also shows
that generated WIT is what a hand-written component links with.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from obelisk.codegen import extensions
from obelisk.codegen.model.items import Package
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.resolve.load import load
from obelisk.codegen.syntax.printer import print_package

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ("obelisk_types@5.0.0", "obelisk_workflow@6.0.0", "obelisk_log@1.0.0")


def wasm_tools(*arguments: str | Path) -> str:
    """What the reference tool prints; it fails loudly when the tool refuses."""
    tool = Path(sys.executable).with_name("wasm-tools")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def resolved(*folders: str) -> dict[PackageName, Package]:
    loaded = load([ROOT / folder for folder in folders])
    assert loaded.resolution is not None, loaded.diagnostics
    assert not loaded.diagnostics
    return {package.name: package for package in loaded.resolution.packages}


@pytest.fixture
def fibo_wit(tmp_path: Path) -> Path:
    """The example's worlds with all they use in `deps`, as a project of its own would have it."""
    packages = resolved("wit", "examples/fibo/wit")
    extended = extensions.extend(packages[PackageName("demo", "fibo")], packages[extensions.TYPES])
    deps = tmp_path / "deps"
    for name in ENGINE:
        shutil.copytree(ROOT / "wit" / name, deps / name)
    shutil.copytree(ROOT / "examples/fibo/wit", deps / "demo_fibo")
    for package in extended.packages:
        folder = deps / f"demo_{package.name.name}"
        folder.mkdir()
        (folder / "package.wit").write_text(print_package(package), encoding="utf-8")
    shutil.copy(ROOT / "examples/fibo/worlds/worlds.wit", tmp_path)
    return tmp_path


@pytest.mark.parametrize("component", ["activity", "workflow"])
def test_a_fibo_component_fits_its_world(fibo_wit: Path, component: str) -> None:
    text = ROOT / f"examples/fibo/{component}.wat"
    wasm_tools("validate", text)
    wasm_tools("component", "targets", fibo_wit, text, "--world", component)


@pytest.mark.parametrize("component", ["activities", "workflow"])
def test_a_trip_component_exports_its_interface(component: str) -> None:
    wit = wasm_tools("component", "wit", ROOT / f".cache/examples/trip/{component}.wasm")
    assert f"export demo:trip/{component};" in wit
    assert "import wasi:" in wit


def test_the_reference_reads_the_engines_packages(tmp_path: Path) -> None:
    for name in ENGINE:
        shutil.copytree(ROOT / "wit" / name, tmp_path / "deps" / name)
    imports = "".join(
        f"import {interface};"
        for interface in (
            "obelisk:workflow/workflow-support@6.0.0",
            "obelisk:workflow/workflow-support-backtrace@6.0.0",
            "obelisk:log/log@1.0.0",
        )
    )
    (tmp_path / "world.wit").write_text(f"package test:everything; world all {{ {imports} }}", encoding="utf-8")
    printed = wasm_tools("component", "wit", tmp_path)
    assert "import obelisk:types/backtrace@5.0.0;" in printed


def test_the_examples_resolve_without_complaint() -> None:
    packages = resolved("wit", "examples/fibo/wit", "examples/trip/wit", "examples/trip/worlds")
    assert {str(name) for name in packages} >= {"demo:fibo", "demo:trip", "demo:trip-worlds", "obelisk:types@5.0.0"}
