"""The protocol of the gateway without I/O: which requests make a call, and what the answers mean.

Each use case is a generator: it yields requests, is sent answers (or thrown `Unreachable`) and returns its result. So
blocking and asynchronous clients differ in nothing but how they send. Requests may be repeated at will: reading changes
nothing, and a submission carries an idempotency key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast
from urllib.parse import quote

from obelisk.client.errors import AnswerForeign, ClientError, NotFinished, Unavailable, Unreachable, of_problem
from obelisk.client.operations import WAIT_S, LogEntry, Operation, Options
from obelisk.runtime.values import JsonValue

T = TypeVar("T")
R = TypeVar("R")

_PAGE: Final = 200
_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


class Request(NamedTuple):
    """What to send after a pause of `pause_s`. The server may take `wait_s` on purpose before it answers."""

    method: str
    path: str
    query: Mapping[str, str | int] = MappingProxyType({})
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None
    wait_s: float = 0.0
    pause_s: float = 0.0


class Answer(NamedTuple):
    """What came back; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Steps: TypeAlias = Generator[Request, Answer, T]


class Policy(NamedTuple):
    """How often a request without an answer is repeated, what the clock says (seconds), and fresh keys."""

    retries: int
    now_s: Callable[[], float]
    new_key: Callable[[], str]

    def of(self, options: Options) -> Policy:
        """The policy of a call with these options."""
        return self if options.retries is None else self._replace(retries=options.retries)


def submit(
    operation: Operation[Any, Any], params: Mapping[str, JsonValue], options: Options, policy: Policy
) -> Steps[str]:
    """Record a call, at once; gives the id of its execution."""
    policy = policy.of(options)
    answer = yield from _patiently(_submission(operation, params, options, policy, "respond-async"), policy)
    return _execution_id(answer)


def call(operation: Operation[Any, R], params: Mapping[str, JsonValue], options: Options, policy: Policy) -> Steps[R]:
    """Record a call and wait for its result. NotFinished when the options' time is up."""
    policy = policy.of(options)
    deadline_s = None if options.timeout_s is None else policy.now_s() + options.timeout_s
    wait_s = _wait_s(deadline_s, policy, options.wait_s)
    prefer = f"wait={wait_s}" if wait_s else "respond-async"
    answer = yield from _patiently(_submission(operation, params, options, policy, prefer, wait_s), policy)
    if answer.status != 202:
        return _outcome(operation, answer)
    return (yield from _await(operation, _execution_id(answer), deadline_s, policy, options.wait_s))


def result(operation: Operation[Any, R], execution_id: str, timeout_s: float | None, policy: Policy) -> Steps[R]:
    """Wait for an execution's result. NotFinished when the time is up."""
    deadline_s = None if timeout_s is None else policy.now_s() + timeout_s
    return (yield from _await(operation, execution_id, deadline_s, policy, WAIT_S))


def give(execution_id: str, value: JsonValue, policy: Policy) -> Steps[str]:
    """Give a stub its result, in canonical JSON form; gives the effect. Conflict when it has another one."""
    body, headers = json.dumps(value, separators=(",", ":")).encode(), {"Content-Type": "application/json"}
    request = Request(method="PUT", path=f"{execution_path(execution_id)}/stub", headers=headers, body=body)
    return _effect((yield from _patiently(request, policy)))


def cancel(execution_id: str, policy: Policy) -> Steps[str]:
    """Ask for an execution to be cancelled; gives the effect. Conflict when its function does not allow it."""
    answer = yield from _patiently(Request(method="POST", path=f"{execution_path(execution_id)}/cancel"), policy)
    return _effect(answer)


def events(execution_id: str, start: int, policy: Policy) -> Steps[tuple[list[LogEntry], bool]]:
    """A page of an execution's log from that version on, and whether the log has more by now."""
    request = Request(
        method="GET", path=f"{execution_path(execution_id)}/events", query={"from": start, "limit": _PAGE}
    )
    answer = yield from _patiently(request, policy)
    page = _value(_check(answer))
    try:
        return [LogEntry.of(item) for item in page["items"]], page["next"] is not None
    except (KeyError, TypeError, ValueError) as error:
        raise AnswerForeign("answer_foreign", f"no page of a log: {error}", status=answer.status) from error


def is_last(entry: LogEntry) -> bool:
    """Whether nothing can follow this event."""
    return entry.event.get("type") == "finished"


def _submission(
    operation: Operation[Any, Any],
    params: Mapping[str, JsonValue],
    options: Options,
    policy: Policy,
    prefer: str,
    wait_s: float = 0.0,
) -> Request:
    key = policy.new_key() if options.idempotency_key is None else options.idempotency_key
    headers = {"Content-Type": "application/json", "Prefer": prefer, "Idempotency-Key": key}
    if options.tags:
        headers["Obelisk-Tags"] = _tags(options.tags)
    return Request(
        method="POST",
        path=f"/v1/functions/{operation.interface}/{operation.name}",
        headers=headers,
        body=json.dumps(params, separators=(",", ":")).encode(),
        wait_s=wait_s,
    )


