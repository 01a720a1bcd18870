"""How tests are run: what a machine lacks is installed or said, and every part counts, also one that breaks off."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

import needs
import run

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests/tools.sh"
PLUGIN = f"pythonpath = {ROOT / 'tests'}\naddopts = --import-mode=importlib"
TESTS = """
import os
import needs, pytest

def test_passes():
    pass

def test_fails():
    assert 1 == 2

@pytest.fixture
def broken():
    raise ValueError

def test_has_no_fixture(broken):
    pass

def test_lacks_a_tool():
    needs.NEEDS["moon"] = needs.Need(packages="moon moon-dev", found=lambda: False)
    needs.require("moon")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the plugin of this one, and no test."""
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{PLUGIN}\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ("needs",)\n')
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return tmp_path


def test_every_test_of_a_part_counts(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "test_it.py").write_text(TESTS)
    result = run.tests("part", ["test_it.py"], "-p", "no:cacheprovider")
    assert result.passed == 1
    assert result.failed == ("test_it.py::test_fails", "test_it.py::test_has_no_fixture")
    ((test, reason),) = result.missing
    assert (test, "moon is missing: apt-get install moon moon-dev" in reason) == ("test_it.py::test_lacks_a_tool", True)
    said = capfd.readouterr().out
    _, _, listed = said.partition("NOT RUN: a tool is missing")
    assert "1 failed, 1 passed, 1 skipped, 1 error" in said
    assert "moon is missing: apt-get install moon moon-dev\n  test_it.py::test_lacks_a_tool" in listed


def test_with_ci_a_test_without_its_tool_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    (folder / "test_it.py").write_text(TESTS)
    result = run.tests("part", ["test_it.py"])
    assert "test_it.py::test_lacks_a_tool" in result.failed
    assert result.missing == ()


@pytest.mark.parametrize(
    ("text", "passed", "failed"),
    [
        ("import os\ndef test_a():\n    os.abort()\ndef test_b():\n    pass", 1, ("test_it.py::test_a",)),
        ("raise ValueError", 0, ("test_it.py::test_it",)),
        ("", 0, ("part: exit status 5",)),
    ],
    ids=["aborts", "cannot be imported", "has no test"],
)
def test_a_part_that_breaks_off_has_failed(folder: Path, text: str, passed: int, failed: tuple[str, ...]) -> None:
    (folder / "test_it.py").write_text(text)
    result = run.tests("part", ["test_it.py"], "-n", "1")
    assert result.passed == passed
    assert [name.rpartition("::")[2] for name in result.failed] == [name.rpartition("::")[2] for name in failed]


def test_a_part_that_hangs_has_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "test_it.py").write_text("import signal\ndef test_a():\n    signal.pause()")
    monkeypatch.setattr(run, "HANG_S", 5)
    assert run.tests("part", ["test_it.py"]).failed == ("part: ended after 5 s",)


def test_all_parts_run_and_the_last_line_counts_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def part(name: str, *_: object) -> run.Result:
        done.append(name)
        lacking = (("test_c", f"{needs.NOT_RUN}moon is missing: apt-get install moon"),)
        return run.Result(name=name, seconds=1, passed=10, failed=(f"{name}::x",), missing=lacking)

    monkeypatch.setattr(run, "check", part)
    monkeypatch.setattr(run, "tests", part)
    monkeypatch.setattr(run, "simulation", lambda: part("simulation"))
    for what, count in (("check", len(run.STATIC) + 1), ("test", 3), ("everything", len(run.STATIC) + 4)):
        done.clear()
        monkeypatch.setattr("sys.argv", ["run.py", what])
        assert run.main() == 1
        assert len(done) == count
        said = capsys.readouterr().out.splitlines()
        assert said[-1].startswith(f"{count * 10} passed, {count} failed, {count} not run in ")
        assert "moon is missing: apt-get install moon" in said


def test_no_test_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts are a partition of the tests."""
    seen: list[tuple[str, ...]] = []

    def part(name: str, paths: tuple[str, ...], *options: str) -> run.Result:
        seen.append((*paths, *(option for option in options if option.startswith("--ignore"))))
        return run.Result(name=name, seconds=0)

    monkeypatch.setattr(run, "tests", part)
    run.parts("test")
    assert seen == [run.QUICK, ("tests", *(f"--ignore={path}" for path in (*run.QUICK, *run.ALONE))), run.ALONE]
    assert all((ROOT / path).exists() for path in (*run.QUICK, *run.ALONE))


# --- what a machine lacks ---------------------------------------------------------------------------------------------
def tools(folder: Path, environment: Mapping[str, str] = {}, **programs: str) -> tuple[int, str, list[str]]:
    """Run the script where only `programs` (and none of what it looks for) are on the PATH: its status, its words, the
    calls of apt-get."""
    for name in ("dirname", "env", "id", "tr"):
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, text in programs.items():
        program = folder / name.replace("_", "-")
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    given = {"PATH": str(folder), "CALLS": str(folder / "calls"), **environment}
    ran = subprocess.run(["/bin/sh", SCRIPT], env=given, capture_output=True, text=True, check=False)
    calls = folder / "calls"
    return ran.returncode, ran.stdout + ran.stderr, calls.read_text().splitlines() if calls.exists() else []


APT = 'echo "$@" >> "$CALLS"'


def test_the_script_installs_what_is_missing(tmp_path: Path) -> None:
    status, said, calls = tools(tmp_path, apt_get=APT, id="echo 0")
    assert (status, len(calls)) == (0, 1)
    assert calls[0].startswith("install -y ")
    for package in ("make", "git", "chromium", "chromium-driver", "systemd"):
        assert package in calls[0].split()
    assert "installing what tests need: make git" in said


def test_what_cannot_be_had_keeps_nothing_else_away(tmp_path: Path) -> None:
    apt = f'{APT}\ncase "$*" in *chromium*) exit 100;; esac'
    status, said, calls = tools(tmp_path, apt_get=apt, id="echo 0")
    assert status == 0
    assert calls[1] == "update -qq"
    assert {"make", "git", "chromium-driver", "systemd"} <= {call.split()[-1] for call in calls[2:]}
    assert "apt cannot install chromium chromium-driver" in said
    assert "apt cannot install git" not in said


@pytest.mark.parametrize(
    ("environment", "programs", "words"),
    [
        ({"INSTALL": "no"}, {"apt_get": APT, "id": "echo 0"}, "tests need packages that are not installed: make git"),
        ({}, {"id": "echo 0"}, "tests need packages that are not installed: make git"),
        ({}, {"apt_get": APT, "id": "echo 7"}, "only root may install: sudo apt-get install make git"),
        (
            {},
            {"apt_get": APT, "id": "echo 7", "sudo": "exit 1"},
            "only root may install: sudo apt-get install make git",
        ),
    ],
    ids=["not allowed", "no apt", "no root", "sudo asks"],
)
def test_where_it_cannot_install_it_says_so(
    tmp_path: Path, environment: dict[str, str], programs: dict[str, str], words: str
) -> None:
    status, said, calls = tools(tmp_path, environment, **programs)
    assert (status, calls, words in said) == (0, [], True), said


def test_with_sudo_it_installs(tmp_path: Path) -> None:
    status, _, calls = tools(tmp_path, apt_get=APT, id="echo 7", sudo='[ "$1" = -n ] || exit 1\nshift\n"$@"')
    assert (status, len(calls)) == (0, 1)


def test_the_script_installs_what_tests_name() -> None:
    text = SCRIPT.read_text()
    for need in needs.NEEDS.values():
        assert f"|| echo {need.packages}\n" in text
