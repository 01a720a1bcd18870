"""What all tests may use."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

pytest_plugins = ("needs",)


def count_calls(work: Callable[[], object]) -> int:
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    gc.collect()
    gc.disable()  # finalizers of other tests' objects would be counted
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return calls


@pytest.fixture
def calls_of() -> Callable[[Callable[[], object]], int]:
    """Counts the calls of functions, Python's and built-in ones, that some work makes on this thread.

    A measure of work that does not depend on the machine. It misses what happens inside of one built-in call.
    """
    return count_calls


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on the loop that the product runs on."""
    return "asyncio"
