"""A Python guest over our WASI: beside wasmtime's own where that is deterministic, and replayed as a workflow.

The guest's compiled form is kept in `.cache/tests`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from obelisk.codegen.model.types import Primitive
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host import instance
from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.wasi.driving import WasiPrepared
from obelisk.runtime.host.wasi.guests import ActivityGuest, WorkflowGuest
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import (
    PENDING,
    JsonValue,
    Pending,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
    Yielded,
)
from wasi_runs import CACHE, ended, exported, prepared, python_guest, run

LOOK = exported("test:wasi/probe@1.0.0", "look", Primitive.STRING, what=Primitive.STRING)
SAME = [
    *("environment", "arguments", "folder", "list", "list-root", "open", "create", "mkdir", "stat", "up", "rename"),
    *("stdin", "stdin-bytes", "terminal", "write", "flood"),
    *("no-bytes", "many-bytes", "different", "naps", "ordered", "year", "zone", "hash", "exit", "exit-3"),
]


@dataclass
class Owner:
    """The context of one activity: where its output goes."""

    output: BoundedOutput = field(default_factory=lambda: BoundedOutput(64 * 1024))


def activity(owner: object) -> ActivityGuest:
    assert isinstance(owner, Owner)
    return ActivityGuest(owner, SystemClock(), randomness=SystemRandomness(), output=owner.output)


@pytest.fixture(scope="module")
def cache() -> Iterator[ComponentCache]:
    with Engine(activity_settings()) as engine:
        yield ComponentCache(engine, CACHE / "compiled")


@pytest.fixture(scope="module")
def ours(cache: ComponentCache) -> WasiPrepared:
    return prepared(cache, python_guest("probe", "probing"), [LOOK], activity)


@pytest.fixture(scope="module")
def native(cache: ComponentCache) -> instance.Prepared:
    return instance.prepare(cache.compile(python_guest("probe", "probing")), exports=[LOOK], wasi=True)


def natively(ready: instance.Prepared, what: str) -> tuple[Poll, bytes, bytes, bool]:
    fiber = ready.start(LOOK, [what], None)
    while isinstance(polled := fiber.poll(), Yielded):
        pass
    return polled, fiber.stdout(), fiber.stderr(), fiber.output_truncated


@pytest.mark.parametrize("what", SAME)
def test_a_guest_cannot_tell_it_from_native_wasi(ours: WasiPrepared, native: instance.Prepared, what: str) -> None:
    owner = Owner()
    polled = run(ours, LOOK, what, context=owner)
    expected, stdout, stderr, truncated = natively(native, what)
    if isinstance(expected, Trapped):
        assert isinstance(polled, Trapped)
        assert (polled.reason, polled.message) == (expected.reason, expected.message)
    else:
        assert polled == expected
    assert (bytes(owner.output.stdout), bytes(owner.output.stderr)) == (stdout, stderr)
    assert owner.output.truncated == truncated
    assert fibers.live_count() == 0


@pytest.mark.parametrize("what", ["connect", "datagram"])
def test_there_is_no_network(ours: WasiPrepared, what: str) -> None:
    """Natively a socket can be made and refuses later; here it is refused at once, with the same error."""
    assert run(ours, LOOK, what, context=Owner()) == Returned("PermissionError 2")


def test_what_these_probes_find(ours: WasiPrepared) -> None:
    """The comparison above says nothing if both worlds are broken."""
    found = {what: run(ours, LOOK, what, context=Owner()) for what in SAME}
    assert found["many-bytes"] == Returned("300000")
    assert found["different"] == Returned("50")
    assert found["ordered"] == found["year"] == Returned("True")
    assert found["stdin"] == Returned("''")
    assert found["terminal"] == Returned("[False, False, False]")
    assert found["naps"] == Returned("3")
    assert found["open"] == Returned("FileNotFoundError 44")
    exits = [found["exit"], found["exit-3"]]
    assert all(isinstance(end, Trapped) and end.reason is TrapReason.EXITED for end in exits)


def test_python_guests_sleep_side_by_side(ours: WasiPrepared) -> None:
    async def together() -> list[Poll]:
        return list(await asyncio.gather(*(ended(ours.start(LOOK, ["naps"], Owner())) for _ in range(20))))

    assert asyncio.run(together()) == [Returned("3")] * 20


# --- the same guest as a workflow -----------------------------------------------------------------------------------
@dataclass
class History:
    """A log that is written in the first run and read in all later ones, byte by byte in the same order."""

    events: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    at: int = 0

    def record(self, what: str, propose: Callable[[], JsonValue]) -> JsonValue:
        if self.at == len(self.events):
            self.events.append((what, json.dumps(propose())))
        recorded, value = self.events[self.at]
        assert recorded == what, f"event {self.at}: {what} where {recorded} is on record"
        self.at += 1
        return cast("JsonValue", json.loads(value))


@dataclass
class Recorded:
    """Clock and randomness of one run of a workflow over a `History`."""

    history: History
    slept: Callable[[], JsonValue] | None = None
    now_ns: int = 0
    output: BoundedOutput = field(default_factory=lambda: BoundedOutput(1000))

    def wall_ns(self) -> int:
        start_ns = self.history.record("wall", lambda: 1_800_000_000 * 10**9 + int.from_bytes(os.urandom(4)))
        return cast("int", start_ns) + self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep_until(self, at_ns: int, answer: Callable[[], JsonValue]) -> JsonValue | Pending:
        self.history.record(f"sleep {at_ns}", lambda: None)

        def over() -> JsonValue:
            self.now_ns = at_ns
            return answer()

        self.slept = over
        return PENDING

    def random_bytes(self, count: int) -> bytes:
        return bytes.fromhex(cast("str", self.history.record(f"random {count}", lambda: os.urandom(count).hex())))

    def insecure_bytes(self, count: int) -> bytes:
        return bytes(count)


def workflow(run_: object) -> WorkflowGuest:
    assert isinstance(run_, Recorded)
    return WorkflowGuest(run_, run_, randomness=run_, output=run_.output)


def replay(ready: WasiPrepared, history: History, what: str = "history") -> tuple[Poll, int, bytes]:
    """One run from the start: how it ended, how often it slept, what it printed."""
    history.at = 0
    run_, sleeps = Recorded(history), 0
    fiber = ready.start(LOOK, [what], run_)
    while not isinstance(polled := fiber.poll(), Returned | Trapped):
        if isinstance(polled, Waiting):
            assert run_.slept is not None
            over, run_.slept = run_.slept, None
            fiber.resume(over())
            sleeps += 1
    return polled, sleeps, bytes(run_.output.stdout)


def test_a_python_workflow_is_replayed_with_equal_bytes(cache: ComponentCache) -> None:
    ready, history = prepared(cache, python_guest("probe", "probing"), [LOOK], workflow), History()
    first = replay(ready, history)
    polled, sleeps, printed = first
    assert isinstance(polled, Returned)
    assert isinstance(polled.value, str)
    seen = json.loads(polled.value.replace("'", '"'))
    assert seen[3] - seen[1] == 3_600 * 10**9
    assert sleeps == 1
    assert printed.startswith(b"slept ")
    log = json.dumps(history.events)
    for _ in range(100):
        assert replay(ready, history) == first
        assert history.at == len(history.events)
        assert json.dumps(history.events) == log
    other = replay(ready, History())
    assert other != first, "another history gives other values"


def test_a_workflow_finds_nothing_around_it(cache: ComponentCache) -> None:
    ready = prepared(cache, python_guest("probe", "probing"), [LOOK], workflow)
    for what, found in [
        ("environment", "{}"),
        ("arguments", "[]"),
        ("open", "FileNotFoundError 44"),
        ("connect", "PermissionError 2"),
        ("stdin", "''"),
    ]:
        assert run(ready, LOOK, what, context=Recorded(History())) == Returned(found)
