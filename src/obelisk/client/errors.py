"""What a caller over HTTP is told: one class for each thing that a program may want to do about it.

Every error has the server's stable `code` (or one of the client's own) and in `fields` what else the server said. A
function's own error is no exception: it is returned as `Err`, and `unwrap` raises it as `ReturnedErr` for those who
prefer that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.values import Err, Ok, Problem

T = TypeVar("T")
E = TypeVar("E")
_STANDARD: Final = frozenset({"type", "title", "status", "code", "detail"})
_RETRY_AFTER_S: Final = 1.0


class ClientError(ObeliskError):
    """Root of all that follows; by itself a refusal for which there is no class. `status` is 0 without an answer."""

    def __init__(self, code: str, message: str, *, status: int = 0, **fields: object) -> None:
        super().__init__(message, **fields)
        self.code = code  # type: ignore[misc]  # the server's word
        self.status = status

    @property
    def execution_id(self) -> str:
        """The execution that this is about; ``""`` when there is none."""
        return str(self.fields.get("execution_id") or "")


class InvalidParams(ClientError):
    """The parameters do not typecheck. `problems` has every place; nothing was recorded."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every fault, with its JSON pointer and the WIT type expected there."""
        listed: Any = self.fields.get("errors")
        words = ("pointer", "expected", "detail")
        return tuple(Problem(**{word: str(fault[word]) for word in words}) for fault in listed or ())


class NotFound(ClientError):
    """No such function is deployed, or no such execution is recorded."""


class Conflict(ClientError):
    """The idempotency key was used for another call, or the execution is no longer in a state that allows this."""


class Unauthenticated(ClientError):
    """The server wants credentials, or others."""


class Unsupported(ClientError):
    """The server does not know this operation."""


class Busy(ClientError):
    """Not now. `retry_after_s` says when to try again."""

    @property
    def retry_after_s(self) -> float:
        """Seconds after which the server expects to take the call."""
        after = self.fields.get("retry_after_s")
        return float(after) if isinstance(after, int | float) else _RETRY_AFTER_S


class QueueFull(Busy):
    """Too many executions wait. Nothing was recorded."""


class Unavailable(Busy):
    """The server is there and cannot take work at present."""


class Unreachable(ClientError):
    """No server answers, also after all retries. A call may have been recorded all the same."""


class AnswerForeign(ClientError):
    """The answer is none of an Obelisk server, or its value is not of the type that this client was generated for."""


class NotFinished(ClientError, TimeoutError):
    """The time is up and the execution goes on; take it up again by its `execution_id`."""


class ExecutionFailed(ClientError):
    """The execution ended without a result of the function: trapped, out of fuel, nondeterministic, …"""

    @property
    def kind(self) -> str:
        """How it failed: ``trapped``, ``timed_out``, ``out_of_fuel``, ``nondeterminism_detected``, ``cancelled``, …"""
        return str(self.fields.get("kind") or "uncategorized")

    @property
    def error_id(self) -> str:
        """What the server's log calls this failure."""
        return str(self.fields.get("error_id") or "")


class ExecutionTimedOut(ExecutionFailed):
    """All attempts of the execution timed out."""


class ExecutionCancelled(ExecutionFailed):
    """The execution was cancelled."""


class ReturnedErr(ClientError):
    """The function returned ``err``: raised by `unwrap` alone. `error` is the typed value."""

    def __init__(self, error: object) -> None:
        super().__init__("returned_err", f"the function returned err: {error!r}")
        self.error = error


_CLASSES: Final[Mapping[str, type[ClientError]]] = {
    "params_invalid": InvalidParams,
    "body_invalid": InvalidParams,
    "function_not_found": NotFound,
    "function_not_served": NotFound,
    "execution_not_found": NotFound,
    "route_not_found": Unsupported,
    "method_not_allowed": Unsupported,
    "unsupported": Unsupported,
    "idempotency_conflict": Conflict,
    "not_cancellable": Conflict,
    "conflict": Conflict,
    "queue_full": QueueFull,
    "too_many_requests": Busy,
    "no_room": Unavailable,
    "store_unavailable": Unavailable,
    "not_ready": Unavailable,
    "execution_timed_out": ExecutionTimedOut,
    "execution_failed": ExecutionFailed,
}
_STATUSES: Final[Mapping[int, type[ClientError]]] = {
    401: Unauthenticated,
    403: Unauthenticated,
    404: NotFound,
    405: Unsupported,
    409: Conflict,
    429: QueueFull,
    503: Unavailable,
}


def of_problem(status: int, headers: Mapping[str, str], problem: Mapping[str, Any]) -> ClientError:
    """The error for problem details (RFC 9457). Codes of a newer server fall back to their status."""
    code, detail = str(problem.get("code", "internal")), str(problem.get("detail", ""))
    fields = {name: value for name, value in problem.items() if name not in _STANDARD}
    after = headers.get("retry-after", "")
    if after.isascii() and after.isdigit():
        fields["retry_after_s"] = int(after)
    kind = _CLASSES.get(code) or _STATUSES.get(status, ClientError)
    if kind is ExecutionFailed and fields.get("kind") == "cancelled":
        kind = ExecutionCancelled
    return kind(code, detail, status=status, **fields)


def unwrap(result: Ok[T] | Err[E]) -> T:
    """The value of an `Ok`; an `Err` is raised as `ReturnedErr`."""
    if isinstance(result, Ok):
        return result.value
    raise ReturnedErr(result.value)
