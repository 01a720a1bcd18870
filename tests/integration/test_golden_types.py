"""Generated trees pass mypy and pyright, both strict, and a formatter finds nothing to change.

So does a program that uses them; in one with faults both find each of them: what users get from the types.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


SOUND = """
from __future__ import annotations

from typing import assert_never, assert_type

from obelisk.client import AsyncClient, AsyncHandle, Client
from obelisk.runtime.binding import Component
from obelisk.runtime.resources import Handles
from obelisk.runtime.values import Err, Ok, Some
from obelisk.worker import Worker

from .every.test_every.client import KindsClient, KindsClientAsync
from .every.test_every.forms.kinds import SHAPE_FORM
from .every.test_every.types import kinds
from .guests.test_guests.bindings.server import ServerExports, ServerImports, server_handlers
from .guests.test_guests.bindings.server__tools import ToolsInterface
from .guests.test_guests.types.sessions import Session
from .shop.docs_shop.types.orders import Extras, Item, Refusal_OutOfStock, Speed
from .shop.docs_shop.worker import OrdersWorker


def show(shape: kinds.Shape) -> str:
    match shape:
        case kinds.Shape_Empty():
            return "empty"
        case kinds.Shape_Dot(point):
            assert_type(point, kinds.Point)
            return str(point.x)
        case kinds.Shape_Many(value=points):
            return str([point.y for point in points])
        case kinds.Shape_Named((name, colour)):
            return name + colour.value
        case kinds.Shape_Deep(deep):
            match deep:
                case None:
                    return "none"
                case Some(None):
                    return "some none"
                case Some(inner):
                    return str(inner)
                case _:
                    assert_never(deep)
        case kinds.Shape_Ok(outcome):
            match outcome:
                case Ok(number):
                    return str(number + 1)
                case Err(text):
                    return text.upper()
                case _:
                    assert_never(outcome)
        case _:
            assert_never(shape)


def colour(of: kinds.Colour) -> int:
    match of:
        case kinds.Colour.DARK_RED | kinds.Colour.TRUE:
            return 1
        case kinds.Colour.NONE:
            return 2
        case _:
            assert_never(of)


def call(client: Client) -> None:
    echo = KindsClient(client).echo_shape
    assert_type(echo(kinds.Shape_Empty()), kinds.Shape)
    handle = echo.submit(kinds.Shape_Dot(kinds.Point(x=1, y=2)))
    assert_type(handle.result(timeout=1.5), kinds.Shape)
    for entry in handle.events():
        print(entry.version, entry.at.year, entry.event["type"])
    handle.cancel()
    handle.give(kinds.Shape_Empty())
    patient = echo.options(timeout=1.5, idempotency_key="k", tags={"a": "b"}, wait=5, retries=0)
    assert_type(patient(kinds.Shape_Empty()), kinds.Shape)


async def call_later(client: AsyncClient) -> None:
    echo = KindsClientAsync(client).echo_shape
    assert_type(await echo(kinds.Shape_Empty()), kinds.Shape)
    handle = await echo.options(wait=5).submit(kinds.Shape_Empty())
    assert_type(handle, AsyncHandle[kinds.Shape])
    assert_type(await handle.result(), kinds.Shape)
    print([entry.version async for entry in handle.events()])
    assert_type(kinds.Point.from_json({"x": 1, "y": 2}), kinds.Point)
    assert_type(SHAPE_FORM.from_json("empty"), kinds.Shape)
    print(kinds.Point(x=1, y=2).to_json())


class Tools:
    def double(self, n: int) -> int:
        return 2 * n


class Imports:
    tools: ToolsInterface = Tools()

    def ended(self, at: int) -> bool:
        return at > 0


def bind(binary: bytes) -> None:
    handles, imports = Handles(), Imports()
    offered: ServerImports = imports
    with Component(binary, imports=server_handlers(offered), handles=handles) as component:
        with component.instance() as instance:
            exports = ServerExports(instance, handles)
            with exports.sessions.session(1) as session:
                assert_type(session, Session)
                assert_type(session.next(), int)
                for other in exports.sessions.open([1, 2]):
                    session.absorb(other)


class Orders(OrdersWorker):
    async def place(self, items: list[Item], speed: Speed, extras: Extras) -> int:
        if not items:
            raise Err(Refusal_OutOfStock(["all"]))
        return len(items)


class OrdersInThreads(OrdersWorker):
    def place(self, items: list[Item], speed: Speed, extras: Extras) -> Ok[int] | Err[Refusal_OutOfStock]:
        return Ok(len(items)) if items else Err(Refusal_OutOfStock(["all"]))


