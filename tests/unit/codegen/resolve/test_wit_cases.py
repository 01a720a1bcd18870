"""Cases in files: WIT under `tests/cases/wit` gives the JSON beside it, WIT under `wit_errors` the messages beside it.

A case is a ``.wit`` file or a folder. Run with ``BLESS=1`` in the environment to write what is expected anew, then read
the difference.
"""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest

from obelisk.codegen.diagnostics import render
from obelisk.codegen.emit import wit_json
from obelisk.codegen.resolve.load import load
from obelisk.codegen.resolve.resolver import Loaded

ROOT = Path(__file__).resolve().parents[4]
CASES = ROOT / "tests" / "cases"
SELECTED = frozenset({"on"})
NOT_IN_FILES = {"unreadable", "no-wit", "bad-binary", "too-many-errors", "worlds-too-large"}
"""Codes that need a broken file system or much text: `test_load` and `test_limits` have them."""


def cases(folder: str) -> list[Path]:
    return sorted(path for path in (CASES / folder).iterdir() if path.is_dir() or path.suffix == ".wit")


def loaded(case: Path) -> Loaded:
    return load([case], features=SELECTED)


def compare(expected: Path, text: str) -> None:
    if os.environ.get("BLESS"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", cases("wit"), ids=lambda path: path.name)
def test_accepted(case: Path) -> None:
    result = loaded(case)
    assert result.resolution is not None, render(result.diagnostics)
    assert result.diagnostics == ()
    compare(case.with_suffix(".json"), json.dumps(wit_json.to_json(result.resolution), indent=1) + "\n")


@pytest.mark.parametrize("case", cases("wit_errors"), ids=lambda path: path.name)
def test_refused(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.parent)
    result = loaded(Path(case.name))
    assert result.resolution is None
    compare(case.with_suffix(".txt"), render(result.diagnostics))


def codes_in_sources() -> set[str]:
    """The first arguments of calls that report, where they are literal."""
    found: set[str] = set()
    for path in [*(ROOT / "codegen" / "syntax").glob("*.py"), *(ROOT / "codegen" / "resolve").glob("*.py")]:
        if path.name == "printer.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"error", "fault", "report"}:
                match node.args:
                    case [ast.Constant(value=str(code)), *_]:
                        found.add(code)
                    case _:
                        pass
    return found


def test_every_code_has_a_case() -> None:
    shown = "".join(path.read_text(encoding="utf-8") for path in (CASES / "wit_errors").glob("*.txt"))
    codes = codes_in_sources()
    assert len(codes) > 35
    assert {code for code in codes if f"[{code}]" not in shown} == NOT_IN_FILES & codes
