"""The page on semantics names each fault that the simulator knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sim_faults import Faults

PAGE = (Path(__file__).parents[2] / "docs" / "semantics.md").read_text()
TABLE = PAGE[PAGE.index("| fault | in `tests/sim/sim_faults.py` |") :].partition("\n\n")[0]
KNOBS = {"processes", "workers", "submitted", "deployments", "deploy_every_s", "upgrade", "policies"}
"""What is no fault by itself."""
NAMES = [field.name for field in dataclasses.fields(Faults) if field.name not in KNOBS]


@pytest.mark.parametrize("name", [*NAMES, *Faults().deployments])
def test_a_fault_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in TABLE
