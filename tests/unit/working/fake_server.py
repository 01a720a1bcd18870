"""A server of workers in memory, for tests of the SDK: leases, locks, claims that wait, results that are judged.

It answers `httpx` requests on the loop that the worker runs on, whose clock may be virtual.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]


@dataclass(kw_only=True)
class Call:
    """An execution: `run` and `worker` have its lock while it is taken, `outcome` ends it."""

    execution_id: str
    ffqn: str
    params: Json
    tags: dict[str, str] = field(default_factory=dict[str, str])
    remaining_ms: int | None = None
    traceparent: str = ""
    signature: str = ""
    attempt: int = 0
    run: str = ""
    worker: str = ""
    outcome: Json | None = None
    failures: list[Json] = field(default_factory=list[Json])
    detail: Any = None
    not_before_s: float = 0.0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(kw_only=True)
class Leased:
    """A worker: until when its lease is good, and what it is to be told."""

    until_s: float
    functions: list[str]
    claims: int = 0
    news: dict[str, Json] = field(default_factory=dict[str, Json])


class FakeServer:
    """`refused` has functions that it does not give, with their state. While `is_cut` nobody answers."""

    def __init__(self, *, lease_ms: int = 10_000, refused: Mapping[str, str] | None = None) -> None:
        self.lease_ms = lease_ms
        self.refused = dict(refused or {})
        self.is_cut = False
        self.loses_answers = 0
        self.max_body = 1 << 20
        self.token = ""
        self.calls: dict[str, Call] = {}
        self.workers: dict[str, Leased] = {}
        self.registered: list[Json] = []
        self.lines: list[Json] = []
        self.judged: list[Json] = []
        self.requests: list[tuple[str, Json]] = []
        self.most_running = 0
        self._changed = asyncio.Event()
        self._number = 0

    def client(self) -> httpx.AsyncClient:
        """What a worker sends with."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle))

    def call(self, ffqn: str, params: Json | None = None, **more: Any) -> Call:
        """A new execution that waits for a worker."""
        self._number += 1
        call = Call(execution_id=f"E_{self._number}", ffqn=ffqn, params=params or {}, **more)
        self.calls[call.execution_id] = call
        self.changed()
        return call

    def cancel(self, call: Call, state: str = "cancelled") -> None:
        """End an execution, and tell its worker."""
        call.outcome = {"state": state}
        call.ended.set()
        if call.worker in self.workers:
            item = {"execution_id": call.execution_id, "run": call.run, "state": state}
            self.workers[call.worker].news[call.run] = item
        self.changed()

    def changed(self) -> None:
        """Let what waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        await asyncio.sleep(0)
        if self.is_cut:
            raise httpx.ConnectError("cut off")
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return problem(401, "unauthenticated", "no such token")
        if len(request.content) > self.max_body:
            return problem(413, "payload_too_large", f"at most {self.max_body} bytes")
        body: Json = json.loads(request.content) if request.content else {}
        self.requests.append((f"{request.method} {request.url.path}", body))
        match [request.method, *request.url.path.split("/")[2:]]:
            case ["POST", "workers"]:
                answer = self._register(body)
            case ["POST", "workers", worker, "exchange"] if self._is_alive(worker):
                answer = await self._exchange(worker, body)
            case ["DELETE", "workers", worker] if self._is_alive(worker):
                self._release(worker)
                return httpx.Response(204)
            case ["POST", "workers", *_] | ["DELETE", "workers", *_]:
                return problem(404, "worker_not_found", "its lease has run out")
            case _:
                return problem(404, "not_found", "no such path")
        if self.is_cut:
            raise httpx.ReadError("cut off before the answer")
        if self.loses_answers:
            self.loses_answers -= 1
            raise httpx.ReadError("the answer was lost")
        return answer

    def _register(self, body: Json) -> httpx.Response:
        self.registered.append(body)
        self._number += 1
        worker, names = f"W_{self._number}", [item["ffqn"] for item in body["functions"]]
        good = [name for name in names if name not in self.refused]
        self.workers[worker] = Leased(until_s=self._now_s() + self.lease_ms / 1000, functions=good)
        states = [{"ffqn": name, "state": self.refused.get(name, "ok"), "detail": ""} for name in names]
        return httpx.Response(201, json={"worker": worker, "lease_ms": self.lease_ms, "functions": states})

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _is_alive(self, worker: str) -> bool:
        """Whether it has a lease; one that has run out frees its locks."""
        for name in [name for name, leased in self.workers.items() if leased.until_s < self._now_s()]:
            self._release(name)
        if worker in self.workers:
            self.workers[worker].until_s = self._now_s() + self.lease_ms / 1000
        return worker in self.workers

    def _release(self, worker: str) -> None:
        del self.workers[worker]
        for call in self.calls.values():
            if call.worker == worker and call.outcome is None:
                call.worker = call.run = ""
        self.changed()

    async def _exchange(self, worker: str, body: Json) -> httpx.Response:
        leased = self.workers[worker]
        self.lines += body.get("lines") or ()
        results = [self._judge(worker, item) for item in body.get("results") or ()]
        beats = [self._beat(worker, item) for item in body.get("heartbeats") or ()]
        claim, attempts = body.get("claim"), list[Json]()
        if claim is not None or body.get("draining"):
            leased.claims += 1
            self.changed()
        if claim is not None:
            attempts = await self._claim(worker, leased, claim, is_told=any(r["state"] != "accepted" for r in results))
        beats += leased.news.values()
        leased.news.clear()
        answer = {"results": results, "heartbeats": beats, "attempts": attempts, "lease_ms": self.lease_ms}
        return httpx.Response(200, json=answer)

    async def _claim(self, worker: str, leased: Leased, claim: Json, *, is_told: bool) -> list[Json]:
        own, until_s = leased.claims, self._now_s() + claim["wait_ms"] / 1000
        while True:
            attempts = self._taken(worker, claim)
            left_s = until_s - self._now_s()
            if attempts or leased.news or is_told or left_s <= 0 or leased.claims != own or worker not in self.workers:
                return attempts
            if not any(call.worker == worker and call.outcome is None for call in self.calls.values()):
                leased.until_s = until_s + self.lease_ms / 1000  # the server renews the lease of one that holds nothing
            changed = self._changed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await changed.wait()

    def _taken(self, worker: str, claim: Json) -> list[Json]:
        attempts: list[Json] = []
        free = dict(claim.get("per_function") or {})
        for call in self.calls.values():
            lost = call.worker == worker and call.run not in claim["holding"]
            if call.outcome is not None or (call.worker and not lost) or call.ffqn not in claim["functions"]:
                continue
            if call.not_before_s > self._now_s():
                continue
            if not lost:
                if len(attempts) >= claim["limit"] or free.get(call.ffqn, 1) < 1:
                    continue
                free[call.ffqn] = free.get(call.ffqn, 1 << 30) - 1
                call.attempt += 1
                call.worker, call.run = worker, f"Run_{call.execution_id}_{call.attempt}"
            attempts.append(
                {
                    "execution_id": call.execution_id,
                    "run": call.run,
                    "ffqn": call.ffqn,
                    "attempt": call.attempt,
                    "params": call.params,
                    "deadline": "2026-01-01T00:00:00Z" if call.remaining_ms else None,
                    "remaining_ms": call.remaining_ms,
                    "traceparent": call.traceparent or None,
                    "tags": call.tags,
                    "heartbeat_detail": call.detail,
                    "signature": call.signature or None,
                    "created_at": "2026-01-01T00:00:00Z",
                }
            )
        running = sum(1 for call in self.calls.values() if call.worker and call.outcome is None)
        self.most_running = max(self.most_running, running)
        return attempts

    def _judge(self, worker: str, item: Json) -> Json:
        call = self.calls[item["execution_id"]]
        told = {"execution_id": call.execution_id, "run": item["run"]}
        if call.outcome is not None:
            told |= {"state": "stale", "reason": call.outcome.get("state", "ended")}
        elif (call.worker, call.run) != (worker, item["run"]):
            told |= {"state": "stale", "reason": "lost"}
        else:
            told |= {"state": "accepted"}
            failure = item["outcome"].get("failure")
            if failure is not None:
                call.failures.append(failure)
                call.worker = call.run = ""
                call.not_before_s = self._now_s() + 1
                asyncio.get_running_loop().call_later(1, self.changed)
            if failure is None or not failure["retryable"]:
                call.outcome = item["outcome"]
                call.ended.set()
            self.changed()
        self.judged.append(told)
        return told

    def _beat(self, worker: str, item: Json) -> Json:
        call = self.calls[item["execution_id"]]
        is_held = (call.worker, call.run) == (worker, item["run"]) and call.outcome is None
        if is_held:
            call.detail = item.get("detail")
        return {"execution_id": call.execution_id, "run": item["run"], "state": "running" if is_held else "lost"}


def problem(status: int, code: str, detail: str) -> httpx.Response:
    """A refusal as the server words it."""
    return httpx.Response(status, json={"code": code, "detail": detail})
