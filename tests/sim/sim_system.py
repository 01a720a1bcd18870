"""The functions of the simulated system: one flaky activity and workflows that use every way to wait."""

from __future__ import annotations

import random
from functools import cache

from obelisk.codegen.model.items import Function, Interface, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import Primitive, ResultType
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.guest import ImportFunction, JsonValue
from obelisk.runtime.linking import DirectCall, Extension, ExtensionCall, JoinSetMethod, Link, SupportCall
from obelisk.runtime.registry import Component, ComponentKind, ComponentSettings, Description, Registry
from obelisk.runtime.workers.imports import imports_of
from obelisk.runtime.workers.support import SUPPORT_HANDLERS
from sim_guests import Ask, Script, Steps, Wait

WORK = "sim:world/work"
FLOW = "sim:world/flow"
EXT = "sim:world-obelisk-ext/work"
FLOW_EXT = "sim:world-obelisk-ext/flow"
STUBS = "sim:world/stubs"
STUBS_EXT = "sim:world-obelisk-ext/stubs"
STUBS_STUB = "sim:world-obelisk-stub/stubs"
NARROW = "sim:world/narrow"
NARROW_EXT = "sim:world-obelisk-ext/narrow"
COLD = "sim:world/cold"
COLD_EXT = "sim:world-obelisk-ext/cold"
EXTENSIONS = {WORK: EXT, FLOW: FLOW_EXT, STUBS: STUBS_EXT, NARROW: NARROW_EXT, COLD: COLD_EXT}
NARROWEST = 2
"""How many executions of the narrow and of the cold component may run at once."""
RETRIES = 40
NARROW_S = 20
"""How long an execution of the narrow component may take, whether it runs, waits or is paused."""
LABEL = "gpu"
"""What an executor must have to run the narrow component."""
APPROVED: JsonValue = {"ok": 7}
JOIN_SET = "obelisk:types/join-set@5.0.0"
SUPPORT = "obelisk:workflow/workflow-support@6.0.0"
RESULT = ResultType(Primitive.U64, Primitive.STRING)
FUNCTIONS = {
    WORK: ("double", "flaky", "slow"),
    FLOW: (
        "serial",
        "fan-out",
        "nested",
        "sleepy",
        "random",
        "closing",
        "trapping",
        "leaving",
        "approving",
        "stubbing",
        "narrowly",
        "colder",
    ),
    NARROW: ("step",),
    COLD: ("serial", "closing"),
    STUBS: ("approve",),
}
WORKFLOWS = ("flow", "cold")
"""The components that are workflows."""
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


def narrowly(n: int) -> Flow:
    """Children of which only two run at once, and some are evicted while they wait."""
    join_set = yield Ask(SUPPORT, "join-set-create", [])
    count = n % 5 + 2
    for i in range(count):
        yield Ask(NARROW_EXT, "step-submit", [join_set, i])
    for _ in range(count):
        yield Ask(NARROW_EXT, "step-await-next", [join_set])
    return {"ok": n}


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


def expected(function: str, n: int) -> JsonValue:
    """The one right result of a workflow."""
    match function:
        case "serial":
            return {"ok": sum(1000 if i == 13 else 2 * i for i in range(n))}
        case "fan-out" | "step":
            return None  # depends on which children came first
        case "nested":
            return {"ok": 2 * sum(1000 if i == 13 else 2 * i for i in range(n))}
        case "sleepy" | "random" | "leaving" | "narrowly":
            return {"ok": n}
        case "approving" | "stubbing":
            return {"ok": 7}
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
        },
        "narrow": {f"{NARROW}.step": step_with(dice)},
        "cold": {f"{COLD}.serial": serial, f"{COLD}.closing": closing},
    }


def _function(name: str) -> Function:
    return Function(name=name, params=(Param("n", Primitive.U64),), result=RESULT)


def _component(name: str, kind: ComponentKind, interface: str, settings: ComponentSettings) -> Component:
    exports = Interface(
        name=InterfaceName.parse(interface), functions=tuple(_function(f) for f in FUNCTIONS[interface])
    )
    description = Description(digest=f"sha256:{name}", exports=(exports,), imports=(), plain_imports=())
    return Component(name=name, kind=kind, settings=settings, description=description)


@cache
def registry() -> Registry:
    """The deployed system."""
    generous = ComponentSettings(max_retries=RETRIES, max_backoff_ms=2_000, attempt_timeout_ms=2_000)
    narrow = ComponentSettings(
        labels=(LABEL,),
        max_concurrent=NARROWEST,
        max_pending=4,
        when_full="evict-oldest",
        max_retries=RETRIES,
        max_backoff_ms=2_000,
        total_timeout_ms=NARROW_S * 1_000,
    )
    return Registry(
        (
            _component(
                "cold",
                ComponentKind.WORKFLOW,
                COLD,
                ComponentSettings(hot=False, max_concurrent=NARROWEST),
            ),
            _component("flow", ComponentKind.WORKFLOW, FLOW, ComponentSettings()),
            _component("narrow", ComponentKind.ACTIVITY, NARROW, narrow),
            _component("stubs", ComponentKind.STUB, STUBS, ComponentSettings()),
            _component("work", ComponentKind.ACTIVITY, WORK, generous),
        )
    )


@cache
def linked() -> tuple[ImportFunction, ...]:
    """What workflows import: every function of the system and each of its extensions, and all there is to support."""
    deployed = registry()
    links: list[Link] = []
    for interface, names in FUNCTIONS.items():
        for name in names:
            function = deployed.function(f"{interface}.{name}")
            links.append(Link(InterfaceName.parse(interface), function.function, DirectCall(function)))
            for extension in (Extension.SUBMIT, Extension.AWAIT_NEXT, Extension.GET, Extension.SCHEDULE):
                fn = Function(name=name + extension.value)
                ext = InterfaceName.parse(EXTENSIONS[interface])
                links.append(Link(ext, fn, ExtensionCall(function, extension)))
    approve = deployed.function(f"{STUBS}.approve")
    stub = Function(name="approve-stub")
    links.append(Link(InterfaceName.parse(STUBS_STUB), stub, ExtensionCall(approve, Extension.STUB)))
    links += [Link(InterfaceName.parse(SUPPORT), Function(name=n), SupportCall(n)) for n in SUPPORT_HANDLERS]
    links += [Link(InterfaceName.parse(JOIN_SET), Function(name=n), JoinSetMethod(n)) for n in ("id", "last-id")]
    return imports_of(links)
