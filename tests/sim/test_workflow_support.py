"""Every function of `obelisk:workflow/workflow-support` and every generated one, each with its errors.

A workflow is a script here. Each runs twice over the whole runtime: hot, and unloaded and replayed whenever it waits;
it has to see the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import JsonValue
from obelisk.runtime.workers.support import SUPPORT_HANDLERS
from sim_guests import Ask, Script, Steps
from sim_names import EXT, FLOW_EXT, JOIN_SET, SCHEDULE, STUBS_EXT, STUBS_STUB, SUPPORT, WORK
from sim_system import APPROVED

DOUBLE = {"interface_name": WORK, "function_name": "double"}
NOBODY = {"id": "E_01J00000000000000000000000"}
HOUR: JsonValue = {"in": {"hours": 1}}
NOW = "now"
DEEP = "[" * 3_000 + "]" * 3_000


def support(name: str, *args: Any) -> Ask:
    """A call of workflow-support."""
    return Ask(SUPPORT, name, list(args))


Run = Callable[[Script], Any]


# --- join sets ------------------------------------------------------------------------------------------------------
def test_join_next_gives_results_as_json_until_all_are_processed(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        child = yield Ask(EXT, "double-submit", [join_set, 4])
        first = yield support("join-next", join_set)
        last = yield Ask(JOIN_SET, "last-id", [join_set])
        return [first, last == {"execution_id": child}, (yield support("join-next", join_set))]

    assert returned(script) == [{"ok": {"ok": "8"}}, True, {"err": "all_processed"}]


def test_join_next_tells_an_ended_delay_from_a_child(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        before = yield Ask(JOIN_SET, "last-id", [join_set])
        delay = yield support("submit-delay", join_set, {"in": {"milliseconds": 50}})
        answer = yield support("join-next", join_set)
        return [before, answer, (yield Ask(JOIN_SET, "last-id", [join_set])) == {"delay_id": delay}]

    assert returned(script) == [None, {"ok": {"ok": None}}, True]


def test_join_next_try_never_waits(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        empty = yield support("join-next-try", join_set)
        yield Ask(EXT, "double-submit", [join_set, 4])
        pending = yield support("join-next-try", join_set)
        yield support("sleep", HOUR, None)
        there = yield support("join-next-try", join_set)
        return [empty, pending, there, (yield support("join-next-try", join_set))]

    assert returned(script) == [
        {"err": "all_processed"},
        {"err": "pending"},
        {"ok": {"ok": "8"}},
        {"err": "all_processed"},
    ]


def test_names_of_join_sets(returned: Run) -> None:
    def script(_: int) -> Steps:
        named = yield support("join-set-create-named", "my-set")
        name = yield Ask(JOIN_SET, "id", [named["ok"]])
        again = yield support("join-set-create-named", "my-set")
        bad = yield support("join-set-create-named", "a b")
        return [name, again, list(bad["err"])]

    assert returned(script) == ["n:my-set", {"err": "conflict"}, ["invalid_name"]]


def test_a_closed_join_set_is_no_more(outcome_of: Callable[[Script], log.Outcome]) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        yield support("join-set-close", join_set)
        yield support("join-next", join_set)
        return "unreachable"

    outcome = outcome_of(script)
    assert isinstance(outcome, log.Failed)
    assert "the join set is closed" in outcome.reason


def test_what_was_processed_stays_readable_after_the_close(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        child = yield Ask(EXT, "double-submit", [join_set, 4])
        early = yield support("get-result-json", child)
        early_typed = yield Ask(EXT, "double-get", [child])
        yield Ask(EXT, "double-await-next", [join_set])
        yield support("join-set-close", join_set)
        late = yield support("get-result-json", child)
        kind = yield support("get-execution-failure-kind", child)
        typed = yield Ask(EXT, "double-get", [child])
        return [early, early_typed, late, kind, typed]

    assert returned(script) == [
        {"err": "not_found_in_processed_responses"},
        {"err": "not_found_in_processed_responses"},
        {"ok": {"ok": "8"}},
        {"ok": None},
        {"ok": {"ok": 8}},
    ]


# --- typed answers --------------------------------------------------------------------------------------------------
def test_await_next_of_another_function_is_a_mismatch(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        child = yield Ask(EXT, "double-submit", [join_set, 4])
        wrong = yield Ask(EXT, "flaky-await-next", [join_set])
        got = yield Ask(EXT, "flaky-get", [child])
        right = yield Ask(EXT, "double-get", [child])
        none = yield Ask(EXT, "double-await-next", [join_set])
        return [
            list(wrong["err"]),
            wrong["err"]["function_mismatch"]["specified_function"],
            list(got["err"]),
            right,
            none,
        ]

    flaky = {"interface_name": WORK, "function_name": "flaky"}
    assert returned(script) == [
        ["function_mismatch"],
        flaky,
        ["function_mismatch"],
        {"ok": {"ok": 8}},
        {"err": "all_processed"},
    ]


def test_await_next_of_a_delay_is_a_mismatch(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        yield support("submit-delay", join_set, {"in": {"milliseconds": 5}})
        answer = yield Ask(EXT, "double-await-next", [join_set])
        return [list(answer["err"]), answer["err"]["function_mismatch"]["actual_function"]]

    assert returned(script) == [["function_mismatch"], None]


def test_a_failed_child_is_mapped_and_says_why(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        child = yield Ask(FLOW_EXT, "trapping-submit", [join_set, 1])
        answer = yield Ask(FLOW_EXT, "trapping-await-next", [join_set])
        kind = yield support("get-execution-failure-kind", child)
        return [answer, kind, (yield support("get-result-json", child))]

    assert returned(script) == [
        {"ok": {"err": "execution_failed"}},
        {"ok": "uncategorized"},
        {"ok": {"err": '"execution_failed"'}},
    ]


# --- by name --------------------------------------------------------------------------------------------------------
FAULTS = [
    ({"interface_name": "no name", "function_name": "x"}, "[]", "ffqn_parsing_error"),
    ({"interface_name": "a:b/c", "function_name": "nobody"}, "[]", "function_not_found"),
    (DOUBLE, "[1, 2]", "type_check_error"),
    (DOUBLE, '["one"]', "type_check_error"),
    (DOUBLE, "{}", "type_check_error"),
    (DOUBLE, "[", "type_check_error"),
    (DOUBLE, DEEP, "type_check_error"),
]


def case_of(error: Any) -> str:
    return error if isinstance(error, str) else next(iter(error))


@pytest.mark.parametrize(("function", "params", "case"), FAULTS)
def test_what_is_refused_by_name(returned: Run, function: Any, params: str, case: str) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        new = yield support("execution-id-generate")
        submitted = yield support("submit-json", join_set, function, params)
        called = yield support("call-json", function, params)
        scheduled = yield support("schedule-json", new, NOW, function, params)
        return [case_of(answer["err"]) for answer in (submitted, called, scheduled)]

    assert returned(script) == [case] * 3


def test_calls_by_name(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        child = yield support("submit-json", join_set, DOUBLE, "[3]")
        called = yield support("call-json", DOUBLE, "[4]")
        direct = yield support("last-direct-call-id")
        answer = yield support("join-next", join_set)
        return [list(child), called, answer, direct["id"].endswith(".o:1_1")]

    assert returned(script) == [["ok"], {"ok": {"ok": "8"}}, {"ok": {"ok": "6"}}, True]


def test_scheduled_executions_are_nobodys_children(returned: Run) -> None:
    def script(_: int) -> Steps:
        new = yield support("execution-id-generate")
        scheduled = yield support("schedule-json", new, NOW, DOUBLE, "[3]")
        typed = yield Ask(SCHEDULE, "double-schedule", [HOUR, 3])
        current = yield support("execution-id-current")
        return [scheduled, "." in new["id"], "." in typed["id"], len({new["id"], typed["id"], current["id"]})]

    assert returned(script) == [{"ok": None}, False, False, 3]


# --- the rest -------------------------------------------------------------------------------------------------------
def test_random_values_stay_within_their_bounds_and_the_same(returned: Run) -> None:
    def script(_: int) -> Steps:
        values: list[Any] = []
        for _ in range(20):
            values.append((yield support("random-u64", 3, 5)))
            values.append((yield support("random-u64-inclusive", 7, 8)))
            text = yield support("random-string", 2, 4)
            values.append(len(text))
            yield support("sleep", {"in": {"milliseconds": 1}}, None)
        return values

    values = returned(script)
    assert set(values[0::3]) == {3, 4}
    assert set(values[1::3]) == {7, 8}
    assert set(values[2::3]) == {2, 3}


def test_a_sleep_gives_the_instant_it_was_due(returned: Run) -> None:
    def script(_: int) -> Steps:
        woken = yield support("sleep", HOUR, "nap")
        last = yield support("last-oneoff-id")
        return [sorted(woken["ok"]), list(last), (yield support("last-direct-call-id"))]

    assert returned(script) == [["nanoseconds", "seconds"], ["delay_id"], None]


def test_results_of_stubs(returned: Run) -> None:
    def script(_: int) -> Steps:
        join_set = yield support("join-set-create")
        child = yield Ask(STUBS_EXT, "approve-submit", [join_set, 1])
        nobody = yield support("stub-json", NOBODY, '{"ok":7}')
        no_id = yield support("stub-json", {"id": "nonsense"}, '{"ok":7}')
        no_json = yield support("stub-json", child, "{")
        too_deep = yield support("stub-json", child, f'{{"ok":{DEEP}}}')
        no_type = yield support("stub-json", child, '{"ok":"seven"}')
        right = yield support("stub-json", child, '{"ok":7}')
        again = yield Ask(STUBS_STUB, "approve-stub", [child, APPROVED])
        other = yield support("stub-json", child, '{"ok":8}')
        return [
            case_of(a["err"]) if "err" in a else "ok"
            for a in (nobody, no_id, no_json, too_deep, no_type, right, again, other)
        ]

    assert returned(script) == [
        "execution_not_found",
        "execution_id_parsing_error",
        "type_check_error",
        "type_check_error",
        "type_check_error",
        "ok",
        "ok",
        "conflict",
    ]


@pytest.mark.parametrize("name", ["get-result-json", "get-execution-failure-kind"])
def test_an_id_that_is_none(returned: Run, name: str) -> None:
    def script(_: int) -> Steps:
        return case_of((yield support(name, {"id": "nonsense"}))["err"])

    assert returned(script) == "execution_id_parsing_error"


def test_every_function_was_asked_for() -> None:
    asked = set(re.findall(r'support\("([a-z0-9-]+)"', Path(__file__).read_text()))
    assert asked >= set(SUPPORT_HANDLERS)
