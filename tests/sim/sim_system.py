"""The functions of the simulated system: one flaky activity and workflows that use every way to wait."""

from __future__ import annotations

import random
from collections.abc import Callable

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.ports.guest import JsonValue
from sim_guests import Ask, Script, Steps, Wait
from sim_loose import MUCH, by_name, echo, fail, feed, roam, swallow, wander
from sim_names import (
    COLD,
    COLD_EXT,
    EXT,
    FLOW,
    FLOW_EXT,
    LOOSE,
    NARROW,
    NARROW_EXT,
    OUTER,
    OUTER_EXT,
    SIDE,
    STRAIT_EXT,
    STUBS,
    STUBS_EXT,
    STUBS_STUB,
    SUPPORT,
    WORK,
)

NARROWEST = 2
"""How many executions of the narrow, the cold and the strait component may run at once."""
RETRIES = 40
OUTER_MS = 2_000
"""How long a worker may take for an attempt of the outer component."""
STRAIT_MS = 600_000
"""The same of the strait one: so long that the lease of a silent worker is over sooner."""
NARROW_S = 20
"""How long an execution of the narrow component may take, whether it runs, waits or is paused."""
LABEL = "gpu"
"""What an executor must have to run the narrow component, and a worker to run the strait one."""
APPROVED: JsonValue = {"ok": 7}
Flow = Steps


def double(n: int) -> Flow:
    """An activity that always works."""
    return {"ok": 2 * n}
    yield


def flaky_with(dice: random.Random) -> Script:
    """An activity that traps or returns err now and then, and for good when n is 13."""

    def flaky(n: int) -> Flow:
        if n == 13:
            return {"err": "unlucky"}
        if dice.random() < 0.3:
            raise ZeroDivisionError("the activity trapped")
        return {"err": "try again"} if dice.random() < 0.2 else {"ok": 2 * n}
        yield

    return flaky


def slow_with(dice: random.Random) -> Script:
    """An activity that waits for the world, twice, and now and then for too long."""

    def slow(n: int) -> Flow:
        yield Wait(0.02 * n)
        yield Wait(100_000.0 if dice.random() < 0.2 else 0.3)
        return {"ok": 2 * n}

    return slow


def step_with(dice: random.Random) -> Script:
    """An activity that takes a while and often has to be tried again: so that there are some which have begun among
    those that wait."""

    def step(n: int) -> Flow:
        yield Wait(0.05 * (n % 8))
        if dice.random() < 0.4:
            raise ZeroDivisionError("the step trapped")
        return {"ok": n}

    return step


def step_text(text: str) -> Flow:
    """The same for a text, and it always works."""
    yield Wait(0.05 * (int(text) % 8))
    return {"ok": int(text)}


def serial(n: int) -> Flow:
    """`n` calls, one after the other."""
    total = 0
    for i in range(n):
        result = yield Ask(WORK, ("double", "flaky", "slow")[i % 3], [i])
        total += result.get("ok", 1000)
    return {"ok": total}


def fan_out(n: int) -> Flow:
    """`n` children in a join set, taken in the order they come; one is never awaited."""
    join_set = yield Ask(SUPPORT, "join-set-create", [])
    for i in range(n + 1):
        yield Ask(EXT, "double-submit", [join_set, i])
    yield Ask(SUPPORT, "submit-delay", [join_set, {"in": {"days": 300}}])
    total = 0
    for _ in range(n):
        answer = yield Ask(EXT, "double-await-next", [join_set])
        total += answer.get("ok", {}).get("ok", 0)
    return {"ok": total}


def nested(n: int) -> Flow:
    """Children that are workflows themselves."""
    total = 0
    for _ in range(2):
        result = yield Ask(FLOW, "serial", [n])
        total += result.get("ok", 0)
    return {"ok": total}


def sleepy(n: int) -> Flow:
    """Sleeps between calls; a shorter sleep than asked for is an err."""
    for i in range(n):
        woken = yield Ask(SUPPORT, "sleep", [{"in": {"seconds": i + 1}}, None])
        if "ok" not in woken:
            return {"err": "woken early"}
        yield Ask(WORK, "double", [i])
    return {"ok": n}


