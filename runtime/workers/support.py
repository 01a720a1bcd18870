"""Handlers of `obelisk:workflow/workflow-support`, by function name, each with whether it may make the guest wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast

import msgspec

from obelisk.codegen.model import signatures
from obelisk.codegen.model.signatures import shape_in
from obelisk.runtime import ids, json_text
from obelisk.runtime.catalog import unmarked
from obelisk.runtime.errors import FunctionNotFound
from obelisk.runtime.log.events import ChildFinished, DelayFinished, Returned
from obelisk.runtime.ports.guest import GuestTrap, Handler, JsonValue, Judge, Pending
from obelisk.runtime.replay.commands import (
    AllProcessed,
    Answer,
    AwaitNext,
    Call,
    CloseJoinSet,
    CreateJoinSet,
    NameTaken,
    ScheduleExecution,
    Sleep,
    StillPending,
    Submit,
    SubmitDelay,
    TryNext,
)
from obelisk.runtime.workers import answers, sizes
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.nesting import ask_for_child
from obelisk.runtime.workers.scheduling import ask_to_schedule

_encode = msgspec.json.encode
CALL_BY_NAME: Final = "a call by name"
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _raw(value: JsonValue) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


# --- ids and random values ------------------------------------------------------------------------------------------
def _current(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    return {"id": calls.stored.execution_id}


def _random(calls: HostCalls, name: str, low: int, high: int) -> JsonValue:
    """A recorded number in low…high, both included."""
    if high < low:
        raise GuestTrap(f"{name}: the range is empty")
    proposed = low + calls.context.bits(128) % (high - low + 1)
    return calls.record({"fn": name, "min": low, "max": high}, proposed)


def _random_u64(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    low, high = cast("list[int]", args)
    return _random(calls, "random-u64", low, high - 1)


def _random_u64_inclusive(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    low, high = cast("list[int]", args)
    return _random(calls, "random-u64", low, high)


def _random_string(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    low, high = cast("list[int]", args)
    if high <= low:
        raise GuestTrap("random-string: the range of lengths is empty")
    length = low + calls.context.bits(64) % (high - low)
    text = "".join(_ALPHANUMERIC[calls.context.bits(64) % len(_ALPHANUMERIC)] for _ in range(length))
    return calls.record({"fn": "random-string", "min": low, "max": high}, text)


def _generate_id(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    return calls.record("execution-id-generate", {"id": ids.EXECUTION + calls.context.ulid()})


# --- time -----------------------------------------------------------------------------------------------------------
def _sleep(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    name = cast("str | None", args[1])
    if name is not None and not ids.is_join_set_name(name):
        raise GuestTrap(f"sleep: not a join set name: {name!r}")

    def convert(answer: Answer) -> JsonValue:
        assert isinstance(answer, DelayFinished)
        if answer.cancelled:
            return {"err": None}
        return {"ok": answers.datetime_record(calls.machine.facts.expires_at_us(answer.delay))}

    return calls.ask(Sleep(_raw(args[0]), answers.instant_us(args[0], calls.context.now_us()), name), convert)


def _submit_delay(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    at_us = answers.instant_us(args[1], calls.context.now_us())
    return calls.ask(SubmitDelay(calls.handles.find(args[0]), _raw(args[1]), at_us), _id_record)


def _id_record(answer: Answer) -> JsonValue:
    assert isinstance(answer, str)
    return {"id": answer}


# --- join sets ------------------------------------------------------------------------------------------------------
def _create(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    def convert(answer: Answer) -> JsonValue:
        assert isinstance(answer, str)
        return calls.handles.add(answer)

    return calls.ask(CreateJoinSet(None), convert)


def _create_named(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    name = cast("str", args[0])
    if not ids.is_join_set_name(name):
        return {"err": {"invalid_name": "letters, digits, dash and slash only, from 1 to 128"}}

    def convert(answer: Answer) -> JsonValue:
        if isinstance(answer, NameTaken):
            return {"err": "conflict"}
        assert isinstance(answer, str)
        return {"ok": calls.handles.add(answer)}

    return calls.ask(CreateJoinSet(name), convert)


def _close(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    join_set = calls.handles.find(args[0])
    calls.handles.drop(args[0])
    return calls.ask(CloseJoinSet(join_set), lambda _: None)


def _shape(calls: HostCalls, response: ChildFinished) -> str:
    """The shape of a child's result: as it was returned, else as it was asked for, both of which are on record."""
    outcome = response.outcome
    recorded = outcome.shape if isinstance(outcome, Returned) else ""
    facts = calls.machine.facts
    recorded = recorded or shape_in(facts.signature_of(response.child))
    return recorded or unmarked.shape_of(outcome, facts.function_of(response.child), calls.context.registry)


