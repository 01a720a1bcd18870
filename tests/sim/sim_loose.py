"""What is called by name alone: nothing imports it, so that it may be removed and get other types while it is used."""

from __future__ import annotations

from obelisk.runtime.ports.guest import JsonValue
from sim_guests import Ask, Steps, Wait
from sim_names import LOOSE, SIDE, SUPPORT, WORK

ECHO: JsonValue = {"interface_name": LOOSE, "function_name": "echo"}
FAIL: JsonValue = {"interface_name": LOOSE, "function_name": "fail"}
SWALLOW: JsonValue = {"interface_name": LOOSE, "function_name": "swallow"}
WANDER: JsonValue = {"interface_name": SIDE, "function_name": "wander"}


def support(name: str, *args: JsonValue) -> Ask:
    """A call of workflow-support."""
    return Ask(SUPPORT, name, list(args))


def echo(n: int) -> Steps:
    """An activity that takes its time."""
    yield Wait(0.1 * (n % 5))
    return {"ok": n}


def fail(n: int) -> Steps:
    """An activity that returns err, for good."""
    return {"err": "boom"}
    yield


def swallow(text: str) -> Steps:
    """An activity that takes much."""
    return {"ok": len(text)}
    yield


def echo_text(text: str) -> Steps:
    """The same for a text."""
    yield Wait(0.1 * (len(text) % 5))
    return {"ok": text}


def echo_bare(n: int) -> Steps:
    """The same without a result type that can carry a failure."""
    yield Wait(0.1 * (n % 5))
    return n


def wander(n: int) -> Steps:
    """Calls by name, one after the other, and looks at each answer again."""
    for i in range(n % 4 + 1):
        yield support("sleep", {"in": {"milliseconds": 300 * i}}, None)
        answer = yield support("call-json", FAIL if i % 2 else ECHO, f"[{i}]")
        child = yield support("last-direct-call-id")
        if child is not None and "ok" in answer:
            yield support("get-result-json", child)
    return {"ok": n}


def roam(n: int) -> Steps:
    """Goes on for a while, a step at a time."""
    total = 0
    for i in range(n):
        yield support("sleep", {"in": {"milliseconds": 200}}, None)
        result = yield Ask(WORK, "double", [i])
        total += result.get("ok", 0)
    return {"ok": total}


MUCH = "x" * 1500
"""More than a value may have for a workflow whose limit was lowered."""


def feed(n: int) -> Steps:
    """Hands over much, goes on, and returns much."""
    for i in range(n % 3 + 1):
        yield support("call-json", SWALLOW, f'["{MUCH}"]')
        yield support("sleep", {"in": {"milliseconds": 400 * i}}, None)
    return {"err": MUCH}


def by_name(n: int) -> Steps:
    """Children by name, of whatever types they are by then; answers are taken as they come."""
    join_set = yield support("join-set-create")
    submitted = 0
    for function, params in ((ECHO, f"[{n}]"), (FAIL, "[1]"), (WANDER, f"[{n % 3}]"), (ECHO, f'["{n}"]')):
        answer = yield support("submit-json", join_set, function, params)
        submitted += "ok" in answer
    yield support("sleep", {"in": {"milliseconds": 100 * n}}, None)
    new = yield support("execution-id-generate")
    yield support("schedule-json", new, {"in": {"seconds": n % 5}}, ECHO, "[3]")
    yield support("join-next-try", join_set)
    for _ in range(submitted):
        yield support("join-next", join_set)
    return {"ok": n}
