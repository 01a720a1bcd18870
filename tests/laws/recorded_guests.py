"""A workflow as a list of numbers, the functions that it calls, and other deployments of those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from obelisk.codegen.model.items import Function, Interface, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    Case,
    Field,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    Type,
    TypeDef,
    VariantType,
)
from obelisk.runtime.catalog.description import Description
from obelisk.runtime.catalog.linking import link
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.catalog.settings import ComponentKind, ComponentSettings
from obelisk.runtime.ports.guest import (
    PENDING,
    ExportFunction,
    GuestTrap,
    Handler,
    HandOver,
    JsonValue,
    Poll,
    Prepared,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
)
from obelisk.runtime.workers.imports import imports_of

ME = "E_01ARZ3NDEKTSV4RRFFQ69G5FAV"
WORK, EXT, FLOW = InterfaceName.parse("a:b/work"), InterfaceName.parse("a:b-obelisk-ext/work"), "a:b/flow"
SCHEDULE = InterfaceName.parse("a:b-obelisk-schedule/work")
SUPPORT = InterfaceName.parse("obelisk:workflow/workflow-support@6.0.0")
U64, STRING = Primitive.U64, Primitive.STRING
LOOKS_LIKE_A_RESULT = TypeDef(name="sides", owner=WORK, body=VariantType((Case("ok", U64), Case("err", STRING))))
TYPES: Sequence[Type | None] = (
    None,
    U64,
    OptionType(U64),
    LOOKS_LIKE_A_RESULT,
    ResultType(None, None),
    ResultType(U64, None),
    ResultType(OptionType(U64), STRING),
    ResultType(U64, LOOKS_LIKE_A_RESULT),
)
VALUES: Sequence[Sequence[JsonValue]] = (
    (None,),
    (1, 7),
    (None, 5),
    ({"ok": 1}, {"err": "x"}),
    ({"ok": None}, {"err": None}),
    ({"ok": 3}, {"err": None}),
    ({"ok": None}, {"ok": 4}, {"err": "boom"}),
    ({"ok": 1}, {"err": {"ok": 2}}),
)
NAMES = tuple(f"f{number}" for number in range(len(TYPES)))
PARAM = TypeDef(name="p", owner=WORK, body=RecordType((Field("n", U64), Field("note", OptionType(STRING)))))
HUGE = "x" * 2_000


# --- what is deployed ------------------------------------------------------------------------------------------------
def component(name: str, kind: ComponentKind, exports: Interface, imports: Sequence[Interface] = ()) -> Component:
    description = Description(digest=f"sha256:{name}", exports=(exports,), imports=tuple(imports), plain_imports=())
    return Component(name=name, kind=kind, settings=ComponentSettings(), description=description)


def work(types: Sequence[Type | None], param: Type) -> Registry:
    """The functions with these results and this parameter."""
    functions = tuple(
        Function(name=name, params=(Param("p", param),), result=result)
        for name, result in zip(NAMES, types, strict=True)
    )
    return Registry((component("work", ComponentKind.ACTIVITY, Interface(name=WORK, functions=functions)),))


def imported() -> tuple[Interface, ...]:
    """What the workflow was built with."""
    direct: list[Function] = []
    extended: list[Function] = []
    scheduled: list[Function] = []
    for name, result in zip(NAMES, TYPES, strict=True):
        direct.append(Function(name=name, params=(Param("p", PARAM),), result=result))
        extended += (
            Function(name=f"{name}-submit", params=(Param("set", U64), Param("p", PARAM)), result=STRING),
            Function(name=f"{name}-await-next", params=(Param("set", U64),), result=ResultType(result, STRING)),
            Function(name=f"{name}-get", params=(Param("id", STRING),), result=ResultType(result, STRING)),
        )
        scheduled.append(Function(name=f"{name}-schedule", params=(Param("at", STRING), Param("p", PARAM))))
    return (
        Interface(name=WORK, functions=tuple(direct)),
        Interface(name=EXT, functions=tuple(extended)),
        Interface(name=SCHEDULE, functions=tuple(scheduled)),
        Interface(name=SUPPORT, functions=tuple(Function(name=name) for name in SUPPORT_USED)),
    )


SUPPORT_USED = (
    "call-json",
    "submit-json",
    "schedule-json",
    "join-set-create",
    "join-next",
    "join-next-try",
    "get-result-json",
    "get-execution-failure-kind",
    "execution-id-generate",
    "random-u64",
    "sleep",
)
RIGHT = work(TYPES, PARAM)
RETYPED = work((*TYPES[1:], TYPES[0]), STRING)
FEWER = work((*TYPES[4:], *TYPES[:4]), RecordType((Field("n", U64),)))
DEPLOYED = {"the same": RIGHT, "nothing": Registry(), "other types": RETYPED, "fewer fields": FEWER}


@cache
def handlers(name: str) -> dict[str, Handler]:
    """What answers the workflow's imports, linked as a build that is not deployed any more."""
    flow = component("flow", ComponentKind.WORKFLOW, Interface(name=InterfaceName.parse(FLOW)), imported())
    links = link(flow, DEPLOYED[name], deployed=name == "the same")
    return {f"{i.interface}.{i.function.export_name}": i.handler for i in imports_of(links)}


