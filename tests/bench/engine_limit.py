"""What the design reaches on one thread without the product around it: the yardstick of W2.

Guests on raw fibers, activities inline, and one transaction per round. Each round polls every workflow that is ready,
collects what the architecture says has to be recorded, commits it once (WAL, `synchronous=FULL`), and only then runs
the activities that were asked for. There is no registry, no validation, no replay machine, no lease and no timer: the
difference to the engine's own figure is what those cost, less what the engine gains by working while a commit is
under way.
"""

from __future__ import annotations

import ctypes
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import wasmtime
from wasmtime.component import Component, Linker

import ceiling
from obelisk.runtime.host.wasmtime import native

_C: Final = native.bindings
_FFQN: Final = "demo:fibo/fibo"
_N: Final = 10
_HERE: Final = Path(__file__).resolve().parent
_ACTIVITY: Final = _HERE.parents[1] / "examples" / "fibo" / "activity.wat"
_encode: Final = msgspec.json.encode

_workflows: dict[int, _Workflow] = {}


class _Workflow:
    """A guest in the midst of its call: an asynchronous wasmtime call that is polled."""

    def __init__(self, engine: wasmtime.Engine, linker: Linker, component: Component, export: Any, number: int) -> None:
        self.number, self.id = number, f"E_01J{number:023}"
        self.version = self.calls = 0
        self.previous: tuple[str, bytes] | None = None
        self.answer: int | None = None
        self.results: Any = None
        self._store = wasmtime.Store(engine)
        self._error: Any = ctypes.POINTER(_C.wasmtime_error_t)()
        self._component, self._linker, self._export = component, linker, export

    def start(self, calls: int) -> None:
        """Instantiate, and begin the call."""
        context = self._store._context()  # pyright: ignore[reportPrivateUsage]
        instance = _C.wasmtime_component_instance_t()
        future = _C.wasmtime_component_linker_instantiate_async(
            self._linker.ptr(), context, self._component.ptr(), ctypes.byref(instance), ctypes.byref(self._error)
        )
        while not _C.wasmtime_call_future_poll(future):
            pass
        _C.wasmtime_call_future_delete(future)
        function = _C.wasmtime_component_func_t()
        assert _C.wasmtime_component_instance_get_func(
            ctypes.byref(instance), context, self._export.ptr(), ctypes.byref(function)
        )
        self._params = (_C.wasmtime_component_val_t * 2)()
        self._params[0].kind, self._params[0].of.u8 = native.U8, _N
        self._params[1].kind, self._params[1].of.u32 = native.U32, calls
        self._result, self._function = _C.wasmtime_component_val_t(), function
        self._future = _C.wasmtime_component_func_call_async(
            ctypes.byref(function),
            context,
            self._params,
            2,
            ctypes.byref(self._result),
            1,
            ctypes.byref(self._error),
        )

    def poll(self) -> bool:
        """Run the guest until it has ended (True) or waits in a call of the activity."""
        global _running
        _running = self
        done: bool = _C.wasmtime_call_future_poll(self._future)
        if done:
            assert not self._error
            _C.wasmtime_call_future_delete(self._future)
        return done

    def result(self) -> int:
        """What the guest returned."""
        value: int = self._result.of.result.val[0].of.u64
        _C.wasmtime_component_val_delete(ctypes.byref(self._result))
        return value


_running: _Workflow | None = None
_NO_FINALIZER: Final = ctypes.cast(None, ctypes.CFUNCTYPE(None, ctypes.c_void_p))  # type: ignore[arg-type]


def _waits(
    _data: Any, _context: Any, _type: Any, _args: Any, _n: Any, results: Any, _m: Any, _e: Any, then: Any
) -> None:
    """The host function `fibo`: leaves the guest suspended until `_answered` says True."""
    assert _running is not None
    _running.results = results
    then[0].callback, then[0].env, then[0].finalizer = _RESUME, _running.number, _NO_FINALIZER


def _answered(number: int | None) -> bool:
    workflow = _workflows[number or 0]  # ctypes gives None for 0
    if workflow.answer is None:
        return False
    value = _C.wasmtime_component_val_t()
    value.kind, value.of.u64 = native.U64, workflow.answer
    out = workflow.results[0]
    out.kind, out.of.result.is_ok = native.RESULT, True
    out.of.result.val = _C.wasmtime_component_val_new(ctypes.byref(value))
    workflow.answer = None
    return True


_RESUME: Final = _C.wasmtime_func_async_continuation_callback_t(_answered)
_FIBO: Final = _C.wasmtime_component_func_async_callback_t(_waits)


