"""What all tests may use."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Generator, Iterator

import pytest
from hypothesis import settings

from obelisk.runtime.host.wasmtime import engine
from obelisk.runtime.host.wasmtime.room import SystemMeasures

pytest_plugins = ("needs",)

MOST_MAPS = 20_000
"""Of 65,530 that a process may have: beyond that, what a test leaves open adds up to the end of the process."""
POOL_SLOTS = 32

# A law says what is true, not how fast a machine that does other things, too, finds out.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _small_pools() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Guests beyond a few are as welcome, and a pool of production's size has thousands of memory maps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "POOL_SLOTS", POOL_SLOTS)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """A test that leaves too many memory maps behind fails by name, and with it the session."""
    yield
    maps = SystemMeasures().maps()
    if maps > MOST_MAPS:
        pytest.fail(
            f"after {item.nodeid} this process has {maps} memory maps, at most {MOST_MAPS} are allowed:"
            " close the engines, runtimes and guests that it opens, or bound how many live at once",
            pytrace=False,
        )


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