def _next(calls: HostCalls, answer: Answer) -> JsonValue:
    if isinstance(answer, AllProcessed | StillPending):
        return answers.next_error(answer)
    assert isinstance(answer, ChildFinished | DelayFinished)
    shape = _shape(calls, answer) if isinstance(answer, ChildFinished) else signatures.NOTHING
    return {"ok": answers.json_result(shape, answer)}


def _join_next(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    return calls.ask(AwaitNext(calls.handles.find(args[0])), lambda answer: _next(calls, answer))


def _join_next_try(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    return calls.ask(TryNext(calls.handles.find(args[0])), lambda answer: _next(calls, answer))


# --- functions by name ----------------------------------------------------------------------------------------------
class _Checked(NamedTuple):
    """A function by name that may be called with these parameters in canonical form."""

    ffqn: str
    params: msgspec.Raw
    signature: str


class _JudgedCall(NamedTuple):
    """What was found of a call's parameters before the call was served."""

    text: JsonValue
    found: _Checked | None
    refusal: JsonValue


class _JudgedResult(NamedTuple):
    """What was found of a result before the call was served: its JSON, or the error case that says why it is none."""

    text: JsonValue
    result: msgspec.Raw | None
    refusal: JsonValue


def _judge_call(at: int) -> Judge:
    """Checks the parameters of a call by name; the function is argument `at`, they are the next one."""

    def judge(calls: HostCalls, args: list[JsonValue]) -> None:
        function, params = args[at], args[at + 1]
        sizes.require_text(calls, CALL_BY_NAME, *cast("dict[str, str]", function).values(), cast("str", params))
        if not calls.is_replaying:
            calls.judged = _JudgedCall(params, *_verdict(calls, function, params))

    return judge


def _judge_result(calls: HostCalls, args: list[JsonValue]) -> None:
    calls.judged = _result_of(calls, cast("str", args[1]))


def _result_of(calls: HostCalls, text: str) -> _JudgedResult:
    sizes.require_text(calls, "a result", text)
    try:
        return _JudgedResult(text, sizes.raw(calls, json_text.decode(text), "a result"), None)
    except json_text.NotJson as error:
        return _JudgedResult(text, None, {"type_check_error": f"not JSON: {error}"})


def _checked(calls: HostCalls, function: JsonValue, params: JsonValue) -> _Checked | JsonValue:
    """The function and its canonical parameters, or the error case that says what is wrong.

    What is deployed is looked at for a new call alone. Its verdict is recorded; that of a recorded call is read there,
    and what it was called with stands in the request that follows. A check that nothing follows is made again.
    """
    sizes.require_text(calls, CALL_BY_NAME, *cast("dict[str, str]", function).values(), cast("str", params))
    request: JsonValue = {"fn": "check", "function": function, "params": params}
    judged, calls.judged = calls.judged, None
    if isinstance(judged, _JudgedCall) and judged.text is params:
        found, refusal = judged.found, judged.refusal
    else:
        found, refusal = (None, None) if calls.is_replaying else _verdict(calls, function, params)
    answer = calls.record(request, refusal)
    while answer is None:
        recorded = calls.machine.facts.next_request()
        if recorded is not None:
            return _Checked(str(answers.function_name(function)), recorded.params, recorded.signature)
        if not calls.is_replaying:
            if found is None:
                found, refusal = _verdict(calls, function, params)
            if found is not None:
                return found
        answer = calls.record(request, refusal)
    return answer


def _verdict(calls: HostCalls, function: JsonValue, params: JsonValue) -> tuple[_Checked | None, JsonValue]:
    """What may be called, or the error case that says why not."""
    try:
        deployed = calls.context.registry.function(str(answers.function_name(function)))
    except ValueError as error:
        return None, {"ffqn_parsing_error": str(error)}
    except FunctionNotFound:
        return None, "function_not_found"
    if deployed.unsupported:
        return None, {"type_check_error": deployed.unsupported}
    try:
        value = json_text.decode(cast("str", params))
    except json_text.NotJson as error:
        return None, {"type_check_error": str(error)}
    if not isinstance(value, list):
        return None, {"type_check_error": "expected a JSON array of parameters"}
    canonical, problems = deployed.check_params(value)
    if canonical is None:
        return None, {"type_check_error": "; ".join(f"{p.pointer}: {p.detail}" for p in problems)}
    raw = sizes.raw(calls, cast("JsonValue", canonical), "parameters")
    return _Checked(deployed.ffqn, raw, deployed.signature), None


def _submit_json(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    join_set = calls.handles.find(args[0])
    checked = _checked(calls, args[1], args[2])
    if not isinstance(checked, _Checked):
        return {"err": checked}
    command = Submit(join_set, *checked)
    return ask_for_child(calls, command, lambda answer: {"ok": _id_record(answer)})


def _call_json(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    checked = _checked(calls, args[0], args[1])
    if not isinstance(checked, _Checked):
        return {"err": checked}
    return ask_for_child(calls, Call(*checked), lambda answer: _next(calls, answer))


def _schedule_json(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    execution_id = answers.id_of(args[0])
    if not ids.is_execution_id(execution_id) or ids.parent_of(execution_id) is not None:
        raise GuestTrap(f"schedule-json: not a top-level execution id: {execution_id!r}")
    checked = _checked(calls, args[2], args[3])
    if not isinstance(checked, _Checked):
        return {"err": checked}
    at_us = answers.due_us(args[1], calls.context.now_us())
    ffqn, canonical, signature = checked
    command = ScheduleExecution(execution_id, ffqn, canonical, _raw(args[1]), at_us, signature)
    return ask_to_schedule(calls, command, lambda _: {"ok": None})


def _stub_json(calls: HostCalls, args: list[JsonValue]) -> JsonValue | Pending:
    execution_id = answers.id_of(args[0])
    if not ids.is_execution_id(execution_id):
        return {"err": {"execution_id_parsing_error": f"not an execution id: {execution_id!r}"}}
    judged, calls.judged = calls.judged, None
    if not (isinstance(judged, _JudgedResult) and judged.text is args[1]):
        judged = _result_of(calls, cast("str", args[1]))
    if judged.result is None:
        return {"err": judged.refusal}
    return calls.supply(execution_id, "", judged.result, answers.stub_answer)


# --- what has been processed ----------------------------------------------------------------------------------------
def _processed(calls: HostCalls, args: list[JsonValue]) -> ChildFinished | JsonValue:
    execution_id = answers.id_of(args[0])
    if not ids.is_execution_id(execution_id):
        return {"err": {"execution_id_parsing_error": f"not an execution id: {execution_id!r}"}}
    response = calls.machine.facts.processed_response(execution_id)
    return response if isinstance(response, ChildFinished) else {"err": "not_found_in_processed_responses"}


def _get_result_json(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    found = _processed(calls, args)
    if not isinstance(found, ChildFinished):
        return found
    return {"ok": answers.json_result(_shape(calls, found), found)}


def _get_failure_kind(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    found = _processed(calls, args)
    if not isinstance(found, ChildFinished):
        return found
    return {"ok": answers.failure_kind(found.outcome)}


def _last_direct_call(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    child = calls.machine.facts.last_direct_call
    return None if child is None else {"id": child}


def _last_one_off(calls: HostCalls, args: list[JsonValue]) -> JsonValue:
    return answers.response_id(calls.machine.facts.last_one_off)


JUDGES: Mapping[str, Judge] = {
    "call-json": _judge_call(0),
    "submit-json": _judge_call(1),
    "schedule-json": _judge_call(2),
    "stub-json": _judge_result,
}
"""What takes long where the arguments are: see `guest.ImportFunction`."""
_WAITING: dict[str, Callable[[HostCalls, list[JsonValue]], JsonValue | Pending]] = {
    "sleep": _sleep,
    "join-set-close": _close,
    "join-next": _join_next,
    "call-json": _call_json,
    "stub-json": _stub_json,
}
_IMMEDIATE: dict[str, Callable[[HostCalls, list[JsonValue]], JsonValue | Pending]] = {
    "execution-id-current": _current,
    "random-u64": _random_u64,
    "random-u64-inclusive": _random_u64_inclusive,
    "random-string": _random_string,
    "execution-id-generate": _generate_id,
    "submit-delay": _submit_delay,
    "join-set-create": _create,
    "join-set-create-named": _create_named,
    "join-next-try": _join_next_try,
    "submit-json": _submit_json,
    "schedule-json": _schedule_json,
    "get-result-json": _get_result_json,
    "get-execution-failure-kind": _get_failure_kind,
    "last-direct-call-id": _last_direct_call,
    "last-oneoff-id": _last_one_off,
}
SUPPORT_HANDLERS: Mapping[str, tuple[Handler, bool]] = {
    **{name: (handler, True) for name, handler in _WAITING.items()},
    **{name: (handler, False) for name, handler in _IMMEDIATE.items()},
}
