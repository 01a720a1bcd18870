"""One attempt that a worker runs: what it is given, and how what it answers counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.problems import Problem
from obelisk.codegen.model.types import ResultType, unalias
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.external.exchange import Handed, Result
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.observe import tracing
from obelisk.runtime.ports.guest import JsonValue, Returned, Trapped, TrapReason
from obelisk.runtime.workers.attempt import Attempt
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.failures import too_large

SHOWN_PROBLEMS = 3


class ExternalAttempt(Attempt):
    """One lock of one execution by a worker; `at_us`: the instant of the lock, from which its time counts."""

    def __init__(
        self,
        *,
        execution_id: str,
        created: log.Created,
        locked: log.Locked,
        state: ExecutionState,
        function: DeployedFunction,
        context: RunContext,
        at_us: int,
        cuts: int = 0,
        heartbeat: bytes | None = None,
    ) -> None:
        super().__init__(
            execution_id=execution_id,
            created=created,
            locked=locked,
            state=state,
            function=function,
            context=context,
            cuts=cuts,
        )
        limit_us = function.component.settings.attempt_timeout_ms * 1000
        end_us = at_us + limit_us
        self.deadline_us = end_us if self.total_deadline_us is None else min(end_us, self.total_deadline_us)
        self.begun_at_us = at_us if created.trace else 0
        self.heartbeat = heartbeat
        self.timer: asyncio.TimerHandle | None = None
        self.said_bytes = 0

    @property
    def worker(self) -> str:
        """Who runs it."""
        return self.locked.executor

    @property
    def limit_ms(self) -> float:
        """How long it may still take; 0 or less when its time is over."""
        return (self.deadline_us - self.context.now_us()) / 1000

    def handed(self) -> Handed:
        """What the worker is given."""
        function, values = self.function, msgspec.json.decode(self.params)
        params: Mapping[str, JsonValue] = {
            json_name(param.name): value for param, value in zip(function.function.params, values, strict=True)
        }
        trace = self.created.trace
        return Handed(
            execution_id=self.execution_id,
            run=self.locked.run,
            ffqn=function.ffqn,
            attempt=self.state.attempts + 1,
            params=params,
            created_at_us=self.created.scheduled_at_us,
            deadline_us=self.deadline_us,
            remaining_ms=max(0, int(self.limit_ms)),
            digest=self.locked.digest,
            signature=function.signature,
            trace=tracing.below(trace, self.locked.run) if trace else "",
            tags=self.created.tags,
            heartbeat=self.heartbeat,
        )

    def judged(self, result: Result) -> tuple[Returned | Trapped, str, tuple[Problem, ...]]:
        """The end that a result stands for, and what is wrong with it: in words, and by place in it."""
        if result.failure is not None:
            return Trapped(TrapReason.WORKER, result.failure.message, result.failure.detail), "", ()
        value, problems = _checked(self.function, result)
        ffqn = self.function.ffqn
        if problems:
            shown = "; ".join(f"{p.pointer}: expected {p.expected}, {p.detail}" for p in problems[:SHOWN_PROBLEMS])
            detail = f"the result does not have the type of {ffqn}: {shown}"
            return Trapped(TrapReason.WORKER, detail), detail, problems
        size = too_large(msgspec.json.encode(value), self.function.component.settings.max_value_bytes)
        return (Returned(value), "", ()) if size is None else (size, size.message, ())


def _checked(function: DeployedFunction, result: Result) -> tuple[JsonValue, tuple[Problem, ...]]:
    """The canonical form of a result, or every problem, each with its place in the outcome that the worker gave."""
    shape = unalias(function.function.result) if function.function.result is not None else None
    if isinstance(shape, ResultType):
        given: JsonValue = {result.case: result.value}
        prefix = ""
    elif result.case == "ok":
        given, prefix = result.value, "/ok"
    else:
        detail = "its result has no error: an attempt that fails is told as a failure"
        return None, (Problem(pointer="/err", expected="ok", detail=detail),)
    value, problems = function.check_result(given)
    located = tuple(Problem(pointer=f"{prefix}{p.pointer}", expected=p.expected, detail=p.detail) for p in problems)
    canonical: JsonValue = value  # type: ignore[assignment]  # what the validator gives is JSON
    return canonical, located