def random_values(n: int) -> Flow:
    """Branches on random numbers: a replay that drew again would ask for something else."""
    for _ in range(n):
        number = yield Ask(SUPPORT, "random-u64", [0, 100])
        if number % 2:
            yield Ask(WORK, "double", [number])
        else:
            yield Ask(SUPPORT, "sleep", [{"in": {"milliseconds": number}}, None])
    return {"ok": n}


def closing(n: int) -> Flow:
    """Closes a set of workflows, activities and delays that mostly have not answered, then goes on."""
    join_set = yield Ask(SUPPORT, "join-set-create", [])
    for i in range(n % 4 + 1):
        yield Ask(FLOW_EXT, "sleepy-submit", [join_set, n + i])
        yield Ask(EXT, "double-submit", [join_set, i])
    yield Ask(SUPPORT, "submit-delay", [join_set, {"in": {"days": 300}}])
    yield Ask(SUPPORT, "join-set-close", [join_set])
    result = yield Ask(WORK, "double", [n])
    return {"ok": result.get("ok", 0)}


def trapping(n: int) -> Flow:
    """Traps with children and delays still out: by itself, or because what it schedules exists."""
    join_set = yield Ask(SUPPORT, "join-set-create", [])
    yield Ask(SUPPORT, "submit-delay", [join_set, {"in": {"days": 300}}])
    for _ in range(n % 3 + 1):
        yield Ask(FLOW_EXT, "nested-submit", [join_set, 20])
        yield Ask(FLOW_EXT, "sleepy-submit", [join_set, 20])
    yield Ask(SUPPORT, "sleep", [{"in": {"milliseconds": 50 * n}}, None])
    if n % 2:
        raise ZeroDivisionError("the workflow trapped")
    own = yield Ask(SUPPORT, "execution-id-current", [])
    yield Ask(SUPPORT, "schedule-json", [own, "now", {"interface_name": WORK, "function_name": "double"}, "[1]"])
    return {"ok": n}


def leaving(n: int) -> Flow:
    """Returns with a tree of children still out."""
    for _ in range(2):
        join_set = yield Ask(SUPPORT, "join-set-create", [])
        yield Ask(FLOW_EXT, "closing-submit", [join_set, n])
        yield Ask(FLOW_EXT, "nested-submit", [join_set, 20])
    return {"ok": n}


def approving(n: int) -> Flow:
    """Waits for a result from outside."""
    result: JsonValue = yield Ask(STUBS, "approve", [n])
    return result


def stubbing(n: int) -> Flow:
    """Gives the result itself, as text and typed; the second time it is there already."""
    join_set = yield Ask(SUPPORT, "join-set-create", [])
    child = yield Ask(STUBS_EXT, "approve-submit", [join_set, n])
    yield Ask(SUPPORT, "stub-json", [child, '{"ok":7}'])
    again = yield Ask(STUBS_STUB, "approve-stub", [child, APPROVED])
    answer = yield Ask(STUBS_EXT, "approve-await-next", [join_set])
    return answer["ok"] if "ok" in again else {"err": "refused"}


def narrowly(n: int, write: Callable[[int], JsonValue] = int) -> Flow:
    """Children of which only two run at once, and some are evicted while they wait."""
    join_set = yield Ask(SUPPORT, "join-set-create", [])
    count = n % 5 + 2
    for i in range(count):
        yield Ask(NARROW_EXT, "step-submit", [join_set, write(i)])
    for _ in range(count):
        yield Ask(NARROW_EXT, "step-await-next", [join_set])
    return {"ok": n}


def narrowly_with_text(n: int) -> Flow:
    """The same where the children take texts."""
    return narrowly(n, str)


