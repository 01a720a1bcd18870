"""The guests' library without WebAssembly: a generated `wit_world`, over an engine on a clock of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

GUEST = Path(__file__).resolve().parents[2] / "golden/every/tree/guest"
LOADED = ("obelisk_guest", "wit_world", "componentize_py_")


@dataclass(kw_only=True)
class Response:
    """What a child or a delay of a join set answers, and when."""

    at_s: float
    id: str
    value: Any
    kind: Any = None


@dataclass(kw_only=True)
class Engine:
    """What `wit_world.imports` asks. `plan` has, by the first argument of a child, when it ends and with what."""

    load: Callable[[str], Any] = importlib.import_module
    now_s: float = 0.0
    plan: dict[object, tuple[float, Any]] = field(default_factory=dict[object, tuple[float, Any]])
    asked: list[object] = field(default_factory=list[object])
    answers: dict[str, Response] = field(default_factory=dict[str, Response])
    lines: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def child(self, function: str) -> Callable[..., Any]:
        def submit(handle: JoinSet, first: object, *more: object) -> Any:
            after_s, value = self.plan[first]
            name = f"E_1.{len(self.answers) + 1}"
            self.asked.append((function, first, *more))
            kind = value if type(value).__name__ == "ExecutionFailureKind" else None
            handle.add(Response(at_s=self.now_s + after_s, id=name, value=value, kind=kind))
            return self.load("wit_world.imports.execution").ExecutionId(name)

        return submit

    def get(self, execution_id: Any) -> Any:
        value = self.answers[execution_id.id].value
        if isinstance(value, str) and value.startswith("err:"):
            return self.load("componentize_py_types").Err(value)
        return value

    def result(self, execution_id: Any) -> Any:
        """As `get`, of a function with a WIT result."""
        value = self.get(execution_id)
        types = self.load("componentize_py_types")
        return value if isinstance(value, types.Err) else types.Ok(value)

    def seconds(self, schedule_at: Any) -> float:
        case, payload = type(schedule_at).__name__, schedule_at.value
        self.asked.append((case, payload))
        return float(payload.value / 1000 if case == "ScheduleAt_In" else payload.seconds - self.now_s)


class JoinSet:
    """The handle of a join set."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.open: list[Response] = []
        self.last: Response | None = None

    def add(self, response: Response) -> None:
        self.engine.answers[response.id] = response
        self.open.append(response)

    def next(self) -> Any:
        types = self.engine.load("componentize_py_types")
        self.last = min(self.open, key=lambda one: one.at_s)
        self.open.remove(self.last)
        self.engine.now_s = max(self.engine.now_s, self.last.at_s)
        failed = self.last.kind is not None or self.last.value == "cancelled"
        return types.Err(None) if failed else types.Ok("…")

    def last_id(self) -> Any:
        assert self.last is not None
        ids = self.engine.load("wit_world.imports.execution")
        if self.last.id.startswith("Delay"):
            return ids.ResponseId_DelayId(ids.DelayId(self.last.id))
        return ids.ResponseId_ExecutionId(ids.ExecutionId(self.last.id))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine that the library asks; `engine.load` imports a module over it."""
    monkeypatch.setattr(sys, "path", [str(GUEST), *sys.path])
    engine = Engine()
    support = engine.load("wit_world.imports.workflow_support")
    types = engine.load("componentize_py_types")

    def named(name: str) -> JoinSet:
        if name == "taken":
            raise types.Err(support.JoinSetCreateError_Conflict())
        if not name.isalnum():
            raise types.Err(support.JoinSetCreateError_InvalidName("letters and digits only"))
        return JoinSet(engine)

    def sleep(until: Any, name: str | None) -> None:
        engine.now_s += engine.seconds(until)
        if name == "cancelled":
            raise types.Err(None)

    def submit_delay(handle: JoinSet, until: Any) -> Any:
        value = engine.plan.get("delay", (0.0, None))[1]
        response = Response(
            at_s=engine.now_s + engine.seconds(until), id=f"Delay_{len(engine.answers) + 1}", value=value
        )
        handle.add(response)
        return engine.load("wit_world.imports.execution").DelayId(response.id)

    def failure_kind(execution_id: Any) -> Any:
        return engine.answers[execution_id.id].kind

    def said(level: str, message: str) -> None:
        engine.lines.append((level, message))

    def close(handle: JoinSet) -> None:
        engine.asked.append(("close", [response.id for response in handle.open]))

    functions: dict[str, Callable[..., Any]] = {
        "join_set_create": lambda: JoinSet(engine),
        "join_set_create_named": named,
        "join_set_close": close,
        "join_next": JoinSet.next,
        "submit_delay": submit_delay,
        "sleep": sleep,
        "get_execution_failure_kind": failure_kind,
        "execution_id_current": lambda: engine.load("wit_world.imports.execution").ExecutionId("E_1"),
    }
    for name, function in functions.items():
        monkeypatch.setattr(support, name, function)
    extension = engine.load("wit_world.imports.kinds_ext")
    for name, get in {"echo_u64": engine.get, "echo_string": engine.get, "echo_result": engine.result}.items():
        monkeypatch.setattr(extension, f"{name}_submit", engine.child(name))
        monkeypatch.setattr(extension, f"{name}_get", get)
    log = engine.load("wit_world.imports.log")
    for level in ("trace", "debug", "info", "warn", "error"):
        monkeypatch.setattr(log, level, partial(said, level))
    clock = engine.load("wit_world.imports.wasi_clocks_wall_clock")
    monkeypatch.setattr(clock, "now", lambda: clock.Datetime(int(engine.now_s), int(engine.now_s % 1 * 1e9)))
    yield engine
    for name in [name for name in sys.modules if name.startswith(LOADED)]:
        del sys.modules[name]
