"""What a workflow asks for and would be refused for ever: it is told, and ends if it has no answer for that.

Each script runs twice over the whole runtime, as in `test_workflow_support`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import JsonValue
from sim_guests import Ask, Script, Steps
from sim_names import SCHEDULE, STUBS_EXT, SUPPORT, WORK

DOUBLE = {"interface_name": WORK, "function_name": "double"}
HOUR = {"in": {"hours": 1}}
WIDE = " " * (5 << 20)
"""More white space than a value may have bytes."""


def support(name: str, *args: Any) -> Ask:
    return Ask(SUPPORT, name, list(args))


def trap_of(outcome: log.Outcome) -> str:
    assert isinstance(outcome, log.Failed), outcome
    assert outcome.kind is log.FailureKind.TRAPPED
    return outcome.reason


# --- executions that exist ------------------------------------------------------------------------------------------
def test_a_workflow_cannot_schedule_itself(outcome_of: Callable[[Script], log.Outcome]) -> None:
    def script(_: int) -> Steps:
        own = yield support("execution-id-current")
        yield support("schedule-json", own, "now", DOUBLE, "[3]")
        yield support("sleep", HOUR, None)
        return "unreachable"

    assert "exists already" in trap_of(outcome_of(script))


@pytest.mark.parametrize("sleeps", [False, True])
def test_an_id_is_scheduled_once(outcome_of: Callable[[Script], log.Outcome], sleeps: bool) -> None:
    def script(_: int) -> Steps:
        new = yield support("execution-id-generate")
        yield support("schedule-json", new, "now", DOUBLE, "[3]")
        if sleeps:
            yield support("sleep", HOUR, None)
        yield support("schedule-json", new, HOUR, DOUBLE, "[4]")
        yield support("sleep", HOUR, None)
        return "unreachable"

    assert "exists already" in trap_of(outcome_of(script))


def test_an_id_that_an_extension_made_is_taken(outcome_of: Callable[[Script], log.Outcome]) -> None:
    def script(_: int) -> Steps:
        mine = yield Ask(SCHEDULE, "double-schedule", ["now", 3])
        yield support("sleep", HOUR, None)
        yield support("schedule-json", mine, "now", DOUBLE, "[3]")
        yield Ask(WORK, "double", [1])
        return "unreachable"

    assert "exists already" in trap_of(outcome_of(script))


def test_what_is_scheduled_for_the_past_is_due_now(returned: Callable[[Script], Any]) -> None:
    def script(_: int) -> Steps:
        past: JsonValue = {"at": {"seconds": 0, "nanoseconds": 0}}
        end: JsonValue = {"in": {"milliseconds": (1 << 64) - 1}}
        yield Ask(SCHEDULE, "double-schedule", [past, 3])
        yield Ask(SCHEDULE, "double-schedule", [end, 3])
        new = yield support("execution-id-generate")
        scheduled = yield support("schedule-json", new, {"in": {"seconds": (1 << 64) - 1}}, DOUBLE, "[3]")
        join_set = yield support("join-set-create")
        yield support("submit-delay", join_set, past)
        yield support("submit-delay", join_set, end)
        return [scheduled, (yield support("join-next", join_set)), (yield support("sleep", past, None))]

    assert returned(script) == [{"ok": None}, {"ok": {"ok": None}}, {"ok": {"seconds": 0, "nanoseconds": 0}}]


# --- values that are too large --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["call-json", "submit-json", "schedule-json", "stub-json", "a name"])
def test_json_text_is_as_large_as_a_value_may_be(outcome_of: Callable[[Script], log.Outcome], name: str) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        new = yield support("execution-id-generate")
        match name:
            case "call-json":
                yield support("call-json", DOUBLE, f"[3{WIDE}]")
            case "submit-json":
                yield support("submit-json", join_set, DOUBLE, f"[3{WIDE}]")
            case "schedule-json":
                yield support("schedule-json", new, "now", DOUBLE, f"[3{WIDE}]")
            case "stub-json":
                child = yield Ask(STUBS_EXT, "approve-submit", [join_set, 1])
                yield support("stub-json", child, f'{{"ok":{WIDE}7}}')
            case _:
                yield support("call-json", {"interface_name": WIDE, "function_name": WIDE}, "[3]")
        return "unreachable"

    assert trap_of(outcome_of(script)).startswith("size limit: ")