def colder(n: int) -> Flow:
    """Children that are workflows which never stay hot, and of which only two are locked at once."""
    join_set = yield Ask(SUPPORT, "join-set-create", [])
    for i in range(3):
        yield Ask(COLD_EXT, "serial-submit", [join_set, n % 4 + i])
    total = 0
    for _ in range(3):
        answer = yield Ask(COLD_EXT, "serial-await-next", [join_set])
        total += answer.get("ok", {}).get("ok", 0)
    result = yield Ask(COLD, "closing", [n])
    return {"ok": total + result.get("ok", 0)}


def hauling(n: int, write: Callable[[int], JsonValue] = int) -> Flow:
    """Calls that workers outside answer, one after the other and at once; of some only two are run at once."""
    total = 0
    for i in range(n % 4 + 1):
        result = yield Ask(OUTER, "haul", [write(i)])
        total += result.get("ok", 1000)
    hauls = yield Ask(SUPPORT, "join-set-create", [])
    pulls = yield Ask(SUPPORT, "join-set-create", [])
    for i in range(3):
        yield Ask(OUTER_EXT, "haul-submit", [hauls, write(i)])
        yield Ask(STRAIT_EXT, "pull-submit", [pulls, i])
    for _ in range(3):
        answer = yield Ask(OUTER_EXT, "haul-await-next", [hauls])
        total += answer.get("ok", {}).get("ok", 1000)
        answer = yield Ask(STRAIT_EXT, "pull-await-next", [pulls])
        total += answer.get("ok", {}).get("ok", 1000)
    return {"ok": total}


def hauling_with_text(n: int) -> Flow:
    """The same where the outer component takes texts."""
    return hauling(n, str)


def expected(function: str, n: int) -> JsonValue:
    """The one right result of a workflow."""
    match function:
        case "serial":
            return {"ok": sum(1000 if i == 13 else 2 * i for i in range(n))}
        case "fan-out" | "step" | "fail":
            return None  # depends on which children came first
        case "nested":
            return {"ok": 2 * sum(1000 if i == 13 else 2 * i for i in range(n))}
        case "sleepy" | "random" | "leaving" | "narrowly" | "by-name" | "wander":
            return {"ok": n}
        case "feed":
            return {"err": MUCH}
        case "roam":
            return {"ok": n * (n - 1)}
        case "approving" | "stubbing":
            return {"ok": 7}
        case "hauling":
            return {"ok": sum(2 * i for i in range(n % 4 + 1)) + 12}
        case "closing":
            return {"ok": 2 * n}
        case "colder":
            return {"ok": sum(2 * k for i in range(3) for k in range(n % 4 + i)) + 2 * n}
        case _:
            raise ObeliskError(f"no expectation for {function}")


def scripts(dice: random.Random) -> dict[str, dict[str, Script]]:
    """The scripts by component and export."""
    return {
        "work": {f"{WORK}.double": double, f"{WORK}.flaky": flaky_with(dice), f"{WORK}.slow": slow_with(dice)},
        "flow": {
            f"{FLOW}.serial": serial,
            f"{FLOW}.fan-out": fan_out,
            f"{FLOW}.nested": nested,
            f"{FLOW}.sleepy": sleepy,
            f"{FLOW}.random": random_values,
            f"{FLOW}.closing": closing,
            f"{FLOW}.trapping": trapping,
            f"{FLOW}.leaving": leaving,
            f"{FLOW}.approving": approving,
            f"{FLOW}.stubbing": stubbing,
            f"{FLOW}.narrowly": narrowly,
            f"{FLOW}.colder": colder,
            f"{FLOW}.by-name": by_name,
            f"{FLOW}.hauling": hauling,
        },
        "narrow": {f"{NARROW}.step": step_with(dice)},
        "cold": {f"{COLD}.serial": serial, f"{COLD}.closing": closing},
        "loose": {f"{LOOSE}.echo": echo, f"{LOOSE}.fail": fail, f"{LOOSE}.swallow": swallow},
        "side": {f"{SIDE}.wander": wander, f"{SIDE}.roam": roam, f"{SIDE}.feed": feed},
    }
