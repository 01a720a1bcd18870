"""The project's generated bindings with real components: typed calls into one, typed service of another's imports."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from obelisk.runtime import registry
from obelisk.runtime.guest import ExportFunction, GuestTrap, Handler, ImportFunction, ImportResource, Returned, Yielded
from obelisk.runtime.host.component import ComponentCache, to_binary
from obelisk.runtime.host.engine import Engine, workflow_settings
from obelisk.runtime.host.instance import prepare
from obelisk.runtime.values import Err, Ok

ROOT = Path(__file__).parents[2]


class Component:
    """`runtime.values.Caller` over a component that runs in this process; every call has an instance of its own."""

    def __init__(self, path: Path, handlers: dict[tuple[str, str], Any]) -> None:
        binary = to_binary(path.read_bytes())
        described = registry.describe(binary)
        self.exports = {
            (str(interface.name), function.name): ExportFunction(interface=str(interface.name), function=function)
            for interface in described.exports
            for function in interface.functions
        }
        imports = [
            ImportFunction(interface=str(i.name), function=f, handler=self.handler(handlers, str(i.name), f.name))
            for i in described.imports
            for f in i.functions
        ]
        join_set = ImportResource(
            interface="obelisk:types/join-set@5.0.0", name="join-set", dropped=lambda context, rep: None
        )
        compiled = ComponentCache(Engine(workflow_settings()), None).compile(binary)
        exports = list(self.exports.values())
        self.prepared = prepare(compiled, exports=exports, imports=imports, resources=[join_set])

    def handler(self, handlers: dict[tuple[str, str], Any], interface: str, function: str) -> Handler:
        def serve(context: Any, params: list[Any]) -> Any:
            if (interface, function) not in handlers:
                raise GuestTrap(f"{interface}.{function} is not served here")
            return handlers[interface, function](params)

        return serve

    def call(self, interface: str, function: str, params: list[Any], /) -> Any:
        fiber = self.prepared.start(self.exports[interface, function], params, None)
        try:
            while isinstance(outcome := fiber.poll(), Yielded):
                pass
            assert isinstance(outcome, Returned), outcome
            return outcome.value
        finally:
            fiber.close()


@pytest.fixture
def demo_fibo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The generated package, imported from where it is committed."""
    import sys

    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    return importlib.import_module("generated.demo_fibo.bindings.fibo")


def test_typed_calls(demo_fibo: Any) -> None:
    fibo = demo_fibo.FiboCaller(Component(ROOT / "examples/fibo/activity.wat", {}))
    assert fibo.fibo(10) == Ok(55)
    match fibo.fibo(n=94):
        case Err(str() as message):
            assert message
        case other:
            raise AssertionError(other)


def test_typed_imports(demo_fibo: Any) -> None:
    workflow = importlib.import_module("generated.demo_fibo.bindings.workflow")
    asked: list[int] = []

    class Fibo:
        def fibo(self, n: int) -> Ok[int] | Err[str]:
            asked.append(n)
            return Ok(n * 1000) if len(asked) < 4 else Err("enough")

    served = {("demo:fibo/fibo", name): handler for name, handler in demo_fibo.fibo_handlers(Fibo()).items()}
    caller = workflow.WorkflowCaller(Component(ROOT / "examples/fibo/workflow.wat", served))
    assert caller.fiboa(n=7, iterations=3) == Ok(7000)
    assert caller.fiboa(n=7, iterations=2) == Err("enough")
    assert asked == [7, 7, 7, 7]