class _Activity:
    """A component that is instantiated anew for every attempt."""

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine, self._linker = engine, Linker(engine)
        self._component = Component(engine, _ACTIVITY.read_text())
        self._export: Any = _export(self._component, _FFQN, "fibo")

    def attempt(self, n: int) -> int:
        store = wasmtime.Store(self._engine)
        context = store._context()  # pyright: ignore[reportPrivateUsage]
        instance, function = _C.wasmtime_component_instance_t(), _C.wasmtime_component_func_t()
        assert not _C.wasmtime_component_linker_instantiate(
            self._linker.ptr(), context, self._component.ptr(), ctypes.byref(instance)
        )
        _C.wasmtime_component_instance_get_func(
            ctypes.byref(instance), context, self._export.ptr(), ctypes.byref(function)
        )
        param, result = _C.wasmtime_component_val_t(), _C.wasmtime_component_val_t()
        param.kind, param.of.u8 = native.U8, n
        assert not _C.wasmtime_component_func_call(
            ctypes.byref(function), context, ctypes.byref(param), 1, ctypes.byref(result), 1
        )
        value: int = result.of.result.val[0].of.u64
        _C.wasmtime_component_val_delete(ctypes.byref(result))
        store.close()
        return value


def _export(component: Component, interface: str, function: str) -> Any:
    instance = component.get_export_index(interface)
    assert instance is not None
    return component.get_export_index(function, instance)


class _Round:
    """What one commit records."""

    def __init__(self) -> None:
        self._now_us = time.time_ns() // 1000
        self._log: list[tuple[object, ...]] = []
        self._created: list[tuple[object, ...]] = []
        self._finished: list[tuple[object, ...]] = []
        self._parents: list[tuple[object, ...]] = []

    def add(self, workflow: _Workflow, *, done: bool) -> str | None:
        """What a workflow did; the child that it waits for."""
        now_us, log, child = self._now_us, self._log, None
        if workflow.previous is not None:
            previous, body = workflow.previous
            taken = _encode({"join_set": workflow.calls, "child": previous})
            log += [(previous, 1, now_us, 5, body), (workflow.id, workflow.version, now_us, 2, taken)]
            self._finished.append((body, previous))
            workflow.version += 1
        if done:
            log.append((workflow.id, workflow.version, now_us, 5, _encode({"ok": workflow.result()})))
        else:
            workflow.calls += 1
            child = f"{workflow.id}.o:{workflow.calls}_1"
            request = {"join_set": workflow.calls, "child": child, "ffqn": _FFQN, "params": [_N]}
            created = {"ffqn": _FFQN, "params": [_N], "parent": workflow.id, "executor": "Exr_1"}
            log += [
                (workflow.id, workflow.version, now_us, 3, _encode(request)),
                (child, 0, now_us, 1, _encode(created)),
            ]
            self._created.append((child, 1, now_us, 0, _FFQN, workflow.id, None))
        workflow.version += 1
        self._parents.append((workflow.version, now_us, workflow.id))
        return child

    def commit(self, database: sqlite3.Connection) -> None:
        """One transaction."""
        database.execute("begin immediate")
        database.executemany(ceiling.INSERT_LOG, self._log)
        database.executemany(ceiling.FINISH, self._finished)
        database.executemany(ceiling.CREATE, self._created)
        database.executemany(ceiling.PROGRESS, self._parents)
        database.execute("commit")


def _run(database: sqlite3.Connection, workflows: list[_Workflow], activity: _Activity) -> int:
    calls, ready = 0, workflows
    while ready:
        round_ = _Round()
        waiting = [(w, child) for w in ready if (child := round_.add(w, done=w.poll())) is not None]
        round_.commit(database)
        for workflow, child in waiting:  # effects, only now
            workflow.answer = activity.attempt(_N)
            workflow.previous = (child, _encode({"ok": workflow.answer}))
        calls += len(waiting)
        ready = [workflow for workflow, _ in waiting]
    return calls


def calls_per_second(folder: Path, *, workflows: int, calls: int) -> float:
    """So many workflows at once with so many calls each, in a new database in `folder`."""
    config = wasmtime.Config()
    config.max_wasm_stack = 128 * 1024
    native.config_async_stack(config.ptr(), 256 * 1024)
    engine = wasmtime.Engine(config)
    component = Component(engine, (_HERE / "guests" / "limit.wat").read_text())
    export: Any = _export(component, "bench:guests/limit", "fiboa")
    linker, activity = Linker(engine), _Activity(engine)
    with linker.root() as root, root.add_instance(_FFQN) as interface:
        assert not _C.wasmtime_component_linker_instance_add_func_async(
            interface.ptr(), b"fibo", 4, _FIBO, None, _NO_FINALIZER
        )
    path = folder / f"engine-limit-{time.time_ns()}.sqlite"
    database = ceiling.open_database(path)
    guests = [_Workflow(engine, linker, component, export, number) for number in range(workflows)]
    _workflows.update((guest.number, guest) for guest in guests)
    for guest in guests:
        guest.start(calls)
    start = time.perf_counter()
    done = _run(database, guests, activity)
    seconds = time.perf_counter() - start
    assert done == workflows * calls, done
    database.close()
    path.unlink()
    _workflows.clear()
    return done / seconds
