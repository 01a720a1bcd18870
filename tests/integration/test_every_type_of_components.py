"""Typed values of every type through generated bindings and a real component: export side in, import side and back.

The component is that of the ABI's own tests: each export hands its argument to the import of the same name and returns
what that gives. `TYPED` values go in by a generated caller and come to a Python implementation by generated handlers.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wasmtime import wat2wasm

from obelisk.cli.generating import shell as generating
from obelisk.codegen.model.items import Function
from obelisk.runtime.binding import Component

abi = importlib.import_module("test_abi_roundtrip")


class Echo:
    """Implements the imports: keeps what comes, and gives it back."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def echo(value: Any) -> Any:
            self.seen.append(value)
            return value

        return echo


class World:
    """The generated bindings of the component, and the component over them."""

    def __init__(self, folder: Path) -> None:
        (folder / "wit").mkdir()
        (folder / "wit/abi.wit").write_text(abi.wit())
        self.functions: tuple[Function, ...] = abi.interface(abi.resolved(folder / "wit")).functions
        (folder / "m.wasm").write_bytes(wat2wasm(abi.core_module(self.functions)))
        embed = ["component", "embed", "--all-features", "wit", "-w", "w", "m.wasm", "-o", "e.wasm"]
        for arguments in (embed, ["component", "new", "e.wasm", "-o", "c.wasm"]):
            subprocess.run([abi.TOOL, *arguments], cwd=folder, check=True)
        outcome = generating.run([folder / "wit"], folder / "abi_tree", only={"bindings"})
        assert outcome.is_good, outcome.messages
        self.bindings: Any = importlib.import_module("abi_tree.test_abi.bindings.w")
        self.guest: Any = importlib.import_module("abi_tree.test_abi.bindings.guest")
        self.echo = Echo()
        handlers = self.bindings.w_handlers(type("Imports", (), {"host": self.echo}))
        self.component = Component.load(folder / "c.wasm", imports=handlers)
        self.exports: Any = self.bindings.WExports(self.component).guest


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("typed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        made = World(folder)
        yield made
        made.component.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_typed_values_of_every_type_come_back_as_they_went(world: World, data: st.DataObject) -> None:
    for function in world.functions:
        canonical = data.draw(abi.values(function.params[0].type), label=function.name)
        typed: Any = None

        class Keep:
            def __getattr__(self, name: str) -> Any:
                def keep(value: Any) -> Any:
                    nonlocal typed
                    typed = value
                    return value

                return keep

        world.guest.guest_handlers(Keep())[function.name]([canonical])
        world.echo.seen.clear()
        returned = getattr(world.exports, function.name)(typed)
        assert same(returned, typed)
        (seen,) = world.echo.seen
        assert same(seen, typed)


def same(left: Any, right: Any) -> bool:
    """Equal, also where a NaN is inside."""
    return repr(left) == repr(right) and type(left) is type(right)
