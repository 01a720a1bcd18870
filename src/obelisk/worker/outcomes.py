"""What came of an attempt, in the words of the protocol: a checked result, or a failure. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from obelisk.runtime.values import Err, JsonValue, Ok
from obelisk.worker.errors import NotRetryable, RetryAfter
from obelisk.worker.operations import Operation

Outcome: TypeAlias = dict[str, JsonValue]
Retryable: TypeAlias = tuple[type[BaseException], ...] | Callable[[BaseException], bool] | None
"""Which exceptions are worth another attempt: these classes, what a function says, or (None) all."""

MAX_MESSAGE: Final = 4_000
MAX_DETAIL: Final = 16_000
_LISTED: Final = 5


class Mistyped(Exception):
    """A function returned, or was given, what is not of the type that its WIT declares."""


def concluded(operation: Operation, value: Any) -> Outcome:
    """The outcome for what a function returned (or the `Err` that it raised). `Mistyped` unless it is of its type."""
    if operation.is_fallible and not isinstance(value, Ok | Err):
        value = Ok(value)
    try:
        canonical = operation.encode(value)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        kind = type(cast("object", value)).__name__
        raise Mistyped(f"{operation.ffqn} returned what is not of its type, a {kind}: {error}") from error
    checked, problems = operation.check(canonical)
    if problems:
        listed = "; ".join(f"{p.pointer or '/'}: expected {p.expected}, {p.detail}" for p in problems[:_LISTED])
        raise Mistyped(f"{operation.ffqn} returned what is not of its type: {listed}")
    return cast("Outcome", checked) if operation.is_fallible else {"ok": checked}


def is_refusal(error: BaseException) -> bool:
    """Whether an exception is the bad side of the function's own result."""
    return isinstance(error, Err)


def failed(error: BaseException, retryable: Retryable) -> Outcome:
    """The outcome for an exception."""
    message = str(error) if isinstance(error, NotRetryable | RetryAfter | Mistyped) else _described(error)
    detail = "".join(traceback.format_exception(error))
    failure: dict[str, JsonValue] = {
        "message": message[:MAX_MESSAGE],
        "detail": detail[-MAX_DETAIL:],
        "retryable": _is_retryable(error, retryable),
    }
    if isinstance(error, RetryAfter):
        failure["retry_after_ms"] = round(error.seconds * 1000)
    return {"failure": failure}


def _is_retryable(error: BaseException, retryable: Retryable) -> bool:
    if isinstance(error, NotRetryable):
        return False
    if isinstance(error, RetryAfter) or retryable is None:
        return True
    return isinstance(error, retryable) if isinstance(retryable, tuple) else bool(retryable(error))


def _described(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
