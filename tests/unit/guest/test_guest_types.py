"""Type checkers infer what the library's functions return from the functions that they are given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GUEST = Path(__file__).resolve().parents[2] / "golden/every/tree/guest"
PROGRAMS = Path(sys.executable).parent
RIGHT = """
from datetime import timedelta
from typing import assert_type

import httpx
from obelisk_guest import http
from obelisk_guest.httpx import Transport
from obelisk_guest.workflow import Child, JoinSet, call, gather, join_set, race, retry, saga
from wit_world.imports import kinds
from wit_world.imports.kinds import Colour, Point, Shape


def workflow(point: Point, numbers: list[int]) -> None:
    assert_type(gather(call(kinds.echo_u64, 1), call(kinds.echo_string, "a")), tuple[int, str])
    assert_type(gather(*(call(kinds.echo_u64, number) for number in numbers)), tuple[int, ...])
    assert_type(race(call(kinds.echo_u64, 1), timeout=timedelta(days=1)), int)
    assert_type(race(call(kinds.echo_u64, 1), call(kinds.echo_string, "a"), timeout=2), int | str)
    assert_type(retry(call(kinds.echo_point, v=point), attempts=2), Point)
    with join_set(*(call(kinds.echo_u64, number) for number in numbers)) as children:
        for child in children:
            assert_type(child.result(), int)
        assert_type(children.submit(kinds.echo_u64, 2), Child[int])
    with join_set() as mixed:
        assert_type(mixed.submit(kinds.echo_point, point), Child[Point])
        assert_type(mixed.submit(kinds.echo_string, "a").result(), str)
    with JoinSet[str]() as texts:
        texts.submit(kinds.echo_string, "a")
        assert_type([text.result() for text in texts], list[str])
    with saga() as undo:
        undo.compensate(kinds.echo_colour, Colour.DARK_RED)
    assert_type(http.get("https://h/").status, int)
    assert_type(httpx.Client(transport=Transport()).get("https://h/").status_code, int)


def shapes(shape: Shape) -> Shape:
    return gather(call(kinds.echo_shape, shape))[0]
"""
WRONG = {
    "an argument of another type": "gather(call(kinds.echo_u64, 'a'))",
    "an argument too many": "call(kinds.echo_u64, 1, 2)",
    "a function of another result": "JoinSet[str]().submit(kinds.echo_u64, 1)",
    "a compensation with other arguments": "saga().compensate(kinds.echo_u64)",
    "a timeout that is none": "race(call(kinds.echo_u64, 1), timeout='1 s')",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("wit_world", "componentize_py_types.py"):
        (tmp_path / name).symlink_to(GUEST / name)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "include": ["*.py"]}')
    return tmp_path


def mypy(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAMS / "mypy"), "--strict", "--config-file=", "--cache-dir", str(folder / "cache"), name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def pyright(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAMS / "pyright"), "--pythonpath", sys.executable]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_results_are_inferred(folder: Path) -> None:
    (folder / "flow.py").write_text(RIGHT)
    for ran in (mypy(folder, "flow.py"), pyright(folder)):
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_does_not_fit_is_found(folder: Path) -> None:
    """Each line of its own is an error for both."""
    head = RIGHT.partition("def workflow")[0].strip().splitlines()
    text = "\n".join([*head, *WRONG.values(), ""])
    (folder / "wrong.py").write_text(text)
    lines = range(len(head) + 1, len(head) + 1 + len(WRONG))
    for said in (mypy(folder, "wrong.py").stdout, pyright(folder).stdout):
        for number in lines:
            assert f"wrong.py:{number}:" in said, said
