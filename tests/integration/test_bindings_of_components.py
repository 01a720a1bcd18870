"""Generated bindings with real components: typed calls into them, typed service of their imports, resources."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk.runtime.binding import Component, GuestFailed
from obelisk.runtime.errors import ComponentError, FunctionNotFound, ImportRefused, Unsupported
from obelisk.runtime.host.errors import AbiError
from obelisk.runtime.resources import Handles, Resource
from obelisk.runtime.values import Err, Ok

ROOT = Path(__file__).parents[2]
TOOL = Path(sys.executable).with_name("wasm-tools")
COUNTERS, WORK, SESSIONS = (f"test:resources/{name}@1.0.0" for name in ("counters", "work", "sessions"))
CORE = f"""(module
  (import "{COUNTERS}" "[constructor]counter" (func $new (param i32) (result i32)))
  (import "{COUNTERS}" "[method]counter.increment" (func $increment (param i32 i32) (result i32)))
  (import "{COUNTERS}" "[static]counter.merge" (func $merge (param i32 i32) (result i32)))
  (import "{COUNTERS}" "[resource-drop]counter" (func $drop (param i32)))
  (import "{COUNTERS}" "total" (func $total (param i32 i32) (result i64)))
  (import "{COUNTERS}" "name" (func $name (param i32 i32 i32 i32)))
  (import "[export]{SESSIONS}" "[resource-new]session" (func $session (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "{WORK}#run") (param $start i32) (result i32) (local $a i32) (local $b i32) (local $r i32)
    (local.set $a (call $new (local.get $start)))
    (drop (call $increment (local.get $a) (i32.const 1)))
    (local.set $b (call $new (i32.const 100)))
    (local.set $a (call $merge (local.get $a) (local.get $b)))
    (local.set $b (call $new (i32.const 1000)))
    (i32.store (i32.const 64) (local.get $a))
    (i32.store (i32.const 68) (local.get $b))
    (local.set $r (i32.wrap_i64 (call $total (i32.const 64) (i32.const 2))))
    (call $drop (local.get $a))
    (local.get $r))
  (func (export "{WORK}#bump") (param $it i32) (param $by i32) (result i32) (local $r i32)
    (if (i32.eqz (local.get $by)) (then unreachable))
    (local.set $r (call $increment (local.get $it) (local.get $by)))
    (call $drop (local.get $it))
    (local.get $r))
  (func (export "{WORK}#pass-on") (param $it i32) (result i32)
    (drop (call $increment (local.get $it) (i32.const 1)))
    (local.get $it))
  (func (export "{WORK}#pass-named") (param i32 i32 i32) (result i32)
    (call $name (local.get 0) (local.get 1) (local.get 2) (i32.const 1024))
    (i32.const 1024))
  (func (export "{SESSIONS}#[constructor]session") (result i32) (call $session (i32.const 1)))
  (func (export "{SESSIONS}#[method]session.next") (param i32) (result i32) (local.get 0))
  (func (export "{SESSIONS}#open") (result i32) (call $session (i32.const 1)))
  (func (export "{SESSIONS}#count") (result i32) (i32.const 7)))"""


class Counter(Resource):
    """A resource as a user would write it; keeps which counters were left."""

    left: list[int]

    def __init__(self, start: int) -> None:
        self.at = start

    def increment(self, by: int) -> int:
        self.at += by
        return self.at

    def same(self, other: Any, class_: str) -> Any:
        return Ok(self is other and class_ == "counter")

    def __exit__(self, *_: object) -> None:
        Counter.left.append(self.at)


class Counters:
    """Implements the interface; the constructor is the class itself."""

    counter = Counter

    def counter__merge(self, a: Any, b: Any) -> Counter:
        return Counter(a.at + b.at)

    def total(self, of: list[Any]) -> int:
        return sum(counter.at for counter in of)

    def swap(self, it: Any) -> Any:
        return it

    def name(self, it: Any) -> Any:
        return type(it)(name=it.name + "!", counter=it.counter)


class Imports:
    """What the component's world imports."""

    counters = Counters()


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated packages, imported from where they are committed."""
    monkeypatch.setattr(sys, "path", [str(ROOT), str(ROOT / "tests/golden"), *sys.path])
    Counter.left = []


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("resources")
    (folder / "m.wasm").write_bytes(wat2wasm(CORE))
    wit = ROOT / "tests/golden/resources/wit"
    embed = ["component", "embed", "--all-features", wit, "-w", "app", "m.wasm", "-o", "e.wasm"]
    for arguments in (embed, ["component", "new", "e.wasm", "-o", "c.wasm"]):
        subprocess.run([TOOL, *arguments], cwd=folder, check=True)
    return (folder / "c.wasm").read_bytes()


@pytest.fixture
def app() -> Any:
    return importlib.import_module("resources.tree.test_resources.bindings.app")


@pytest.fixture
def handles() -> Handles:
    return Handles()


@pytest.fixture
def component(binary: bytes, app: Any, handles: Handles) -> Iterator[Component]:
    with Component(binary, imports=app.app_handlers(Imports(), handles), handles=handles) as loaded:
        yield loaded


def test_typed_calls() -> None:
    bindings = importlib.import_module("generated.demo_fibo.bindings.fibo")
    with Component.load(ROOT / "examples/fibo/activity.wat") as loaded:
        fibo = bindings.FiboCaller(loaded)
        assert fibo.fibo(10) == Ok(55)
        match fibo.fibo(n=94):
            case Err(str() as message):
                assert message
            case other:
                raise AssertionError(other)


def test_what_cannot_be_called() -> None:
    with Component.load(ROOT / "examples/fibo/activity.wat") as loaded:
        with pytest.raises(FunctionNotFound, match=r"demo:fibo/fibo\.fib"):
            loaded.call("demo:fibo/fibo", "fib", [])
        with pytest.raises(AbiError):
            loaded.call("demo:fibo/fibo", "fibo", ["ten"])
    with pytest.raises(ComponentError):
        Component(b"no component")
    with pytest.raises(ImportRefused) as refused:
        Component.load(ROOT / "examples/fibo/workflow.wat")
    assert "demo:fibo/fibo" in str(refused.value.fields["imports"])


def test_the_life_of_resources(component: Component, app: Any, handles: Handles) -> None:
    work = app.AppExports(component, handles).work
    assert work.run(start=5) == 5 + 1 + 100 + 1000
    # The merged counter was dropped by the component, the third one left with the component's instance.
    assert Counter.left == [106, 1000]
    assert handles.held == 0


def test_resources_as_arguments_and_results(component: Component, app: Any, handles: Handles) -> None:
    work = app.AppExports(component, handles).work
    types = importlib.import_module("resources.tree.test_resources.types.counters")
    mine = Counter(1)
    assert work.bump(mine, 4) == 5
    assert work.pass_on(mine) is mine
    assert mine.at == 6
    named = work.pass_named(types.Named(name="n", counter=mine))
    assert named == types.Named(name="n!", counter=mine)
    assert Counter.left == []
    assert handles.held == 0


def test_a_trap_leaves_nothing_behind(component: Component, app: Any, handles: Handles) -> None:
    work = app.AppExports(component, handles).work
    with pytest.raises(GuestFailed) as failed:
        work.bump(Counter(1), 0)
    assert failed.value.fields["reason"] == "trapped"
    assert handles.held == 0
    with pytest.raises(LookupError):
        handles.of(1)


def test_what_an_implementation_raises_comes_out(binary: bytes, app: Any, handles: Handles) -> None:
    class Broken(Counters):
        def counter__merge(self, a: Any, b: Any) -> Counter:
            raise ZeroDivisionError("no merging today")

    class Worse:
        counters = Broken()

    with Component(binary, imports=app.app_handlers(Worse(), handles), handles=handles) as loaded:
        with pytest.raises(ZeroDivisionError, match="no merging today"):
            app.AppExports(loaded, handles).work.run(1)
        assert handles.held == 0


def test_a_resource_of_the_component_is_refused(component: Component, app: Any, handles: Handles) -> None:
    assert app.AppExports(component, handles).sessions.count() == 7
    for function in ("open", "[constructor]session", "[method]session.next"):
        with pytest.raises(Unsupported, match="a resource of the component's own") as refused:
            component.call(SESSIONS, function, [])
        assert refused.value.code == "unsupported"
