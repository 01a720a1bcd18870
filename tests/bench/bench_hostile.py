"""Measures input that means nothing: processor time for a megabyte of it, and for binaries that are mostly skipped.

Run it: ``PYTHONPATH=tests/unit/codegen/resolve python tests/bench/bench_hostile.py``. The best of three runs, and the
growth from a quarter of the input: about four where the work is linear. (Tests count calls instead:
`tests/conftest.py`.)
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable
from functools import partial

from obelisk.codegen.binary.decoder import decode
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile

PREAMBLE = b"\0asm\x0d\0\x01\0"


def best(work: Callable[[], object]) -> float:
    """Seconds of processor time, the best of three."""
    times: list[float] = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def show(name: str, whole: float, quarter: float) -> None:
    """A line of the table."""
    print(f"{name:>16}: {whole * 1e3:8.1f} ms, {whole / quarter:5.1f} x a quarter of it")


def main() -> None:
    """Print the figures."""
    garbage: dict[str, Callable[[random.Random], str]] = importlib.import_module("test_limits").GARBAGE
    for kind, make in garbage.items():
        text = make(random.Random(kind))
        show(kind, *(best(partial(resolve_sources, [SourceFile("t.wit", t)])) for t in (text, text[: len(text) // 4])))
    noise = PREAMBLE + random.Random(7).randbytes(1_000_000)
    show("binary noise", *(best(partial(decode, data)) for data in (noise, noise[: len(noise) // 4])))
    module = PREAMBLE + b"\x01\xc0\xa8\xa5\x04" + bytes(9_000_000)
    print(f"   9 MB skipped: {best(lambda: decode(module)) * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()
