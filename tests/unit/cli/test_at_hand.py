"""`obelisk wit` finds what a build would find: packages of the project, generated extensions, those shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import obelisk
from obelisk.cli.exit_status import ExitStatus

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", ["fibo", "trip", "stargazers"])
def test_the_worlds_of_examples_have_no_errors(name: str) -> None:
    for paths in ((f"{EXAMPLES}/{name}/worlds",), (f"{EXAMPLES}/{name}/wit", f"{EXAMPLES}/{name}/worlds")):
        ran = obelisk("wit", "check", *paths)
        assert ran.status == ExitStatus.OK, ran.err
        assert ran.err.startswith("no errors in demo:")


@pytest.mark.parametrize("language", ["python", "js", "c", "rust"])
def test_the_worlds_of_a_new_project_have_no_errors(tmp_path: Path, language: str) -> None:
    """In Python it declares none: worlds follow from the code."""
    made = obelisk("new", "my-app", "--lang", language, "--into", str(tmp_path / "p"))
    assert made.status == ExitStatus.OK, made.err
    assert (tmp_path / "p/worlds").is_dir() == (language != "python")
    ran = obelisk("wit", "check", str(tmp_path / ("p/wit" if language == "python" else "p/worlds")))
    assert ran.status == ExitStatus.OK, ran.err


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Its packages stand in a folder of another name, and are used through their extensions alone."""
    (tmp_path / "obelisk.toml").write_text(
        '[build.a]\nlanguage = "python"\nsource = "a.py"\nworld = "demo:w/w"\nwit = ["mine"]\nworlds = ["w"]\n'
    )
    for folder, text in {
        "mine": "package demo:mine;\ninterface i {\n  f: func();\n}\n",
        "unused": "package demo:unused;\n",
        "w": "package demo:w;\nworld w {\n  import demo:mine-obelisk-ext/i;\n}\n",
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.wit").write_text(text)
    return tmp_path


def test_only_what_is_used_is_taken(project: Path) -> None:
    printed = obelisk("wit", "print", f"{project}/w").out
    packages = [line.split()[1].rstrip(";") for line in printed.splitlines() if line.startswith("package ")]
    assert packages == ["demo:w", "demo:mine-obelisk-ext", "obelisk:types@5.0.0"]


def test_what_is_given_comes_before_what_is_at_hand(project: Path) -> None:
    (project / "w/deps").mkdir()
    (project / "w/deps/mine.wit").write_text("package demo:mine-obelisk-ext;\ninterface j {}\n")
    ran = obelisk("wit", "check", f"{project}/w")
    assert (ran.status, "there is no interface `i` in package" in ran.err) == (ExitStatus.INPUT, True)


def test_what_is_nowhere_is_still_an_error(project: Path) -> None:
    (project / "w/w.wit").write_text("package demo:w;\nworld w {\n  import demo:nowhere/i;\n}\n")
    ran = obelisk("wit", "check", f"{project}/w")
    assert (ran.status, "the package `demo:nowhere` is not known" in ran.err) == (ExitStatus.INPUT, True)


def test_a_configuration_that_cannot_be_read_is_told(project: Path) -> None:
    (project / "obelisk.toml").write_text("[store")
    ran = obelisk("wit", "check", f"{project}/w")
    assert ran.status == ExitStatus.INPUT
    assert ran.err.startswith("the packages of the project are not looked at: ")
