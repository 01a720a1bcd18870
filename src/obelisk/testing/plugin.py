"""The pytest plugin: fixture `world`, tests that are ``async``, and `wit_world` without generating anything.

Loaded in every run of pytest where this program is installed, so it imports nothing until a test needs it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import inspect
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

if TYPE_CHECKING:
    from obelisk.testing.project import Project
    from obelisk.testing.world import World

_FILE: Final = "obelisk.toml"
_ROOTS: Final = ("wit_world", "componentize_py_types")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting ``obelisk_project``."""
    text = f"the folder of the project under test; by default the nearest with an {_FILE}, from the tests upwards"
    parser.addini("obelisk_project", text, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Let tests import `wit_world` of their project."""
    folder = _folder(config)
    if folder is not None:
        finder = _Finder(folder)
        sys.meta_path.insert(0, finder)
        config.add_cleanup(finder.close)


def _folder(config: pytest.Config) -> Path | None:
    """The project of this run; None where there is none."""
    named = str(config.getini("obelisk_project"))
    if named:
        return config.rootpath / named
    starts = [Path(argument.partition("::")[0]).resolve() for argument in config.args] or [Path.cwd()]
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / _FILE).is_file():
                return folder
    return None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Opens the project when `wit_world` is first imported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._project: Project | None = None

    @property
    def project(self) -> Project:
        """The project, opened."""
        from obelisk.testing.project import Project

        if self._project is None:
            self._project = Project(self.folder)
        return self._project

    def close(self) -> None:
        """Leave Python as it was."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if self._project is not None:
            self._project.forget_bindings()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """See `importlib`."""
        if fullname.partition(".")[0] not in _ROOTS:
            return None
        self.project.import_bindings()
        if fullname not in sys.modules:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """The one that the project has made."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """The project has run it before it was put among the modules."""
        assert module.__name__ in sys.modules


@pytest.fixture(scope="session")
def obelisk_project(pytestconfig: pytest.Config) -> Project:
    """The project under test."""
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder.project
    raise pytest.UsageError(f"no {_FILE} above the tests: set obelisk_project in the configuration of pytest")


@pytest.fixture
def world(obelisk_project: Project) -> Generator[World]:
    """A `World` for this test. When the test has passed, every log is replayed at every prefix."""
    from obelisk.testing.world import World

    made = World(obelisk_project)
    yield made
    made.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run an ``async`` test in its world's loop; check the world of a test that has passed."""
    made = pyfuncitem.funcargs.get("world")
    if type(made).__module__ != "obelisk.testing.world":
        return (yield)
    of = cast("World", made)
    function = pyfuncitem.obj
    if inspect.iscoroutinefunction(function):

        def driven(*args: Any, **named: Any) -> None:
            of.drive(function(*args, **named))

        pyfuncitem.obj = driven
    try:
        result = yield
    finally:
        pyfuncitem.obj = function
    of.check()
    return result
