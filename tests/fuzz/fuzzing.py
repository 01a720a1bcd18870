"""What a fuzz target is, and two ways to feed one: atheris, which is led by coverage, and a mutator of our own.

A target takes any bytes and raises when a promise is broken. `Mutator` needs no instrumentation, and its inputs depend
on the seed alone, so that the short runs of the tests are the same everywhere.
"""

from __future__ import annotations

import importlib
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOUND: Final = Path(__file__).parent / "found"
"""Inputs that broke a promise once, in a folder for each target."""
CORPUS: Final = Path(__file__).parents[2] / ".cache" / "fuzz"
MAX_BYTES: Final = 4096
_FLIPS: Final = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01", b" ", b"\n", b'"', b"\\", b"9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`load` gives what is fed, after whatever that needs; it says True of an input that was valid. `seeds` are such
    inputs, `tokens` what the grammar knows."""

    name: str
    load: Callable[[], Callable[[bytes], object]]
    seeds: Callable[[], Sequence[bytes]]
    tokens: Sequence[bytes]


class Mutator:
    """Endless inputs: seeds with bytes changed, cut out, repeated, moved, put in, and spliced with other seeds."""

    def __init__(self, target: Target, seed: int) -> None:
        self._random = random.Random(f"{target.name} {seed}")
        self._seeds = [*target.seeds(), b""]
        self._tokens = [*target.tokens, *_FLIPS]

    def next(self) -> bytes:
        """Another input."""
        rng = self._random
        data = rng.choice(self._seeds)
        for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 6, 10, 20))):
            data = self._changed(data)
        return data[:MAX_BYTES]

    def _changed(self, data: bytes) -> bytes:
        rng = self._random
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((0, 1, 1, 2, 4, 8, 32, 200)))
        match rng.randrange(8):
            case 0:
                return data[:at] + data[end:]
            case 1:
                return data[:at] + rng.choice(self._tokens) + data[at:]
            case 2:
                return data[:at] + rng.choice(self._tokens) + data[end:]
            case 3:
                return data[:at] + rng.randbytes(end - at) + data[end:]
            case 4:
                return data[:end] + data[at:end] * rng.choice((1, 1, 2, 30)) + data[end:]
            case 5:
                other = rng.choice(self._seeds)
                cut = rng.randint(0, len(other))
                return data[:at] + other[cut:]
            case 6:
                to = rng.randint(0, len(data))
                return data[:at] + data[to : to + end - at] + data[end:]
            case _:
                flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1])
                return data[:at] + flipped + data[at + 1 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(Exception):
    """An input that broke a promise; the cause is what was raised."""

    target: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.target}: {self.data!r}"


def run(target: Target, *, inputs: int | None, seconds: float | None, seed: int) -> int:
    """Feed it so many inputs, or for so long; how many there were. Broken."""
    feed, mutator, count = target.load(), Mutator(target, seed), 0
    until_s = None if seconds is None else time.monotonic() + seconds
    while (inputs is None or count < inputs) and (until_s is None or time.monotonic() < until_s):
        data = mutator.next()
        try:
            feed(data)
        except Exception as error:
            raise Broken(target=target.name, data=data) from error
        count += 1
    return count


def run_led(target: Target, *, inputs: int | None, seconds: float | None, seed: int) -> None:
    """The same by atheris, which ends the process: with 0, or not when a promise was broken."""
    atheris: Any = importlib.import_module("atheris")
    corpus, found = CORPUS / target.name, FOUND / target.name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    words = CORPUS / f"{target.name}.dict"
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in target.tokens))
    with atheris.instrument_imports(include=["obelisk"]):
        feed = target.load()
    options = [f"-dict={words}", f"-max_len={MAX_BYTES}", f"-seed={seed}", f"-artifact_prefix={found}/", "-verbosity=1"]
    options += [] if inputs is None else [f"-runs={inputs}"]
    options += [] if seconds is None else [f"-max_total_time={int(seconds)}"]
    options += ["-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], feed)
    atheris.Fuzz()
