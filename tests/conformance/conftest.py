"""The stores that the conformance suites of the `Store` port run over, each test with both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from obelisk.runtime.ports.store import Store
from store_bed import KINDS, Bed


@pytest.fixture(params=KINDS)
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    """A database, on which any number of stores may be opened."""
    bed = Bed(request.param)
    yield bed
    await bed.close()


@pytest.fixture
def store(bed: Bed) -> Store:
    """One store on it."""
    return bed.open()
