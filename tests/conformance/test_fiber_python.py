"""Python guests (componentize-py): a workflow without WASI that suspends in mid-Python, an activity with native WASI.

The guests are built once and kept in `.cache/tests`, by the digest of their sources; so is their compiled form.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import kept
from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.types import ListType, Primitive, ResultType, Type
from obelisk.runtime.errors import ImportRefused
from obelisk.runtime.host.component import Compiled, ComponentCache
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.instance import Prepared, prepare
from obelisk.runtime.host.targets import Limits
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import (
    PENDING,
    ExportFunction,
    ImportFunction,
    JsonValue,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
    Yielded,
)

CACHE = kept.CACHE
TOOL = Path(sys.executable).parent / "componentize-py"
WIT = """package test:py@1.0.0;
interface host { work: func(n: u32) -> result<u64, string>; }
interface workflow { sum: func(count: u32) -> result<u64, string>; deep: func(n: u32) -> string; fail: func(); }
interface probe {
  say: func(text: string) -> string; nap: func(ms: u32); spin: func(); quit: func(); fail: func();
  surroundings: func() -> list<string>;
}
world workflows { import host; export workflow; }
world activities { export probe; }
"""
WORKFLOW = """
from wit_world import exports
from wit_world.imports import host

class Workflow(exports.Workflow):
    def sum(self, count):
        return sum(host.work(n) for n in range(count))

    def deep(self, n):
        try:
            return str(self.through_c(n))
        except RecursionError:
            return "RecursionError"

    def through_c(self, n):
        return 0 if n == 0 else 1 + max(map(self.through_c, [n - 1]))

    def fail(self):
        raise ValueError("broken on purpose")
"""
ACTIVITY = """
import os, socket, sys, time
from wit_world import exports

def attempt(name, action):
    try:
        return f"{name}: {action()}"
    except Exception as error:
        return f"{name}: {type(error).__name__}"

class Probe(exports.Probe):
    def say(self, text):
        print(text, flush=True)
        print("aside", file=sys.stderr, flush=True)
        return text.upper()

    def nap(self, ms):
        time.sleep(ms / 1000)

    def spin(self):
        while True:
            pass

    def quit(self):
        sys.exit(3)

    def fail(self):
        raise ValueError("broken on purpose")

    def surroundings(self):
        return [
            attempt("environment", lambda: dict(os.environ)),
            attempt("folder", lambda: os.listdir("/")),
            attempt("file", lambda: open("/etc/hostname").read()),
            attempt("name", lambda: socket.getaddrinfo("localhost", 80)),
            attempt("network", lambda: socket.create_connection(("127.0.0.1", 9), timeout=1)),
            attempt("input", lambda: sys.stdin.read()),
        ]
