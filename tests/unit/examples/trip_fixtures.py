"""Loads the Python sources of example components over freshly generated bindings, without WebAssembly."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import pytest

ROOT = Path(__file__).resolve().parents[3]
WIT = (
    "wit/obelisk_types@5.0.0",
    "wit/obelisk_workflow@6.0.0",
    "wit/obelisk_log@1.0.0",
    "examples/trip/wit",
    "examples/trip/worlds",
)
LOADED = ("trip_", "wit_world", "componentize_py_")

Load: TypeAlias = Callable[[str], ModuleType]


@pytest.fixture
def trip_bindings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Load]]:
    """Given a world of the trip example: what imports its bindings' modules and its component's source by name."""

    def generate(world: str) -> Load:
        command = [str(Path(sys.executable).with_name("componentize-py")), "--quiet"]
        for path in WIT:
            command += ["--wit-path", str(ROOT / path)]
        command += ["--world", f"demo:trip-worlds/{world}", "bindings", str(tmp_path)]
        subprocess.run(command, check=True)
        monkeypatch.setattr(sys, "path", [str(tmp_path), str(ROOT / "examples/trip" / world), *sys.path])
        return importlib.import_module

    yield generate
    for name in [name for name in sys.modules if name.startswith(LOADED)]:
        del sys.modules[name]
