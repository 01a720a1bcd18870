"""What the gateway's tests may use."""

from __future__ import annotations

import pytest

import gateway_world
from gateway_world import LOOPS


@pytest.fixture(params=LOOPS)
def each_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is served is served on each kind of loop in turn."""
    monkeypatch.setattr(gateway_world, "new_loop", LOOPS[request.param])