"""
U32, STRING = Primitive.U32, Primitive.STRING


def built(world: str, source: str, *flags: str) -> bytes:
    key = repr((WIT, world, source, flags, metadata.version("componentize-py")))

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as made_in:
            folder = Path(made_in)
            (folder / "world.wit").write_text(WIT)
            (folder / "app.py").write_text(source)
            command = [str(TOOL), "-d", "world.wit", "-w", world, "componentize", *flags, "-p", ".", "-o", "app.wasm"]
            subprocess.run([*command, "app"], cwd=folder, check=True, capture_output=True)
            return (folder / "app.wasm").read_bytes()

    return kept.file(f"{world}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.wasm", make).read_bytes()


def exported(interface: str, name: str, result: Type | None, **params: Type) -> ExportFunction:
    function = Function(name=name, params=tuple(Param(n, t) for n, t in params.items()), result=result)
    return ExportFunction(interface=f"test:py/{interface}@1.0.0", function=function)


SUM = exported("workflow", "sum", ResultType(Primitive.U64, STRING), count=U32)
DEEP = exported("workflow", "deep", STRING, n=U32)
FAIL = exported("workflow", "fail", None)
SAY = exported("probe", "say", STRING, text=STRING)
NAP = exported("probe", "nap", None, ms=U32)
SPIN, QUIT, BREAK = (exported("probe", name, None) for name in ("spin", "quit", "fail"))
SURROUNDINGS = exported("probe", "surroundings", ListType(STRING))
WORK = Function(name="work", params=(Param("n", U32),), result=ResultType(Primitive.U64, STRING))


@pytest.fixture(scope="module")
def cache() -> Iterator[ComponentCache]:
    with Engine(activity_settings()) as engine:
        yield ComponentCache(engine, CACHE / "compiled")


@pytest.fixture(scope="module")
def workflow(cache: ComponentCache) -> Prepared:
    def work(_context: Any, _args: list[JsonValue]) -> Any:
        return PENDING

    host = ImportFunction(interface="test:py/host@1.0.0", function=WORK, handler=work)
    compiled = cache.compile(built("workflows", WORKFLOW, "-s"))
    return prepare(compiled, exports=[SUM, DEEP, FAIL], imports=[host])


@pytest.fixture(scope="module")
def compiled_activity(cache: ComponentCache) -> Compiled:
    return cache.compile(built("activities", ACTIVITY))


@pytest.fixture(scope="module")
def activity(compiled_activity: Compiled) -> Prepared:
    return prepare(compiled_activity, exports=[SAY, NAP, SPIN, QUIT, BREAK, SURROUNDINGS], wasi=True)


def poll(fiber: Fiber) -> Poll:
    while isinstance(polled := fiber.poll(), Yielded):
        pass
    return polled


def trap(fiber: Fiber) -> Trapped:
    polled = poll(fiber)
    assert isinstance(polled, Trapped), polled
    return polled


def test_a_python_workflow_suspends_in_the_middle(workflow: Prepared) -> None:
    assert not workflow.blocks
    waiting = [workflow.start(SUM, [3], None) for _ in range(5)]
    for fiber in waiting:
        assert poll(fiber) == Waiting()
    for round_ in range(3):
        for number, fiber in enumerate(waiting):
            fiber.resume({"ok": number})
            assert poll(fiber) == (Waiting() if round_ < 2 else Returned({"ok": 3 * number}))


def test_an_err_of_the_host_is_an_exception_in_the_guest(workflow: Prepared) -> None:
    fiber = workflow.start(SUM, [3], None)
    assert poll(fiber) == Waiting()
    fiber.resume({"err": "no such thing"})
    assert poll(fiber) == Returned({"err": "no such thing"})


def test_a_python_workflow_reaches_its_own_recursion_limit(workflow: Prepared) -> None:
    assert poll(workflow.start(DEEP, [300], None)) == Returned("300")
    assert poll(workflow.start(DEEP, [5_000], None)) == Returned("RecursionError")


def test_a_python_exception_is_a_trap(workflow: Prepared, activity: Prepared) -> None:
    assert trap(workflow.start(FAIL, [], None)).reason is TrapReason.TRAPPED
    fiber = activity.start(BREAK, [], None)
    assert trap(fiber).reason is TrapReason.TRAPPED
    assert b"ValueError: broken on purpose" in fiber.stderr()


def test_output_is_kept_per_fiber(activity: Prepared) -> None:
    assert activity.blocks
    fibers = [activity.start(SAY, [f"hello {n}"], None) for n in range(3)]
    for n, fiber in enumerate(fibers):
        assert poll(fiber) == Returned(f"HELLO {n}")
        assert (fiber.stdout(), fiber.stderr()) == (f"hello {n}\n".encode(), b"aside\n")
        assert not fiber.output_truncated


def test_output_is_bounded(activity: Prepared) -> None:
    fiber = activity.start(SAY, ["x" * 5_000], None, Limits(output_bytes=100))
    assert poll(fiber) == Returned("X" * 5_000)
    assert fiber.stdout() == b"x" * 100
    assert fiber.output_truncated


def test_an_activity_sees_nothing_of_the_machine(activity: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBELISK_SECRET", "hidden")
    polled = poll(activity.start(SURROUNDINGS, [], None))
    assert isinstance(polled, Returned)
    assert isinstance(polled.value, list)
    seen = dict(str(line).split(": ", 1) for line in polled.value)
    assert seen.pop("environment") in ("{}", "{'PYTHONHOME': '/python', 'PYTHONPATH': '/python'}")
    assert "hidden" not in str(seen)
    assert seen.pop("input") == ""
    assert all(text.endswith("Error") or text == "[]" for text in seen.values()), seen


def test_an_exit_is_told_apart(activity: Prepared) -> None:
    trapped = trap(activity.start(QUIT, [], None))
    assert (trapped.reason, trapped.message) == (TrapReason.EXITED, "the guest exited with status 1")


def test_spinning_and_sleeping_activities_on_a_pool(activity: Prepared) -> None:
    spinning, sleeping = activity.start(SPIN, [], None), activity.start(NAP, [150], None)
    with ThreadPoolExecutor(2) as pool:
        start = time.monotonic()
        spun, slept = pool.submit(poll, spinning), pool.submit(poll, sleeping)
        assert slept.result(10) == Returned(None)
        assert time.monotonic() - start >= 0.15
        spinning.interrupt()
        polled = spun.result(10)
    assert isinstance(polled, Trapped)
    assert polled.reason is TrapReason.TIMED_OUT


def test_a_workflow_gets_no_wasi(compiled_activity: Compiled) -> None:
    with pytest.raises(ImportRefused) as caught:
        prepare(compiled_activity, exports=[])
    assert caught.value.fields["imports"] == list(compiled_activity.imports)
    assert all(name.startswith("wasi:") and name in caught.value.message for name in compiled_activity.imports)
