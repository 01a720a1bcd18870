"""What several tests of whole runtimes need."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What is released is released without the help of the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