Worker(handlers=[Orders()], concurrency=8).stop()
Worker(handlers=[OrdersInThreads()], retryable=(OSError,)).stop()
"""

FAULTY = """
from __future__ import annotations

from typing import assert_never

from obelisk.client import Client

from .every.test_every.client import KindsClient
from .every.test_every.types import kinds
from .guests.test_guests.bindings.server__tools import ToolsInterface
from .resources.test_resources.types.counters import Counter
from .shop.docs_shop.types.orders import Extras, Item, Speed
from .shop.docs_shop.worker import OrdersWorker


def show(shape: kinds.Shape) -> None:
    match shape:
        case kinds.Shape_Empty() | kinds.Shape_Dot() | kinds.Shape_Many() | kinds.Shape_Named() | kinds.Shape_Ok():
            pass
        case _:
            assert_never(shape)  # wrong


class Tools:
    def double(self, n: str) -> int:
        return len(n)


class Empty(OrdersWorker):
    pass


class Orders(OrdersWorker):
    async def place(self, items: list[Item], speed: Speed, extras: Extras) -> str:  # wrong
        return speed.value


class Half(Counter):
    def increment(self, by: int) -> int:
        return by


def use(client: Client, dot: kinds.Shape_Dot, point: kinds.Point) -> None:
    KindsClient(client).echo_shape(1)  # wrong
    KindsClient(client).echo_shape.submit(shape=2)  # wrong
    KindsClient(client).echo_shape.options(key="k")  # wrong
    KindsClient(client).echo_shape.handle("E_1").give(point)  # wrong
    dot.value = point  # wrong
    point.x = 1  # wrong
    kinds.Shape_Dot("point")  # wrong
    kinds.Point(1, 2)  # wrong
    kinds.Point(x=1)  # wrong
    tools: ToolsInterface = Tools()  # wrong
    Half()  # wrong
    Empty()  # wrong
    print(tools)
"""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All golden trees and the project's own, side by side in a folder that has no settings."""
    folder = tmp_path_factory.mktemp("trees") / "generated_trees"
    (folder.parent / "guests").mkdir()
    for tree in sorted(ROOT.glob("tests/golden/*/tree")):
        shutil.copytree(tree, folder / tree.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "generated", folder / "own", ignore=shutil.ignore_patterns("__pycache__"))
    for guest in folder.glob("*/guest"):  # packages that stand at the top of what a guest imports
        shutil.move(guest, folder.parent / "guests" / guest.parent.name)
    (folder / "__init__.py").write_text("")
    (folder / "sound.py").write_text(SOUND.lstrip())
    return folder


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", *map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_mypy_strict(trees: Path) -> None:
    assert "no issues found" in run("mypy", "--strict", "--config-file=", "--cache-dir=.mypy", trees, cwd=trees.parent)
    for guest in (trees.parent / "guests").iterdir():
        assert "no issues found" in run("mypy", "--strict", "--config-file=", "--cache-dir=.mypy", ".", cwd=guest)


def test_pyright_strict(trees: Path) -> None:
    guests = (trees.parent / "guests").iterdir()
    for folder in (trees.parent, *guests):
        ignored = ["guests"] if folder == trees.parent else []
        settings = folder / "pyrightconfig.json"
        settings.write_text(json.dumps({"typeCheckingMode": "strict", "exclude": ignored}))
        output = run("pyright", "--pythonpath", sys.executable, "--project", "pyrightconfig.json", cwd=folder)
        assert "0 errors, 0 warnings" in output


def test_both_find_every_fault_of_a_user(trees: Path) -> None:
    faulty = trees / "faulty.py"
    faulty.write_text(FAULTY)
    try:
        mypy = run("mypy", "--strict", "--config-file=", "--cache-dir=.mypy", faulty, cwd=trees.parent, status=1)
        pyright = run("pyright", "--pythonpath", sys.executable, faulty, cwd=trees.parent, status=1)
    finally:
        faulty.unlink()
    wrong = {number for number, line in enumerate(FAULTY.splitlines(), 1) if line.endswith("# wrong")}
    for output in (mypy, pyright):
        assert {int(number) for number in re.findall(r"faulty\.py:(\d+)(?::\d+)?:? (?:- )?error", output)} == wrong, (
            output
        )


def test_formatted(trees: Path) -> None:
    arguments = ("format", "--isolated", "--check", "--line-length=120", "--exclude=models.py")
    assert "already formatted" in run("ruff", *arguments, trees, trees.parent / "guests", cwd=trees.parent)
