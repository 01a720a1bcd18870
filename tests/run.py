"""Checks and tests in parts, all of them even when one fails, counted together: `make check|test` and `.ci/run`.

    python tests/run.py check|test|everything

A test has ports and folders of its own, so most run side by side; those that kill, stop or starve processes (ALONE) run
one after the other. The last line counts every test and every other check of all parts; the exit status is 1 when one
failed, or a part broke off. `.cache/test-results` holds a JUnit report of each part.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import needs

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / ".cache" / "test-results"
BIN: Final = Path(sys.executable).parent
HANG_S: Final = 3600
"""No part takes nearly as long on any machine: one that does hangs, and is ended so that the others can be counted."""

STATIC: Final = {
    "types (mypy)": ("mypy",),
    "types (pyright)": ("pyright",),
    "formatting": ("ruff", "format", "--check", "."),
    "lint": ("ruff", "check", "."),
    "import rules": ("lint-imports",),
    "reference pages": ("python", "docs/generate.py", "--check"),
}
QUICK: Final = ("tests/test_tidy.py", "tests/unit", "tests/laws")
ALONE: Final = (
    "tests/acceptance/test_crash.py",
    "tests/acceptance/test_full_disk.py",
    "tests/acceptance/test_many_executions.py",
    "tests/acceptance/test_many_kills.py",
    "tests/integration/test_hostile_guests.py",
)
SEEDS: Final = "2000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a part ended: what it counts, the names of what failed, and tests that were not run with the reason."""

    name: str
    seconds: float
    passed: int = 0
    failed: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    def line(self) -> str:
        """One row of the table at the end."""
        return f"{self.seconds:7.0f} s  {self.passed:5} passed  {len(self.failed):3} failed   {self.name}"


def say(text: str) -> None:
    """Print it before what the next program prints."""
    print(text, flush=True)


def run(command: Sequence[str], *, captured: bool = False) -> tuple[int, str]:
    """The exit status of a program of the environment (negative: a signal), and what it printed if it is `captured`."""
    pipe = subprocess.PIPE if captured else None
    program = [str(BIN / command[0]), *command[1:]]
    with subprocess.Popen(
        program, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=HANG_S)
        except BaseException:  # the time is over, or the run is interrupted: its programs end with it
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, said or ""


def check(name: str) -> Result:
    """One of the checks that are no tests; it counts as one."""
    begin = time.monotonic()
    status, said = run(STATIC[name], captured=True)
    say(f"--- {name}\n{said.strip()}")
    failed = () if status == 0 else (name,)
    return Result(name=name, seconds=time.monotonic() - begin, passed=int(not failed), failed=failed)


def tests(name: str, paths: Sequence[str], *options: str) -> Result:
    """Tests, counted by pytest's own report; where that is missing or says less than the exit status, one failed."""
    say(f"--- {name}")
    report = RESULTS / f"{name.replace(' ', '-')}.xml"
    report.unlink(missing_ok=True)
    begin = time.monotonic()
    try:
        status, _ = run(("pytest", "-q", "--durations=10", f"--junit-xml={report}", *options, *paths))
        how = f"exit status {status}"
    except subprocess.TimeoutExpired:
        status, how = 1, f"ended after {HANG_S} s"
    cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ()
    passed, failed, missing = 0, list[str](), list[tuple[str, str]]()
    for case in cases:
        test = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(test)
        elif skipped is not None:
            missing.append((test, skipped.get("message", "")))
        else:
            passed += 1
    if status != 0 and not failed:
        failed.append(f"{name}: {how}")
    seconds = time.monotonic() - begin
    return Result(name=name, seconds=seconds, passed=passed, failed=tuple(failed), missing=tuple(missing))


def simulation() -> Result:
    """The runtime on a simulated clock with injected faults; all its seeds count as one."""
    say(f"--- simulation, {SEEDS} seeds")
    begin = time.monotonic()
    status, _ = run(("python", "tests/sim/seeds.py", "0", SEEDS))
    failed = () if status == 0 else ("simulation",)
    return Result(name="simulation", seconds=time.monotonic() - begin, passed=int(not failed), failed=failed)


def side_by_side() -> tuple[str, ...]:
    """Options for tests that may run together. A module stays in one process, where its tests share servers."""
    workers = min(8, max(2, len(os.sched_getaffinity(0))))
    return ("-n", str(workers), "--dist", "loadfile")


def parts(what: str) -> list[Result]:
    """Run the parts that belong to `what`, and give their results."""
    results: list[Result] = []
    if what != "test":
        with ThreadPoolExecutor(max_workers=2) as pool:  # the two type checkers are first, and take the longest
            results += pool.map(check, STATIC)
    results.append(tests("quick tests", QUICK, *side_by_side()))
    if what == "check":
        return results
    elsewhere = [f"--ignore={path}" for path in (*QUICK, *ALONE)]
    results.append(tests("tests side by side", ("tests",), *side_by_side(), *elsewhere))
    # In one process of their own each time one aborts, so that this costs one test and not all that follow.
    results.append(tests("tests one by one", ALONE, "-n", "1"))
    if what == "everything":
        results.append(simulation())
    return results


def main() -> int:
    """Run, and end with the line that counts."""
    parser = argparse.ArgumentParser(description="Checks and tests in parts, counted together.")
    parser.add_argument("what", choices=("check", "test", "everything"))
    what: str = parser.parse_args().what
    RESULTS.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    results = parts(what)
    say("\n" + "\n".join(result.line() for result in results))
    failed = [name for result in results for name in result.failed]
    missing = [pair for result in results for pair in result.missing]
    if missing:
        say("\n!!! NOT RUN: a tool is missing\n" + "\n".join(needs.summary(missing)))
    if failed:
        say("\nfailed:\n" + "\n".join(f"  {name}" for name in failed))
    not_run = f", {len(missing)} not run" if missing else ""
    passed = sum(result.passed for result in results)
    say(f"\n{passed} passed, {len(failed)} failed{not_run} in {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
