"""Runs fuzz targets: ``make fuzz``, or ``python tests/fuzz/fuzz.py --help``. The exit status is 1 when a promise broke.

A target is led by coverage (atheris) where that is installed; ``--engine own`` takes the mutator of the tests instead.
Inputs that broke something are in ``tests/fuzz/found``, from where `test_fuzz.py` tries them for ever.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import fuzzing

HERE: Final = Path(__file__).parent
sys.path += [str(HERE.parent / name) for name in ("conformance", "sim")]  # what targets share with tests

from fuzz_targets import TARGETS  # noqa: E402

ENGINES: Final = ("atheris", "own")


def main() -> int:
    """Run what is asked for."""
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser = argparse.ArgumentParser(description="Feeds parsers with hostile bytes.")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help=f"of {', '.join(TARGETS)}; all if none")
    parser.add_argument("--inputs", type=int, help="so many for each target")
    parser.add_argument("--minutes", type=float, help="so long for each target; 1 if neither is given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[not has_atheris])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    names: list[str] = asked.targets or list(TARGETS)
    minutes: float | None = 1.0 if asked.inputs is None and asked.minutes is None else asked.minutes
    seconds = None if minutes is None else minutes * 60
    if asked.engine == "atheris" and not asked.here:
        # It ends its process, so each target has one of its own.
        rest = [argument for argument in sys.argv[1:] if argument not in TARGETS]
        commands = [[sys.executable, __file__, name, *rest, "--here"] for name in names]
        return max(subprocess.run(command, check=False).returncode != 0 for command in commands)
    for name in names:
        target, begin_s = TARGETS[name], time.monotonic()
        if asked.engine == "atheris":
            print(f"--- {name}", flush=True)
            fuzzing.run_led(target, inputs=asked.inputs, seconds=seconds, seed=asked.seed)
            return 0
        try:
            count = fuzzing.run(target, inputs=asked.inputs, seconds=seconds, seed=asked.seed)
        except fuzzing.Broken as broken:
            folder = fuzzing.FOUND / name
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"seed-{asked.seed}-{abs(hash(broken.data)):x}"
            path.write_bytes(broken.data)
            print(f"{name}: broken by {path.relative_to(Path.cwd())}")
            raise
        print(f"{name}: {count} inputs in {time.monotonic() - begin_s:.0f} s, all promises kept", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
