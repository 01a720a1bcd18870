"""One attempt of an activity as the log sees it: how its end counts, and when it is tried again, by engine or worker.

An attempt has no effects of its own: the owner enqueues the batch. Retries follow the component's policy: a trap, a
timeout and a returned ``err`` are tried again, unless the error is a variant case whose name contains ``permanent``.
Where the engine itself failed in the last attempt, the execution is paused.
"""

from __future__ import annotations

import msgspec

from obelisk.codegen.model.types import EnumType, ResultType, VariantType, unalias
from obelisk.runtime import ids
from obelisk.runtime.catalog.fitting import params_for
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.catalog.retry import next_attempt
from obelisk.runtime.errors import StoreError
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.deadlines import deadline_us, total_ms
from obelisk.runtime.log.instants import later
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.observe import tracing
from obelisk.runtime.ports.guest import JsonValue, Returned, Trapped, TrapReason
from obelisk.runtime.ports.store import Append, Respond, Write
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.failures import failed, reason_of, shorten, too_large
from obelisk.runtime.workers.pending_writes import response_to_parent


class Attempt:
    """One lock of one execution, seen in `state`; `cuts` runs before it were cut off. `conclude` sets `outcome` or
    `retry_at_us`, and `writes`."""

    def __init__(
        self,
        *,
        execution_id: str,
        created: log.Created,
        locked: log.Locked,
        state: ExecutionState,
        function: DeployedFunction,
        context: RunContext,
        cuts: int,
    ) -> None:
        self.execution_id = execution_id
        self.created, self.parent = created, created.parent
        self.locked = locked
        self.state = state
        self.function = function
        self.context = context
        self.outcome: log.Outcome | None = None
        self.retry_at_us: int | None = None
        self.writes: tuple[Write, ...] = ()
        self.params = params_for(created, function)
        self.total_deadline_us = deadline_us(created, function.component.settings.total_timeout_ms)
        self.begun_at_us = 0
        self.cuts = cuts
        self.reply: log.ChildFinished | None = None
        """What the parent is told, once there is an outcome."""

    @property
    def group(self) -> tuple[str, str]:
        """What its turns are shared between: see `executor.turns`."""
        return self.function.component.name, self.created.family or ids.root_of(self.execution_id)

    @property
    def total_ms(self) -> int:
        """How long the execution may take, in milliseconds; 0: as long as it will."""
        return total_ms(self.created, self.function.component.settings.total_timeout_ms)

    @property
    def limit_ms(self) -> float:
        """How long the attempt may take from now on; 0 or less when its time is over before it begins."""
        limit_ms = self.function.component.settings.attempt_timeout_ms
        if self.total_deadline_us is None:
            return limit_ms
        return min(limit_ms, (self.total_deadline_us - self.context.now_us()) / 1000)

    def over(self) -> Trapped | None:
        """The end of an attempt that must not begin, if so: its time is over, or see `refusal`."""
        refusal = self.refusal
        return refusal if refusal is not None or self.limit_ms > 0 else timed_out(self)

    @property
    def refusal(self) -> Trapped | None:
        """Why the attempt must not begin, if so: runs in a row were cut off, and they have used up the retries."""
        if self.cuts <= fold.FREE_CUTS or self.state.attempts <= self.function.retry.max_retries:
            return None
        return Trapped(
            TrapReason.CUT_OFF,
            f"cut off: {self.cuts} times in a row the server was gone before the attempt had ended, "
            f"and max_retries is {self.function.retry.max_retries}",
        )

    def let_go(self, reason: str) -> tuple[Write, ...]:
        """What the log gets when the attempt was never begun: it is pending again, at once."""
        now_us = self.context.now_us()
        self.writes = (self._append(log.Unlocked(reason=reason, pending_at_us=now_us), now_us),)
        return self.writes

    def conclude(self, poll: Returned | Trapped, *, again: bool = True, not_before_ms: int = 0) -> tuple[Write, ...]:
        """What the log gets for this end of the attempt; sets `outcome` or `retry_at_us`.

        `again` False: there is no other attempt, whatever the policy; `not_before_ms`: none sooner than that.
        """
        now_us = self.context.now_us()
        append = self._append(self._event(poll, now_us, again, not_before_ms), now_us)
        end = "finished" if self.outcome is not None else "paused" if self.retry_at_us is None else "retried"
        self.context.metrics.attempts.add(self.function.ffqn, end)
        if self.begun_at_us:
            self._trace(poll, now_us)
        self.writes = (append,)
        if self.reply is not None and self.parent is not None:
            self.writes = (append, Respond(execution_id=self.parent, response=self.reply, at_us=now_us))
        return self.writes

    def again(self, error: StoreError) -> tuple[Write, ...]:
        """What is to be recorded after the store has failed: the same, or if no store takes it, that it cannot be."""
        if error.fields.get("reason") == "unstorable":
            self.outcome = self.reply = None
            self.conclude(Trapped(TrapReason.HOST, f"its end cannot be recorded: {error.message}"))
        return self.writes

    def _append(self, event: log.Event, at_us: int) -> Append:
        return Append(
            execution_id=self.execution_id,
            version=self.state.version,
            events=(event,),
            state=fold.apply(self.state, event),
            at_us=at_us,
            run=self.locked.run,
        )

    def _trace(self, poll: Returned | Trapped, now_us: int) -> None:
        """The span of the attempt, below that of its execution; its requests have theirs below it."""
        told = tracing.span(
            tracing.below(self.created.trace, self.execution_id),
            of=self.locked.run,
            name=f"attempt {self.function.ffqn}",
            kind="internal",
            start_us=self.begun_at_us,
            end_us=now_us,
            attributes={"obelisk.execution_id": self.execution_id, "obelisk.run": self.locked.run},
            error=reason_of(poll) if isinstance(poll, Trapped) else "",
        )
        if told is not None:
            self.context.trace(told)

    def _event(self, poll: Returned | Trapped, now_us: int, again: bool, not_before_ms: int) -> log.Event:
        result = b"" if isinstance(poll, Trapped) else msgspec.json.encode(poll.value)
        poll = too_large(result, self.function.component.settings.max_value_bytes) or poll
        if isinstance(poll, Trapped):
            at_us = self._retry_at(now_us, not_before_ms) if again else None
            if poll.reason is TrapReason.BROKEN:
                self.context.metrics.engine_errors.add(self.function.ffqn)
            if at_us is None and poll.reason is TrapReason.BROKEN:
                cause = log.Broken(error_id=f"Err_{self.context.ulid()}", engine=self.context.engine)
                return log.Paused(reason=f"the engine failed ({cause.error_id}): {reason_of(poll)}", cause=cause)
            if at_us is None:
                return self._finish(failed(self._out_of_time(poll) if again else poll, self.context.ulid()))
            error_id = f"Err_{self.context.ulid()}"
            if poll.reason is TrapReason.TIMED_OUT:
                return log.TemporarilyTimedOut(error_id=error_id, pending_at_us=at_us)
            return log.TemporarilyFailed(
                error_id=error_id,
                reason=reason_of(poll),
                detail=shorten(poll.backtrace),
                pending_at_us=at_us,
            )
        raw = msgspec.Raw(result)
        if self._is_retryable_err(poll.value) and (at_us := self._retry_at(now_us, not_before_ms)) is not None:
            return log.TemporarilyFailed(
                error_id=f"Err_{self.context.ulid()}", reason="returned err", pending_at_us=at_us, err=raw
            )
        return self._finish(log.Returned(value=raw, shape=self.function.shape))

    def _finish(self, outcome: log.Outcome) -> log.Event:
        self.outcome = outcome
        if self.parent is not None:
            self.reply = response_to_parent(self.execution_id, outcome)
        return log.Finished(outcome=outcome)

    def _retry_at(self, now_us: int, not_before_ms: int) -> int | None:
        jitter = self.context.bits(32)
        at_us = next_attempt(self.function.retry, self.state.attempts, now_us, jitter)
        if at_us is not None and not_before_ms:
            at_us = max(at_us, later(now_us, not_before_ms * 1000))
        late = at_us is not None and self.total_deadline_us is not None and at_us >= self.total_deadline_us
        self.retry_at_us = None if late else at_us
        return self.retry_at_us

    def _out_of_time(self, end: Trapped) -> Trapped:
        """The end as it counts: a trap that would be retried, were there time, is a timeout."""
        retries_left = self.state.attempts < self.function.retry.max_retries
        if self.total_deadline_us is None or not retries_left or end.reason is TrapReason.TIMED_OUT:
            return end
        message = f"no other attempt fits into {self.total_ms} ms; the last one: {end.message}"
        return Trapped(TrapReason.TIMED_OUT, message, end.backtrace)

    def _is_retryable_err(self, value: JsonValue) -> bool:
        if not isinstance(value, dict) or "err" not in value or not self.function.component.settings.retry_on_err:
            return False
        result = self.function.function.result
        if result is None or not isinstance(unalias(result), ResultType):
            return False
        error = value["err"]
        case = next(iter(error), "") if isinstance(error, dict) else error
        return not (isinstance(case, str) and "permanent" in case and self._err_is_variant())

    def _err_is_variant(self) -> bool:
        result = self.function.function.result
        shape = unalias(result) if result is not None else None
        err = shape.err if isinstance(shape, ResultType) else None
        return err is not None and isinstance(unalias(err), VariantType | EnumType)


def timed_out(attempt: Attempt) -> Trapped:
    """The end of an attempt that ran past its limit."""
    settings = attempt.function.component.settings
    if attempt.limit_ms <= 0:
        return Trapped(TrapReason.TIMED_OUT, f"the execution took longer than {attempt.total_ms} ms")
    return Trapped(TrapReason.TIMED_OUT, f"the attempt ran longer than {settings.attempt_timeout_ms} ms")
