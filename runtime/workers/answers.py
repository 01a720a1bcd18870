"""From what the replay machine answers to the JSON forms that a guest's imports return. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

from obelisk.codegen.model.names import Ffqn
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.events import ChildFinished, DelayFinished, Failed, FailureKind, Outcome, Response, Returned
from obelisk.runtime.log.instants import MAX_INSTANT_US, later
from obelisk.runtime.log.outcomes import case_of
from obelisk.runtime.ports.guest import JsonValue
from obelisk.runtime.replay.commands import AllProcessed, Answer, StillPending
from obelisk.runtime.replay.fallback import NotMappable, fallback_result

decode: Callable[[bytes | msgspec.Raw], JsonValue] = cast(
    "Callable[[bytes | msgspec.Raw], JsonValue]", msgspec.json.Decoder().decode
)


class ChildFailed(ObeliskError):
    """A child failed and its function's result type has no room for that: the parent traps."""

    code = "child_failed"


def result_of(shape: str, outcome: Outcome, child: str) -> JsonValue:
    """The value a caller sees for a finished child: its result, or its failure mapped into a result of that shape.

    ChildFailed when that cannot carry a failure.
    """
    if isinstance(outcome, Returned):
        return decode(outcome.value)
    mapped = fallback_result(shape)
    if isinstance(mapped, NotMappable):
        raise ChildFailed(
            f"child {child} failed ({outcome.kind.value}, {outcome.error_id}) and its result type cannot carry that",
            execution_id=child,
            error_id=outcome.error_id,
        )
    return cast("JsonValue", mapped)


def json_result(shape: str, response: Response) -> JsonValue:
    """`result<option<string>, option<string>>` of `join-next`: payloads as JSON text; `shape` is that of the child's
    result."""
    if isinstance(response, DelayFinished):
        return {"err": None} if response.cancelled else {"ok": None}
    if isinstance(response.outcome, Failed):
        mapped = fallback_result(shape)
        error = mapped.get("err") if isinstance(mapped, dict) else None
        return {"err": None if error is None else msgspec.json.encode(error).decode()}
    case, payload = case_of(response.outcome.value, shape)
    return {case: None if payload is None else msgspec.json.encode(decode(payload)).decode()}


def next_error(answer: Answer) -> JsonValue:
    """The `err` of `join-next`, `join-next-try` and `-await-next` for an answer without a response."""
    if isinstance(answer, AllProcessed):
        return {"err": "all_processed"}
    assert isinstance(answer, StillPending)
    return {"err": "pending"}


def stub_answer(answer: Answer) -> JsonValue:
    """`result<_, stub-error>` of a recorded decision."""
    assert isinstance(answer, str)
    error, _, detail = answer.partition(":")
    return {"ok": None} if not error else {"err": {error: detail} if detail else error}


def response_id(response_id: str | None) -> JsonValue:
    """`option<response-id>` of a child's or a delay's id."""
    if response_id is None:
        return None
    return {"delay_id" if response_id.startswith("Delay_") else "execution_id": {"id": response_id}}


def id_of(record: JsonValue) -> str:
    """The text of an `execution-id` record."""
    return cast("str", cast("dict[str, JsonValue]", record)["id"])


def function_record(ffqn: str) -> JsonValue:
    """The record `function` of `obelisk:types/execution`."""
    interface, _, function = ffqn.rpartition(".")
    return {"interface_name": interface, "function_name": function}


def function_name(record: JsonValue) -> Ffqn:
    """The Ffqn a guest's `function` record names; ValueError when it is none."""
    assert isinstance(record, dict)
    return Ffqn.parse(f"{record['interface_name']}.{record['function_name']}")


def mismatch(specified: str, actual: str | None, response: Response) -> JsonValue:
    """The error case `function-mismatch`."""
    actual_id = response.child if isinstance(response, ChildFinished) else response.delay
    return {
        "err": {
            "function_mismatch": {
                "specified_function": function_record(specified),
                "actual_function": None if actual is None else function_record(actual),
                "actual_id": response_id(actual_id),
            }
        }
    }


def failure_kind(outcome: Outcome) -> JsonValue:
    """`option<execution-failure-kind>`; the enum has no case for a trap."""
    if isinstance(outcome, Returned):
        return None
    return FailureKind.UNCATEGORIZED.value if outcome.kind is FailureKind.TRAPPED else outcome.kind.value


_UNIT_US = {
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
}


def instant_us(schedule_at: JsonValue, now_us: int) -> int:
    """The instant that a `schedule-at` means at `now_us`, at most `MAX_INSTANT_US`."""
    if not isinstance(schedule_at, dict):
        return now_us
    case, payload = next(iter(schedule_at.items()))
    assert isinstance(payload, dict)
    if case == "at":
        at_us = int(cast("int", payload["seconds"])) * 1_000_000 + int(cast("int", payload["nanoseconds"])) // 1000
    else:
        unit, count = next(iter(payload.items()))
        return later(now_us, _UNIT_US[unit] * int(cast("int", count)))
    return min(at_us, MAX_INSTANT_US)


def due_us(schedule_at: JsonValue, now_us: int) -> int:
    """The instant for which a new execution is scheduled: one that has passed means now, so that neither its deadline
    nor how long it has waited is counted from a time at which it was not there."""
    return max(instant_us(schedule_at, now_us), now_us)


def datetime_record(at_us: int) -> JsonValue:
    """The record `datetime` of an instant."""
    seconds, rest = divmod(at_us, 1_000_000)
    return {"seconds": seconds, "nanoseconds": rest * 1000}


def raw(value: JsonValue) -> msgspec.Raw:
    """A value as JSON text."""
    return msgspec.Raw(msgspec.json.encode(value))


def recorded(answer: Answer) -> JsonValue:
    """The value that was recorded."""
    assert isinstance(answer, msgspec.Raw)
    return decode(answer)
