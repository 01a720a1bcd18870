"""The project under test: its configuration, what its WIT declares, and the package `wit_world` that tests import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from obelisk.cli.building import natively
from obelisk.cli.building.natively import Buildable
from obelisk.cli.settings import DEFAULT_NAME, read_config
from obelisk.codegen.emit.guest.annotations import VALUES
from obelisk.codegen.emit.guest.layout import ROOT
from obelisk.codegen.model.items import Function, Interface
from obelisk.native.bindings import Bindings
from obelisk.runtime.wiring.config import Config
from obelisk.testing.errors import KitError

_MARK: Final = "__obelisk_project__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A function that tests name by what they import."""

    ffqn: str
    interface: Interface
    function: Function


class Project:
    """A folder with an ``obelisk.toml``. `import_bindings` lets the process import `wit_world`, made in memory."""

    def __init__(self, folder: Path | str = ".") -> None:
        """CommandError: the configuration or the WIT is wrong."""
        self.folder = Path(folder).resolve()
        if not (self.folder / DEFAULT_NAME).is_file():
            raise KitError(f"{self.folder} has no {DEFAULT_NAME}: it is no project")
        self.config: Config = read_config(self.folder / DEFAULT_NAME)

    @cached_property
    def buildables(self) -> tuple[Buildable, ...]:
        """The components that it builds."""
        return tuple(natively.buildables(self.config))

    @cached_property
    def bindings(self) -> Bindings:
        """What tests import: all interfaces, each with its functions and types."""
        return Bindings(natively.interfaces(self.config), f"{self.folder.name}: for tests")

    def import_bindings(self) -> None:
        """Let ``import wit_world`` give this project's. KitError: another one's is imported already."""
        known = sys.modules.get(ROOT)
        if known is not None:
            of = getattr(known, _MARK, None)
            if of == str(self.folder):
                return
            other = f"that of {of}" if of else f"{known.__file__}, from a folder on Python's path"
            raise KitError(
                f"wit_world of {self.folder} cannot be imported: {other} is imported already. One process tests one "
                "project; take generated/guest off Python's path, or run the tests of each project on their own"
            )
        for name in self.bindings.space_names():
            sys.modules[name] = self.bindings.space.load(name)
        setattr(sys.modules[ROOT], _MARK, str(self.folder))

    def forget_bindings(self) -> None:
        """Undo `import_bindings`."""
        if getattr(sys.modules.get(ROOT), _MARK, None) == str(self.folder):
            for name in (VALUES, *self.bindings.space_names()):
                sys.modules.pop(name, None)

    @cached_property
    def _functions(self) -> Mapping[Callable[..., Any], Known]:
        return {
            called: Known(ffqn=f"{interface.name}.{function.name}", interface=interface, function=function)
            for interface, function, called in self.bindings.functions()
        }

    def known(self, called: Callable[..., Any]) -> Known:
        """What a function of `wit_world.imports` stands for. KitError."""
        found = self._functions.get(called)
        if found is None:
            raise KitError(
                f"{called!r} is no function of the project's WIT: name it as wit_world.imports has it, as "
                "`from wit_world.imports import payments`, then `payments.charge`"
            )
        return found

    def functions_of(self, module: ModuleType) -> tuple[Known, ...]:
        """The functions of a module of `wit_world.imports`. KitError."""
        found = tuple(known for called, known in self._functions.items() if called.__module__ == module.__name__)
        if not found:
            raise KitError(f"{module.__name__} is no module of wit_world.imports with functions")
        return found
