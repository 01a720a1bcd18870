"""Fibers: one call of a guest's function, in a wasmtime Store of its own, suspended whenever it waits.

A fiber is polled until it has returned or trapped. When a handler says PENDING, the guest's native stack stays parked
in wasmtime; `resume` leaves the answer, and the next `poll` lowers it into the guest. A fiber may be polled from any
thread, by one at a time; the guest runs without the interpreter lock. Whatever a handler raises is kept in the fiber
and comes out of its `poll`: nothing goes through wasmtime-py's module global, which mixes up threads.

    start ──poll──▶ instantiating ──▶ running ──▶ Returned | Trapped | exception   (closed)
                                      ▲     │
                                resume└─────┘Waiting, Yielded
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from obelisk.codegen.model.json_form import JsonValue
from obelisk.runtime.host.abi.crossing import Crossing, Lengthy
from obelisk.runtime.host.abi.lowering import release_at
from obelisk.runtime.host.abi.lowering_slices import is_long
from obelisk.runtime.host.errors import Stopped
from obelisk.runtime.host.host_calls import UNANSWERED, WAITING, YIELDED, LongValue, Passage, result_of
from obelisk.runtime.host.output import Capture
from obelisk.runtime.host.targets import MEMORIES, TABLES, Limits, Target
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.host.wasmtime.contexts import guests, tokens
from obelisk.runtime.host.wasmtime.engine import Engine
from obelisk.runtime.host.wasmtime.natives import Natives
from obelisk.runtime.host.wasmtime.traps import classify
from obelisk.runtime.ports.guest import (
    GuestTrap,
    Handler,
    HandOver,
    Pending,
    Poll,
    Returned,
    Trapped,
    TrapReason,
)


class Fiber:
    """One call of a guest's function. Made by `instance.Prepared.start`; close it, or run it to its end."""

    def __init__(
        self,
        engine: Engine,
        natives: Natives,
        target: Target,
        args: Sequence[JsonValue],
        context: object,
        limits: Limits,
        *,
        wasi: bool,
    ) -> None:
        """See `instance.Prepared.start`."""
        self.context = context
        self._engine, self._natives, self._target = engine, natives, target
        self.token = next(tokens)
        engine.room.require()
        natives.enter(self.token)
        self._lock = threading.Lock()
        self._interrupted = self._closed = self._called = False
        self._future = 0
        self._output: Capture | None = None
        pool, pooled = engine.pool, target.pooled
        self._pool = pool if pool is not None and pooled is not None and pool.take(self.token) else None
        place = self._place = target.plain if self._pool is None or pooled is None else pooled
        self._store = native.store_new(place.engine, self.token, 0)
        self._context = native.store_context(self._store)
        self.crossing = Crossing(self._context)
        self.passage = Passage(self.crossing, context)
        self._args = bytearray()
        try:
            self._limit(limits)
            if target.signature.may_be_long and any(map(is_long, args)):
                self.passage.long = LongValue(
                    target.signature.lower_slices(args, self._context), None, self._set_args, self._unfit
                )
            else:
                self._set_args(target.signature.lower_args(args, self._context))
            if wasi:
                self._output = Capture(limits.output_bytes)
                self._output.attach(self._context)
        except BaseException:
            self._free()
            raise
        self._frame = native.Frame()
        at = self._frame_at = ctypes.addressof(self._frame)
        guests[self.token] = self
        self._future = native.instantiate(
            place.linker, self._context, place.component, at + native.INSTANCE_AT, at + native.ERROR_AT
        )

    def _set_args(self, image: bytearray) -> None:
        self._args = image
        self._args_buffer = (ctypes.c_char * len(image)).from_buffer(image)
        self._args_at = ctypes.addressof(self._args_buffer)

    def _limit(self, limits: Limits) -> None:
        memory = -1 if limits.memory_bytes is None else limits.memory_bytes
        table = -1 if limits.table_elements is None else limits.table_elements
        if limits.instances is None:
            native.store_limits(self._store, memory, table, -1, -1, -1)
        else:
            native.store_limits(self._store, memory, table, limits.instances, TABLES, MEMORIES)
        native.context_set_deadline(self._context, 1)
        native.context_yield_each(self._context, 1)
        if self._engine.settings.fuel:
            native.context_set_fuel(self._context, limits.fuel or 0)

    # --- driving -----------------------------------------------------------------------------------------------------
    def poll(self, hand_over: HandOver | None = None) -> Poll:
        """Run the guest until it ends, waits or a tick passes. Raises what a handler raised, `AbiError` when an answer
        did not fit its type, or `NoRoom`; the fiber is closed then, as after Returned and Trapped."""
        if not self._lock.acquire(blocking=False):
            raise Stopped("the fiber is being polled by another thread or from its own handler")
        try:
            if self._closed:
                raise Stopped("the fiber has ended")
            if self._interrupted:
                return self._timed_out()
            passage = self.passage
            passage.hand_over = hand_over
            if passage.long is not None:
                polled = passage.slice(passage.long)
                if polled is not None:
                    return polled
            elif passage.call is not None and passage.call.answer is UNANSWERED:
                return WAITING
            return self._run()
        finally:
            self._engine.ticker.running.discard(self.token)
            self._lock.release()

    def _run(self) -> Poll:
        engine, passage = self._engine, self.passage
        ticker, entered = engine.ticker, False
        while True:
            before = ticker.ticks
            try:
                if engine.natives.is_closed:
                    raise Stopped("the engine was closed")
                if not entered:
                    ticker.enter(self.token)
                    entered = True
                done = native.future_poll(self._future)
            except BaseException:  # a signal's, perhaps after the future was done: it must not be polled again
                self._free()
                raise
            if done:
                native.future_delete(self._future)
                self._future = 0
                if self._frame.error or passage.raised is not None:
                    return self._failed()
                if self._called:
                    return self._returned()
                self._begin_call()
            elif passage.long is not None:
                return YIELDED
            elif passage.call is not None:
                return WAITING
            elif self._interrupted:
                return self._timed_out()
            elif ticker.ticks != before:
                return YIELDED
            # else the deadline was an old one, from before the guest waited: it has only just begun to run

    def _begin_call(self) -> None:
        at, context, results = self._frame_at, self._context, self._target.signature.result_count
        function = at + native.FUNCTION_AT
        found = native.get_func(at + native.INSTANCE_AT, context, self._place.export, function)
        assert found, "the export was found when the component was prepared"
        self._called = True
        count = len(self._args) // native.VAL_SIZE
        self._future = native.call(
            function, context, self._args_at, count, at + native.RESULT_AT, results, at + native.ERROR_AT
        )

    def resume(self, value: JsonValue) -> None:
        """Give the answer of the host call that the guest waits in; the next poll lowers it."""
        self.passage.resume(value)

    def when_ready(self, callback: Callable[[], None]) -> None:
        """See `guest.Fiber`: what waits here waits for `resume`, whose caller knows when."""
        raise Stopped("the fiber waits for nothing but its answer")

    def fail(self, trap: GuestTrap) -> None:
        """See `guest.Fiber`."""
        self.passage.fail(trap)

    def interrupt(self) -> None:
        """Stop the guest, from any thread: the running slice or the next poll ends as Trapped(TIMED_OUT)."""
        self._interrupted = True

    @property
    def is_waiting(self) -> bool:
        """Whether the guest waits for an answer that has not been given."""
        return self.passage.is_waiting

    @property
    def is_closed(self) -> bool:
        """Whether the fiber has ended and freed everything."""
        return self._closed

    # --- host calls, from the callbacks in `instance` ----------------------------------------------------------------
    def answer(self, handler: Handler, args: list[JsonValue], /) -> JsonValue | Pending:
        """See `contexts.Guest`."""
        return self.passage.answer_of(handler, args)

    def refuse(self, raised: BaseException) -> int:
        """See `contexts.Guest`."""
        return self.passage.refuse(raised)

    # --- ends --------------------------------------------------------------------------------------------------------
    def _returned(self) -> Poll:
        signature, result = self._target.signature, self._frame_at + native.RESULT_AT
        image = native.bytes_at(result, native.VAL_SIZE)
        try:
            value = signature.lift_result(image, self.crossing, self.context)
        except Lengthy:
            slices = signature.lift_slices(image, self.crossing, self.context)
            self.passage.long = LongValue(slices, result_of(result), self._give, self._unfit)
            return YIELDED
        except BaseException as raised:
            native.value_delete(result)
            return self._unfit(raised)
        native.value_delete(result)
        self._free()
        return Returned(value)

    def _give(self, value: JsonValue) -> Poll:
        self._free()
        return Returned(value)

    def _unfit(self, raised: BaseException) -> Trapped:
        """The end of a guest whose result was not lifted."""
        self._free()
        if isinstance(raised, GuestTrap):
            return Trapped(raised.reason, str(raised), "")
        raise raised

    def _failed(self) -> Trapped:
        trapped = classify(self._frame.error or 0, instantiating=not self._called)
        self._free()
        if self.passage.raised is not None:
            raise self.passage.take_raised()
        if self.passage.trap is not None:
            return Trapped(self.passage.trap.reason, str(self.passage.trap), trapped.backtrace)
        if trapped.reason is TrapReason.NO_ROOM:
            self._engine.room.refused(trapped.message)
            raise self._engine.room.refusal(begun=True)
        return trapped

    def _timed_out(self) -> Trapped:
        self._free()
        return Trapped(TrapReason.TIMED_OUT, "the guest was interrupted", "")

    def close(self) -> None:
        """End the fiber wherever it is and free all it holds; idempotent. Not while another thread polls it."""
        if self._closed:
            return
        if not self._lock.acquire(blocking=False):
            raise Stopped("the fiber is being polled")
        try:
            self._free()
        finally:
            self._lock.release()

    def _free(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.passage.close()
        if self._future:
            native.future_delete(self._future)  # unwinds a suspended guest
        native.store_delete(self._store)
        if self._pool is not None:
            self._pool.give_back(self.token)
        self._natives.leave(self.token)
        if self._args:
            release_at(self._args_at, len(self._args))
        if self._output is not None:
            self._output.detach()
        guests.pop(self.token, None)
        self.context = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stdout(self) -> bytes:
        """What the guest wrote to standard output so far, up to the limit; nothing without WASI."""
        return b"" if self._output is None else bytes(self._output.stdout)

    def stderr(self) -> bytes:
        """As `stdout`, of standard error."""
        return b"" if self._output is None else bytes(self._output.stderr)

    @property
    def output_truncated(self) -> bool:
        """Whether the guest wrote more than the limit; the rest was dropped."""
        return self._output is not None and self._output.truncated


def live_count() -> int:
    """How many guests have not ended, of all engines in this process."""
    return len(guests)


def fiber_of(context: int) -> Fiber:
    """The fiber whose wasmtime Store a callback that waits was called from: nothing else has such."""
    return guests[native.context_data(context) or 0]  # type: ignore[return-value]


@native.Continue  # type: ignore[untyped-decorator]
def _is_answered(token: int) -> bool:
    fiber: Any = guests.get(token)  # only fibers wait
    if fiber is None or fiber.passage.call is None:
        return True
    return fiber.passage.call.answer is not UNANSWERED and bool(fiber.passage.is_answered())


IS_ANSWERED_AT: Final = native.address_of(_is_answered)
"""What wasmtime asks whether a fiber that waits has its answer."""
