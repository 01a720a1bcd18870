"""Generated trees whose names are close to each other import, and each class is the one it is called after."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from obelisk.cli import at_hand
from obelisk.codegen.emit.package import ALL_PARTS, Part
from obelisk.codegen.pipeline import generate
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax.printer import print_resolution

ENGINE = at_hand.engine_types()
PARTS = frozenset({*ALL_PARTS} - {Part.MODELS})


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from while a test runs."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "made/guest"), *sys.path])
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("made", "wit_world"):
            del sys.modules[name]


def written(folder: Path, *texts: str) -> list[str]:
    """Generate what the texts say, below the package `made`; the names of its modules."""
    main, *deps = (SourceFile(f"{n}.wit", text) for n, text in enumerate(texts))
    loaded = resolve_sources([main], [[dep] for dep in deps])
    assert loaded.resolution is not None, loaded.diagnostics
    modules: list[str] = []
    for path, text in generate(loaded.resolution, ENGINE, PARTS).files.items():
        target = folder / "made" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        if path.endswith(".py"):
            modules.append(".".join(["made", *Path(path).with_suffix("").parts]).removesuffix(".__init__"))
    return modules


def imported(modules: list[str]) -> dict[str, ModuleType]:
    return {name: importlib.import_module(name) for name in modules}


def test_an_exported_interface_of_methods_alone_has_no_caller(tree: Path) -> None:
    text = "package a:b; interface i { resource r { m: func() -> u32; } } world w { export i; import i; }"
    bindings = imported(written(tree, text))["made.a_b.bindings.w"]
    assert not hasattr(bindings, "WExports")
    assert hasattr(bindings, "WImports")


def test_a_resource_and_a_record_that_is_called_like_its_class(tree: Path) -> None:
    text = """package a:b;
    interface store {
      record file-resource { path: string }
      resource file { path: func() -> string; }
      resource foo { constructor(); bar: func(); }
      resource foo-resource { constructor(); baz: func(); }
      describe: func(path: string) -> file-resource;
      open: func(r: file-resource) -> file;
      both: func() -> tuple<foo, foo-resource>;
    }
    world w { export store; }"""
    modules = imported(written(tree, text))
    bindings, types = modules["made.a_b.bindings.store"], modules["made.a_b.types.store"]
    assert types.File in bindings.FileResource.__mro__
    assert types.Foo in bindings.FooResource.__mro__
    assert types.FooResource in bindings.FooResourceResource.__mro__
    assert hasattr(bindings.FooResourceResource, "baz")
    assert bindings.file_resource_from_json({"path": "x"}) == types.FileResource(path="x")


def test_a_used_resource_under_another_name_is_a_class_of_its_own(tree: Path) -> None:
    main = """package a:b;
    interface i {
      use c:d/j.{file as other};
      resource file { mine: func(); }
      mine: func() -> file;
      theirs: func() -> other;
    }
    world w { export i; }"""
    modules = imported(written(tree, main, "package c:d; interface j { resource file { theirs: func(); } }"))
    source = (tree / "made/a_b/bindings/i.py").read_text()
    assert "from ...c_d.bindings.j import FileResource as FileResource_2" in source
    assert "self._handles.take(result_, FileResource_2)" in source
    own, used = modules["made.a_b.bindings.i"].FileResource, modules["made.c_d.bindings.j"].FileResource
    assert own is not used


def test_documentation_of_a_package_with_quotes_and_backslashes(tree: Path) -> None:
    text = '/// Reads C:\\Users.\n/// """\n/// import os; os.environ["MADE"] = "yes"\n/// """\n' + "package a:b;"
    modules = imported(written(tree, f"{text} interface i {{ record r {{ a: u8 }} f: func(a: r); }}"))
    docs = modules["made.a_b"].__doc__
    assert docs is not None
    assert 'Reads C:\\Users.\n"""\nimport os; os.environ["MADE"] = "yes"\n"""' in docs


@pytest.mark.parametrize(
    "text",
    [
        "package a:root;\n\ninterface i {\n  f: func();\n}\n\n"
        "package b:nested {\n  interface j {\n    g: func();\n  }\n}\n",
        "package b:root;\n\ninterface i {\n  type t = u32;\n}\n\n"
        "package c:nested {\n  interface j {\n    use b:root/i.{t};\n\n    g: func(a: t);\n  }\n}\n",
    ],
)
def test_the_root_package_stays_the_root_when_printed(text: str) -> None:
    loaded = resolve_sources([SourceFile("a.wit", text)])
    assert loaded.resolution is not None
    assert print_resolution(loaded.resolution) == text
