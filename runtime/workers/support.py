"""Handlers of `obelisk:workflow/workflow-support`, by function name, each with whether it may make the guest wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from obelisk.codegen.model.types import Type
from obelisk.runtime import ids
from obelisk.runtime.errors import FunctionNotFound
from obelisk.runtime.guest import GuestTrap, Handler, JsonValue, Pending
from obelisk.runtime.log.events import ChildFinished, DelayFinished
from obelisk.runtime.registry import DeployedFunction
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
from obelisk.runtime.workers.nesting import ask_for_child
from obelisk.runtime.workers.scheduling import ask_to_schedule
from obelisk.runtime.workers.workflow import WorkflowRun

_encode = msgspec.json.encode
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _raw(value: JsonValue) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


# --- ids and random values ------------------------------------------------------------------------------------------
def _current(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    return {"id": run.execution_id}


def _random(run: WorkflowRun, name: str, low: int, high: int) -> JsonValue:
    """A recorded number in low…high, both included."""
    if high < low:
        raise GuestTrap(f"{name}: the range is empty")
    proposed = low + run.around.bits(128) % (high - low + 1)
    return run.record({"fn": name, "min": low, "max": high}, proposed)


def _random_u64(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    low, high = cast("list[int]", args)
    return _random(run, "random-u64", low, high - 1)


def _random_u64_inclusive(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    low, high = cast("list[int]", args)
    return _random(run, "random-u64", low, high)


def _random_string(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    low, high = cast("list[int]", args)
    if high <= low:
        raise GuestTrap("random-string: the range of lengths is empty")
    length = low + run.around.bits(64) % (high - low)
    text = "".join(_ALPHANUMERIC[run.around.bits(64) % len(_ALPHANUMERIC)] for _ in range(length))
    return run.record({"fn": "random-string", "min": low, "max": high}, text)


def _generate_id(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    return run.record("execution-id-generate", {"id": ids.EXECUTION + run.around.ulid()})


# --- time -----------------------------------------------------------------------------------------------------------
def _sleep(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    name = cast("str | None", args[1])
    if name is not None and not ids.is_join_set_name(name):
        raise GuestTrap(f"sleep: not a join set name: {name!r}")

    def convert(answer: Answer) -> JsonValue:
        assert isinstance(answer, DelayFinished)
        if answer.cancelled:
            return {"err": None}
        return {"ok": answers.datetime_record(run.machine.expires_at_us(answer.delay))}

    return run.ask(Sleep(_raw(args[0]), answers.instant_us(args[0], run.around.now_us()), name), convert)


def _submit_delay(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    at_us = answers.instant_us(args[1], run.around.now_us())
    return run.ask(SubmitDelay(run.join_set(args[0]), _raw(args[1]), at_us), _id_record)


def _id_record(answer: Answer) -> JsonValue:
    assert isinstance(answer, str)
    return {"id": answer}


# --- join sets ------------------------------------------------------------------------------------------------------
def _create(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    def convert(answer: Answer) -> JsonValue:
        assert isinstance(answer, str)
        return run.handle(answer)

    return run.ask(CreateJoinSet(None), convert)


def _create_named(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    name = cast("str", args[0])
    if not ids.is_join_set_name(name):
        return {"err": {"invalid_name": "letters, digits, dash and slash only, from 1 to 128"}}

    def convert(answer: Answer) -> JsonValue:
        if isinstance(answer, NameTaken):
            return {"err": "conflict"}
        assert isinstance(answer, str)
        return {"ok": run.handle(answer)}

    return run.ask(CreateJoinSet(name), convert)


def _close(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    join_set = run.join_set(args[0])
    run.handles.pop(cast("int", args[0]), None)
    return run.ask(CloseJoinSet(join_set), lambda _: None)


def _result_type(run: WorkflowRun, child: str) -> Type | None:
    function = run.around.registry.functions.get(run.machine.function_of(child))
    return None if function is None else function.function.result


def _next(run: WorkflowRun, answer: Answer) -> JsonValue:
    if isinstance(answer, AllProcessed | StillPending):
        return answers.next_error(answer)
    assert isinstance(answer, ChildFinished | DelayFinished)
    result = _result_type(run, answer.child) if isinstance(answer, ChildFinished) else None
    return {"ok": answers.json_result(result, answer)}


def _join_next(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    return run.ask(AwaitNext(run.join_set(args[0])), lambda answer: _next(run, answer))


def _join_next_try(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    return run.ask(TryNext(run.join_set(args[0])), lambda answer: _next(run, answer))


# --- functions by name ----------------------------------------------------------------------------------------------
def _checked(
    run: WorkflowRun, function: JsonValue, params: JsonValue
) -> tuple[DeployedFunction, msgspec.Raw] | JsonValue:
    """The function and its canonical parameters, or the error case that says what is wrong.

    The outcome is recorded: what is deployed may be another thing when the workflow is replayed.
    """
    sizes.require_text(run, "a call by name", *cast("dict[str, str]", function).values(), cast("str", params))
    verdict = run.record({"fn": "check", "function": function, "params": params}, _verdict(run, function, params))
    if verdict is not None:
        return verdict
    deployed = run.around.registry.function(str(answers.function_name(function)))
    canonical, _ = deployed.check_params(msgspec.json.decode(cast("str", params)))
    return deployed, sizes.raw(run, cast("JsonValue", canonical), "parameters")


def _verdict(run: WorkflowRun, function: JsonValue, params: JsonValue) -> JsonValue:
    try:
        deployed = run.around.registry.function(str(answers.function_name(function)))
    except ValueError as error:
        return {"ffqn_parsing_error": str(error)}
    except FunctionNotFound:
        return "function_not_found"
    if deployed.unsupported:
        return {"type_check_error": deployed.unsupported}
    try:
        value = msgspec.json.decode(cast("str", params))
    except msgspec.DecodeError as error:
        return {"type_check_error": str(error)}
    if not isinstance(value, list):
        return {"type_check_error": "expected a JSON array of parameters"}
    canonical, problems = deployed.check_params(cast("object", value))
    if canonical is None:
        return {"type_check_error": "; ".join(f"{p.pointer}: {p.detail}" for p in problems)}
    return None


def _submit_json(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    join_set = run.join_set(args[0])
    checked = _checked(run, args[1], args[2])
    if not isinstance(checked, tuple):
        return {"err": checked}
    command = Submit(join_set, checked[0].ffqn, checked[1])
    return ask_for_child(run, command, lambda answer: {"ok": _id_record(answer)})


def _call_json(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    checked = _checked(run, args[0], args[1])
    if not isinstance(checked, tuple):
        return {"err": checked}
    return ask_for_child(run, Call(checked[0].ffqn, checked[1]), lambda answer: _next(run, answer))


def _schedule_json(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    execution_id = answers.id_of(args[0])
    if not ids.is_execution_id(execution_id) or ids.parent_of(execution_id) is not None:
        raise GuestTrap(f"schedule-json: not a top-level execution id: {execution_id!r}")
    checked = _checked(run, args[2], args[3])
    if not isinstance(checked, tuple):
        return {"err": checked}
    at_us = answers.due_us(args[1], run.around.now_us())
    command = ScheduleExecution(execution_id, checked[0].ffqn, checked[1], _raw(args[1]), at_us)
    return ask_to_schedule(run, command, lambda _: {"ok": None})


def _stub_json(run: WorkflowRun, args: list[JsonValue]) -> JsonValue | Pending:
    execution_id = answers.id_of(args[0])
    if not ids.is_execution_id(execution_id):
        return {"err": {"execution_id_parsing_error": f"not an execution id: {execution_id!r}"}}
    text = cast("str", args[1])
    sizes.require_text(run, "a result", text)
    try:
        result = sizes.raw(run, msgspec.json.decode(text), "a result")
    except msgspec.DecodeError as error:
        return {"err": {"type_check_error": f"not JSON: {error}"}}
    return run.supply(execution_id, "", result, answers.stub_answer)


# --- what has been processed ----------------------------------------------------------------------------------------
def _processed(run: WorkflowRun, args: list[JsonValue]) -> ChildFinished | JsonValue:
    execution_id = answers.id_of(args[0])
    if not ids.is_execution_id(execution_id):
        return {"err": {"execution_id_parsing_error": f"not an execution id: {execution_id!r}"}}
    response = run.machine.processed_response(execution_id)
    return response if isinstance(response, ChildFinished) else {"err": "not_found_in_processed_responses"}


def _get_result_json(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    found = _processed(run, args)
    if not isinstance(found, ChildFinished):
        return found
    return {"ok": answers.json_result(_result_type(run, found.child), found)}


def _get_failure_kind(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    found = _processed(run, args)
    if not isinstance(found, ChildFinished):
        return found
    return {"ok": answers.failure_kind(found.outcome)}


def _last_direct_call(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    child = run.machine.last_direct_call
    return None if child is None else {"id": child}


def _last_one_off(run: WorkflowRun, args: list[JsonValue]) -> JsonValue:
    return answers.response_id(run.machine.last_one_off)


_WAITING: dict[str, Callable[[WorkflowRun, list[JsonValue]], JsonValue | Pending]] = {
    "sleep": _sleep,
    "join-set-close": _close,
    "join-next": _join_next,
    "call-json": _call_json,
    "stub-json": _stub_json,
}
_IMMEDIATE: dict[str, Callable[[WorkflowRun, list[JsonValue]], JsonValue | Pending]] = {
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