def _tags(given: Mapping[str, str]) -> str:
    from obelisk.runtime import tags  # here, so that importing generated code stays cheap

    text = ",".join(f"{name}={value}" for name, value in given.items())
    if len(tags.parse(text) or ()) != len(given):
        raise ValueError(f"tags: expected {tags.EXPECTED}; found {text}")
    return text


def _effect(answer: Answer) -> str:
    body = _value(_check(answer))
    effect: Any = cast("dict[str, Any]", body).get("effect") if type(body) is dict else None
    if not isinstance(effect, str):
        raise AnswerForeign("answer_foreign", "the answer names no effect", status=answer.status)
    return effect


def _await(
    operation: Operation[Any, R], execution_id: str, deadline_s: float | None, policy: Policy, longest_s: int
) -> Steps[R]:
    path, pause_s = f"{execution_path(execution_id)}/result", 0.0
    while True:
        wait_s, asked_at_s = _wait_s(deadline_s, policy, longest_s), policy.now_s()
        request = Request(method="GET", path=path, query={"wait": wait_s}, wait_s=wait_s, pause_s=pause_s)
        answer = yield from _patiently(request, policy)
        if answer.status != 202:
            return _outcome(operation, answer)
        now_s = policy.now_s()
        if deadline_s is not None and now_s >= deadline_s:
            message = f"{execution_id} has not finished in time; it goes on"
            raise NotFinished("not_finished", message, execution_id=execution_id)
        # A server that does not hold the request (its cap is low, or it is stopping) is asked ever less often.
        held = now_s - asked_at_s - pause_s >= _PAUSE_S
        pause_s = 0.0 if held else min(_LONGEST_PAUSE_S, max(_PAUSE_S, 2 * pause_s))
        if deadline_s is not None:
            pause_s = min(pause_s, deadline_s - now_s)


def _wait_s(deadline_s: float | None, policy: Policy, longest_s: int) -> int:
    """Whole seconds to ask for; what is left beyond them is waited for between requests."""
    return longest_s if deadline_s is None else int(max(0.0, min(longest_s, deadline_s - policy.now_s())))


def _patiently(request: Request, policy: Policy) -> Steps[Answer]:
    """The answer to a request, repeated while no answer comes or the server is unavailable."""
    tried, pause_s = 0, request.pause_s
    while True:
        try:
            answer = yield Request(
                method=request.method,
                path=request.path,
                query=request.query,
                headers=request.headers,
                body=request.body,
                wait_s=request.wait_s,
                pause_s=pause_s,
            )
        except Unreachable:
            if tried == policy.retries:
                raise
            pause_s = 2 * _PAUSE_S * 2**tried
        else:
            if answer.status != 503 or tried == policy.retries:
                return answer
            refusal = of_problem(answer.status, answer.headers, _problem(answer))
            pause_s = refusal.retry_after_s if isinstance(refusal, Unavailable) else _LONGEST_PAUSE_S
        tried += 1


def _outcome(operation: Operation[Any, R], answer: Answer) -> R:
    """The typed result of a finished call; failures and refusals are raised."""
    if answer.status == 422:
        problem = _problem(answer)
        if problem.get("code") == "returned_err" and operation.is_fallible:
            return _decoded(operation, answer, {"err": problem.get("error")})
    value = _value(_check(answer))
    return _decoded(operation, answer, {"ok": value} if operation.is_fallible else value)


def _decoded(operation: Operation[Any, R], answer: Answer, canonical: JsonValue) -> R:
    try:
        return operation.decode(canonical)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        name = f"{operation.interface}.{operation.name}"
        message = f"the result of {name} is not of the type this client was generated for: {error!r}"
        execution_id = answer.headers.get("obelisk-execution-id", "")
        raise AnswerForeign("answer_foreign", message, status=answer.status, execution_id=execution_id) from error


def _execution_id(answer: Answer) -> str:
    execution_id = _check(answer).headers.get("obelisk-execution-id", "")
    if not execution_id:
        raise AnswerForeign("answer_foreign", "the answer names no execution", status=answer.status)
    return execution_id


def _check(answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    raise refusal_of(answer)


def refusal_of(answer: Answer) -> ClientError:
    """The error for an answer that is no success. AnswerForeign when no Obelisk server gives such an answer."""
    return of_problem(answer.status, answer.headers, _problem(answer))


def _problem(answer: Answer) -> dict[str, Any]:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    problem: Any = _value(answer) if media_type == "application/problem+json" else None
    if type(problem) is not dict:
        message = f"no Obelisk server answers there: status {answer.status} with {media_type or 'no media type'}"
        raise AnswerForeign("answer_foreign", message, status=answer.status)
    return cast("dict[str, Any]", problem)


def _value(answer: Answer) -> Any:
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError as error:
        raise AnswerForeign("answer_foreign", f"the answer is no JSON: {error}", status=answer.status) from error


def execution_path(execution_id: str) -> str:
    """Where an execution is shown."""
    return f"/v1/executions/{quote(execution_id, safe=':')}"
