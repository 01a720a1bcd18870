"""Guests in C (wasi-libc), Rust and JavaScript (QuickJS, StarlingMonkey) over our WASI, beside wasmtime's own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host import instance
from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import Returned, Trapped, TrapReason
from test_wasi_python import LOOK, History, Owner, activity, natively, replay, workflow
from wasi_builds import Guest, built
from wasi_runs import CACHE, prepared, run

JAVASCRIPT = ("write", "flood", "year", "now", "zone", "ordered", "different", "throws")
PROBE, PROBING = "probe.wit", "test:wasi/probing@1.0.0"
GUESTS_BUILT = (
    Guest(
        name="c",
        source="probe.c",
        wit=PROBE,
        world=PROBING,
        probes=(
            *("environment", "variable", "folder", "list", "list-root", "open", "up", "create", "mkdir", "stat"),
            *("rename", "unlink", "stdin", "terminal", "write", "flood", "closed", "no-file", "different", "ordered"),
            *("naps", "year", "exit", "exit-3", "abort"),
        ),
    ),
    Guest(
        name="rust",
        source="probe.rs",
        wit=PROBE,
        world=PROBING,
        probes=(
            *("environment", "arguments", "variable", "folder", "list", "list-root", "open", "up", "create", "mkdir"),
            *("stat", "rename", "unlink", "stdin", "write", "flood", "different", "ordered", "naps", "year"),
            *("connect", "thread", "exit", "exit-3", "abort", "panic"),
        ),
    ),
    Guest(name="quickjs", source="probe.js", wit=PROBE, world=PROBING, probes=JAVASCRIPT),
    Guest(name="starlingmonkey", source="probe.js", wit=PROBE, world=PROBING, probes=JAVASCRIPT),
)
ASKED = [pytest.param(guest, what, id=f"{guest.name}-{what}") for guest in GUESTS_BUILT for what in guest.probes]


@pytest.fixture(scope="module")
def compiled() -> Iterator[ComponentCache]:
    with Engine(activity_settings()) as engine:
        yield ComponentCache(engine, CACHE / "compiled")


@pytest.mark.parametrize(("guest", "what"), ASKED)
def test_a_guest_cannot_tell_it_from_native_wasi(compiled: ComponentCache, guest: Guest, what: str) -> None:
    binary = built(guest)
    owner = Owner()
    polled = run(prepared(compiled, binary, [LOOK], activity), LOOK, what, context=owner)
    native = instance.prepare(compiled.compile(binary), exports=[LOOK], wasi=True)
    expected, stdout, stderr, truncated = natively(native, what)
    if isinstance(expected, Trapped):
        assert isinstance(polled, Trapped)
        assert (polled.reason, polled.message) == (expected.reason, expected.message)
    else:
        assert polled == expected
    assert (bytes(owner.output.stdout), bytes(owner.output.stderr)) == (stdout, stderr)
    assert owner.output.truncated == truncated
    assert fibers.live_count() == 0


@pytest.mark.parametrize("guest", GUESTS_BUILT, ids=lambda guest: guest.name)
def test_what_these_probes_find(compiled: ComponentCache, guest: Guest) -> None:
    """The comparison above says nothing if both worlds are broken."""
    ready = prepared(compiled, built(guest), [LOOK], activity)
    owner = Owner()
    run(ready, LOOK, "write", context=owner)
    found = {what: run(ready, LOOK, what, context=Owner()) for what in guest.probes}
    if guest.name != "quickjs":  # whose console goes nowhere
        assert "grüße".encode() in owner.output.stdout
        assert "GRÜSSE".encode() in owner.output.stderr
    if guest.name == "c":
        assert found["environment"] == found["stdin"] == found["terminal"] == Returned("0")
        assert found["different"] == found["ordered"] == found["naps"] == found["year"] == Returned("1")
        assert found["open"] == found["create"] == Returned("error 44")
        exits = [found["exit"], found["exit-3"]]
        assert all(isinstance(end, Trapped) and end.reason is TrapReason.EXITED for end in exits)
    elif guest.name == "rust":
        assert found["environment"] == found["arguments"] == found["stdin"] == Returned("0")
        assert found["different"] == found["ordered"] == found["naps"] == found["year"] == Returned("true")
        assert found["open"] == found["create"] == Returned("Uncategorized None"), "no folder to look in"
        assert found["connect"] == Returned("Unsupported None")
        exits = [found["exit"], found["exit-3"]]
        assert all(isinstance(end, Trapped) and end.reason is TrapReason.EXITED for end in exits)
        assert isinstance(found["panic"], Trapped)
    else:
        assert found["year"] == found["now"] == found["ordered"] == Returned("true")
        assert found["different"] == Returned("50")
        assert isinstance(found["throws"], Trapped)


# --- the same guests as workflows -----------------------------------------------------------------------------------
@pytest.mark.parametrize("guest", GUESTS_BUILT, ids=lambda guest: guest.name)
def test_a_workflow_is_replayed_with_equal_bytes(compiled: ComponentCache, guest: Guest) -> None:
    ready, history = prepared(compiled, built(guest), [LOOK], workflow), History()
    first = replay(ready, history)
    polled, sleeps, _ = first
    assert isinstance(polled, Returned)
    before_ns, after_ns, chance = json.loads(str(polled.value))
    assert before_ns > 1_700_000_000 * 10**9
    if guest.name in ("c", "rust"):
        assert sleeps == 1
        assert abs(after_ns - before_ns - 3_600 * 10**9) < 5 * 10**9, "as exact as `History` makes its clock"
    log = json.dumps(history.events)
    for _ in range(20):
        assert replay(ready, history) == first
        assert json.dumps(history.events) == log
    other, _, _ = replay(ready, History())
    assert isinstance(other, Returned)
    is_same = json.loads(str(other.value))[2] == chance
    assert is_same == (guest.name == "quickjs"), "QuickJS has its seed from when the component was built"


@pytest.mark.parametrize("guest", GUESTS_BUILT, ids=lambda guest: guest.name)
def test_a_workflow_finds_nothing_around_it(compiled: ComponentCache, guest: Guest) -> None:
    ready = prepared(compiled, built(guest), [LOOK], workflow)
    outside = {"environment", "arguments", "variable", "list", "open", "create", "connect"} & set(guest.probes)
    for what in sorted(outside):
        alone = run(prepared(compiled, built(guest), [LOOK], activity), LOOK, what, context=Owner())
        assert replay(ready, History(), what)[0] == alone, "as an activity that is given nothing"
    printed = replay(ready, History(), "write")[2]
    assert ("grüße".encode() in printed) == (guest.name != "quickjs")
