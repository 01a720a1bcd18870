"""What tests build once and keep in ``.cache``: one process at a time makes a thing, and the others wait for it."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
CACHE: Final = ROOT / ".cache" / "tests"
COMPILED: Final = ROOT / ".cache" / "compiled"
TOOLS: Final = ROOT / ".cache" / "tools"


@contextlib.contextmanager
def alone(name: str) -> Generator[None]:
    """Hold the lock called `name`, between the processes that run tests in this checkout."""
    path = CACHE / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def file(name: str, make: Callable[[], bytes]) -> Path:
    """The kept file `name`, which has to tell by its name what it is made from; made when it is missing."""
    target = CACHE / name
    if not target.exists():
        with alone(name):
            if not target.exists():
                unfinished = target.with_suffix(".partial")
                unfinished.write_bytes(make())
                unfinished.replace(target)
    return target
