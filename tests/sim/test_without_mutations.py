"""Where nothing is broken on purpose the auditor finds nothing: the other side of `sim_bugs`."""

from __future__ import annotations

import pytest

from sim_bugs import MORE_OF_ITS_FAULT, is_caught
from sim_faults import Faults


@pytest.mark.parametrize("faults", [Faults(), *MORE_OF_ITS_FAULT.values()])
def test_without_a_bug_it_finds_nothing(faults: Faults) -> None:
    assert [seed for seed in range(40) if is_caught(seed, faults)] == []
