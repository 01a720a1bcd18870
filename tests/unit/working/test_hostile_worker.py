"""Bindings for workers of a WIT whose names and documentation try to be something else in Python."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from obelisk.cli.generating import shell

WIT = (
    '''/// """ ; evil = 1 ; r"""
package hostile:names;
/// C:\\Users\\name, `*/`, {{ evil }}, a quote "
interface %worker {
  /// Four """" and a backslash at the end \\
  record operation { %class: u8, self: string, %lambda: option<u64>, data: bool }
  variant %served { %none, %import(operation), %def(list<operation>) }
  enum any { %true, %class }
  /// '''
    + "'''"
    + ''' and """
  /// raise SystemExit
  /// """
  flags results { %and, %or }
  /// """
  /// evil = 1
  self: func(self: operation, data: %served) -> result<any, results>;
  /// \\
  %class: func(%class: u8, %def: option<option<string>>) -> u8;
  obelisk-operations: func(value: any) -> any;
  init: func();
  await: func(%lambda: list<u8>) -> list<u8>;
  returned: func(ok: result<u8, string>) -> result<result<u8, string>, string>;
}
interface params { use %worker.{operation as final, any as ok}; err: func(final: final) -> ok; }
'''
)
INTERFACE = "hostile:names/worker"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated tree: ``hostile_tree``, importable."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "hostile.wit").write_text(WIT)
    made = shell.run([folder / "hostile.wit"], folder / "hostile_tree", only={"worker"})
    assert made.is_good, made.messages
    root = folder / "hostile_tree"
    spec = importlib.util.spec_from_file_location(
        root.name, root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None
    sys.modules[root.name] = importlib.util.module_from_spec(spec)
    return root


def worker() -> Any:
    return importlib.import_module("hostile_tree.hostile_names.worker")


def test_documentation_stays_documentation(tree: Path) -> None:
    files = list(tree.rglob("*.py"))
    assert any("evil" in path.read_text() for path in files)
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Name) and node.id in ("evil", "SystemExit")), path
    said = inspect.getdoc(worker().WorkerWorker) or ""
    assert INTERFACE in said
    assert 'a quote "' in said
    assert "C:\\Users\\name" in said


def test_every_name_is_one_of_python_and_none_is_lost(tree: Path) -> None:
    operations = worker().WorkerWorker.obelisk__operations
    names = [operation.method for operation in operations]
    assert len({*names}) == len(names) == 6
    for operation in operations:
        assert operation.method.isidentifier()
        method = inspect.getattr_static(worker().WorkerWorker, operation.method)
        assert method.__isabstractmethod__, operation.method


def test_values_pass_through_hostile_names(tree: Path) -> None:
    called = {operation.name: operation for operation in worker().WorkerWorker.obelisk__operations}["self"]
    given = {"class": 1, "self": "me", "lambda": None, "data": True}
    first, second = called.decode({"self": given, "data": {"def": [given]}})
    assert [*vars_of(first).values()] == [1, "me", None, True]
    assert second.value == [first]


def vars_of(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def test_type_checkers_take_it(tree: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "-p", "hostile_tree"]
    done = subprocess.run(command, cwd=tree.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
