"""The protocol of the client without a network: which requests a call makes, and what each answer becomes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from obelisk.client import (
    AnswerForeign,
    ClientError,
    Conflict,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionTimedOut,
    InvalidParams,
    NotFinished,
    NotFound,
    QueueFull,
    ReturnedErr,
    Unauthenticated,
    Unavailable,
    Unreachable,
    Unsupported,
    exchange,
    unwrap,
)
from obelisk.client.exchange import Answer, Policy, Request, Steps
from obelisk.client.operations import Operation, Options
from obelisk.runtime.values import Err, JsonValue, Ok, Problem, Result

RUNNING = Answer(status=202, headers={"obelisk-execution-id": "E_1"}, body=b"{}")


def decode(data: Any) -> Result[int, str]:
    return Ok(int(data["ok"])) if "ok" in data else Err(str(data["err"]))


def encode(n: int) -> dict[str, JsonValue]:
    return {"n": n}


def count(data: Any) -> int:
    return int(data["count"])


def nothing(data: Any) -> None:
    assert data is None


FALLIBLE = Operation("a:b/c@1.0.0", "f", encode, decode, True)
PLAIN: Operation[..., int] = Operation("a:b/c@1.0.0", "g", dict, count)
NOTHING: Operation[..., None] = Operation("a:b/c@1.0.0", "h", dict, nothing)


def value(body: object, status: int = 200) -> Answer:
    return Answer(status=status, headers={"content-type": "application/json"}, body=json.dumps(body).encode())


def problem(status: int, code: str, **members: object) -> Answer:
    body = {"type": "t", "title": "t", "status": status, "code": code, "detail": f"it is {code}", **members}
    headers = {"content-type": "application/problem+json; charset=utf-8", "retry-after": "7"}
    return Answer(status=status, headers=headers, body=json.dumps(body).encode())


class Server:
    """Answers in turn, keeps the requests, and lets the clock run while it does."""

    def __init__(self, *answers: Answer | Exception, takes_s: float = 0.0) -> None:
        self.answers, self.requests, self.takes_s, self.clock_s = list(answers), list[Request](), takes_s, 100.0

    def policy(self, retries: int = 3) -> Policy:
        keys = iter("abcdefgh")
        return Policy(retries=retries, now_s=lambda: self.clock_s, new_key=lambda: next(keys))

    def run(self, steps: Steps[Any]) -> Any:
        try:
            request = next(steps)
            while True:
                self.requests.append(request)
                self.clock_s += request.pause_s + self.takes_s
                answer = self.answers.pop(0)
                request = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
        except StopIteration as done:
            assert not self.answers
            return done.value


def call(server: Server, operation: Operation[Any, Any] = FALLIBLE, options: Options | None = None) -> Any:
    return server.run(exchange.call(operation, {"n": 1}, options or Options(), server.policy()))


def test_a_call_is_one_request() -> None:
    server = Server(value(55))
    assert call(server) == Ok(55)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/functions/a:b/c@1.0.0/f")
    assert request.headers == {"Content-Type": "application/json", "Prefer": "wait=20", "Idempotency-Key": "a"}
    assert request.body == b'{"n":1}'
    assert request.wait_s == 20


def test_results_of_every_shape() -> None:
    assert call(Server(problem(422, "returned_err", error="no"))) == Err("no")
    assert call(Server(value({"count": 3})), PLAIN) == 3
    assert call(Server(Answer(status=204, headers={}, body=b"")), NOTHING) is None
    with pytest.raises(ClientError) as refused:
        call(Server(problem(422, "import_unknown")))
    assert refused.value.code == "import_unknown"


def test_what_runs_on_is_waited_for() -> None:
    server = Server(RUNNING, RUNNING, value(1), takes_s=20.0)
    assert call(server) == Ok(1)
    assert [(r.method, r.path, r.query) for r in server.requests[1:]] == [
        ("GET", "/v1/executions/E_1/result", {"wait": 20}),
        ("GET", "/v1/executions/E_1/result", {"wait": 20}),
    ]
    assert [r.pause_s for r in server.requests] == [0.0, 0.0, 0.0]


def test_a_server_that_does_not_hold_requests_is_asked_ever_less_often() -> None:
    server = Server(*[RUNNING] * 9, value(1))
    assert call(server) == Ok(1)
    assert [r.pause_s for r in server.requests] == [0.0, 0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def test_a_timeout_ends_the_wait_and_names_the_execution() -> None:
    server = Server(*[RUNNING] * 3, takes_s=1.0)
    with pytest.raises(NotFinished) as late:
        call(server, options=Options(timeout_s=2.5))
    assert late.value.execution_id == "E_1"
    assert isinstance(late.value, TimeoutError)
    assert [r.headers.get("Prefer") or r.query["wait"] for r in server.requests] == ["wait=2", 1, 0]
    server = Server(RUNNING)
    with pytest.raises(NotFinished):
        server.run(exchange.result(FALLIBLE, "E_1", 0, server.policy()))


def test_submitting_does_not_wait() -> None:
    server = Server(RUNNING)
    options = Options(idempotency_key="order-7")
    assert server.run(exchange.submit(FALLIBLE, {}, options, server.policy())) == "E_1"
    assert server.requests[0].headers["Prefer"] == "respond-async"
    assert server.requests[0].headers["Idempotency-Key"] == "order-7"
    nameless = Server(value({}, 202))
    with pytest.raises(AnswerForeign, match="names no execution"):
        nameless.run(exchange.submit(FALLIBLE, {}, Options(), nameless.policy()))


def test_what_nobody_answers_is_repeated_under_the_same_key() -> None:
    gone = Unreachable("server_unreachable", "gone")
    server = Server(gone, gone, problem(503, "store_unavailable"), value(2))
    assert call(server) == Ok(2)
    assert [r.pause_s for r in server.requests] == [0.0, 0.1, 0.2, 7.0]
    assert {r.headers["Idempotency-Key"] for r in server.requests} == {"a"}
    with pytest.raises(Unreachable):
        call(Server(*[gone] * 4))
    with pytest.raises(Unavailable) as unavailable:
        call(Server(*[problem(503, "not_ready")] * 4))
    assert unavailable.value.retry_after_s == 7


REFUSALS: list[tuple[Answer, type[ClientError], dict[str, object]]] = [
    (problem(404, "function_not_found"), NotFound, {"status": 404}),
    (problem(409, "idempotency_conflict", execution_id="E_9"), Conflict, {"execution_id": "E_9"}),
    (problem(429, "queue_full"), QueueFull, {"retry_after_s": 7}),
    (problem(401, "unknown_one"), Unauthenticated, {"code": "unknown_one"}),
    (problem(405, "method_not_allowed"), Unsupported, {"message": "it is method_not_allowed"}),
    (problem(413, "body_too_large", max_body_bytes=5), ClientError, {"code": "body_too_large"}),
    (
        problem(500, "execution_failed", kind="trapped", error_id="Err_1", execution_id="E_2"),
        ExecutionFailed,
        {"kind": "trapped", "error_id": "Err_1", "execution_id": "E_2"},
    ),
    (problem(500, "execution_failed", kind="cancelled"), ExecutionCancelled, {"kind": "cancelled"}),
    (problem(504, "execution_timed_out", kind="timed_out"), ExecutionTimedOut, {"kind": "timed_out"}),
    (
        problem(400, "params_invalid", errors=[{"pointer": "/n", "expected": "u8", "detail": "no"}]),
        InvalidParams,
        {"problems": (Problem(pointer="/n", expected="u8", detail="no"),)},
    ),
    (Answer(status=502, headers={"content-type": "text/html"}, body=b"<p>"), AnswerForeign, {"status": 502}),
    (Answer(status=200, headers={}, body=b"{"), AnswerForeign, {"code": "answer_foreign"}),
    (value("text"), AnswerForeign, {"status": 200}),
]


@pytest.mark.parametrize(("answer", "kind", "members"), REFUSALS)
def test_refusals_and_failures_are_typed(answer: Answer, kind: type[ClientError], members: dict[str, object]) -> None:
    with pytest.raises(kind) as raised:
        call(Server(answer))
    assert type(raised.value) is kind
    assert {name: getattr(raised.value, name) for name in members} == members


def test_cancelling_and_reading_the_log() -> None:
    server = Server(value({"id": "E_1.n:a/b_1", "effect": "done"}))
    assert server.run(exchange.cancel("E_1.n:a/b_1", server.policy())) == "done"
    assert (server.requests[0].method, server.requests[0].path) == ("POST", "/v1/executions/E_1.n:a%2Fb_1/cancel")
    older = Server(problem(405, "method_not_allowed"))
    with pytest.raises(Unsupported):
        older.run(exchange.cancel("E_1", older.policy()))
    foreign = Server(value([]))
    with pytest.raises(AnswerForeign, match="names no effect"):
        foreign.run(exchange.cancel("E_1", foreign.policy()))
    item = {"version": 3, "at": "2031-01-02T03:04:05.000006Z", "event": {"type": "finished"}}
    server = Server(value({"items": [item], "next": 4}))
    (entry,), has_more = server.run(exchange.events("E_1", 3, server.policy()))
    assert server.requests[0].query == {"from": 3, "limit": 200}
    assert has_more
    assert (entry.version, entry.at) == (3, datetime(2031, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert exchange.is_last(entry)
    server = Server(value({"items": [None]}))
    with pytest.raises(AnswerForeign, match="no page of a log"):
        server.run(exchange.events("E_1", 0, server.policy()))


def test_unwrap() -> None:
    assert unwrap(Ok(1)) == 1
    result: Result[int, dict[str, str]] = Err({"sold": "out"})
    with pytest.raises(ReturnedErr) as raised:
        unwrap(result)
    assert raised.value.error == {"sold": "out"}


def test_tags_go_with_a_call_and_wrong_ones_are_not_sent() -> None:
    server = Server(RUNNING)
    server.run(exchange.submit(FALLIBLE, {}, Options(tags={"order": "7", "tenant": "a"}), server.policy()))
    assert server.requests[0].headers["Obelisk-Tags"] == "order=7,tenant=a"
    for wrong in ({"a": "b,c=d"}, {"a": ""}, {"a b": "c"}, {f"k{number}": "v" for number in range(17)}):
        with pytest.raises(ValueError, match="tags: expected up to 16 tags"):
            server.run(exchange.submit(FALLIBLE, {}, Options(tags=wrong), server.policy()))
    assert len(server.requests) == 1