# --- the guest -------------------------------------------------------------------------------------------------------
@dataclass
class Guest:
    """One call of a script: a fiber, and what it heard."""

    numbers: list[int]
    table: dict[str, Handler]
    context: object
    heard: list[JsonValue] = field(default_factory=list[JsonValue])
    children: list[JsonValue] = field(default_factory=list[JsonValue])
    sets: list[JsonValue] = field(default_factory=list[JsonValue])
    step: int = 0
    waiting: bool = False
    failed: str = ""

    def poll(self, hand_over: HandOver | None = None) -> Poll:
        if self.failed:
            return Trapped(TrapReason.HOST, self.failed)
        if self.waiting:
            return Waiting()
        while self.step < len(self.numbers):
            interface, name, args = self.call(self.numbers[self.step])
            try:
                answer = self.table[f"{interface}.{name}"](self.context, args)
            except GuestTrap as trap:
                self.heard.append(f"trap: {trap}")
                return Trapped(TrapReason.HOST, str(trap))
            if answer is PENDING:
                self.waiting = True
                return Waiting()
            self.resume(answer)
        return Returned({"err": HUGE})

    def resume(self, value: JsonValue) -> None:
        self.waiting = False
        self.heard.append(value)
        self.step += 1
        name = self.call(self.numbers[self.step - 1])[1]
        found: Any = value
        if name == "join-set-create":
            self.sets.append(value)
        elif name.endswith("-submit"):
            self.children.append(value)
        elif name == "submit-json" and "ok" in found:
            self.children.append(found["ok"])

    def fail(self, trap: GuestTrap) -> None:
        self.heard.append(f"trap: {trap}")
        self.failed = str(trap)

    def close(self) -> None:
        return

    def when_ready(self, callback: object) -> None:
        raise AssertionError("told by its log")

    def interrupt(self) -> None:
        raise AssertionError("it does not compute")

    def call(self, number: int) -> tuple[InterfaceName, str, list[JsonValue]]:
        """The host call that a number stands for."""
        kind, rest = number % 16, number // 16
        name = NAMES[rest % len(NAMES)]
        param: JsonValue = {"n": rest % 3, "note": None if rest % 2 else HUGE}
        text = '[{"n": 1}]' if rest % 3 else f'[{{"n": 1, "note": "{HUGE}"}}]'
        text = text if rest % 5 else '["wrong"]'
        function: JsonValue = {"interface_name": str(WORK), "function_name": name if rest % 7 else "gone"}
        child: JsonValue = self.children[rest % len(self.children)] if self.children else {"id": ME}
        if kind in (0, 1):
            return WORK, name, [param]
        if kind in (2, 3):
            return SUPPORT, "call-json", [function, text]
        if kind == 4:
            return SCHEDULE, f"{name}-schedule", ["now", param]
        if kind == 5:
            return SUPPORT, "schedule-json", [{"id": f"E_01ARZ3NDEKTSV4RRFFQ69{self.step:05}"}, "now", function, text]
        if kind == 6:
            return SUPPORT, "random-u64", [1, 1_000]
        if kind == 7:
            return SUPPORT, ("get-result-json", "get-execution-failure-kind")[rest % 2], [child]
        if kind == 8:
            return EXT, f"{name}-get", [child]
        if not self.sets:
            return SUPPORT, "join-set-create", []
        join_set = self.sets[rest % len(self.sets)]
        if kind in (9, 10):
            return EXT, f"{name}-submit", [join_set, param]
        if kind in (11, 12):
            return SUPPORT, "submit-json", [join_set, function, text]
        if kind == 13:
            return SUPPORT, ("join-next", "join-next-try")[rest % 2], [join_set]
        if kind == 14:
            return EXT, f"{name}-await-next", [join_set]
        return SUPPORT, "sleep", [{"in": {"seconds": rest}}, None]


@dataclass
class ScriptedFlow(Prepared):
    """The prepared workflow."""

    numbers: list[int]
    table: dict[str, Handler]
    guest: Guest | None = None

    def start(self, export: ExportFunction, args: Sequence[JsonValue], context: object) -> Guest:
        self.guest = Guest(list(self.numbers), self.table, context)
        return self.guest
