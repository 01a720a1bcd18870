"""What passes between a guest and its host: calls that have no answer yet, and values that take several slices.

called ──▶ arguments in slices ──▶ handled ──▶ waiting ──▶ answer in slices ──▶ answered
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final

from obelisk.runtime.host.abi.crossing import Crossing
from obelisk.runtime.host.abi.function import Imported, LengthyArguments
from obelisk.runtime.host.abi.lowering import release, release_at
from obelisk.runtime.host.abi.lowering_slices import is_long
from obelisk.runtime.host.errors import Stopped
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.ports.guest import (
    PENDING,
    GuestTrap,
    Handler,
    HandOver,
    JsonValue,
    Judge,
    Pending,
    Poll,
    Waiting,
    Yielded,
)

UNANSWERED: Final = object()
WAITING: Final = Waiting()
YIELDED: Final = Yielded()
LONG: Final = Yielded(long=True)


class HostCall:
    """A host call that waits for its answer, and where wasmtime wants that.

    It waits for its `handler` first while its arguments are being lifted. `image` is an answer that was lowered.
    """

    __slots__ = ("answer", "context", "error", "handler", "image", "results", "signature")

    def __init__(self, signature: Imported, handler: Handler, context: int, results: int, error: int) -> None:
        self.signature, self.handler = signature, handler
        self.context, self.results, self.error = context, results, error
        self.answer: object = UNANSWERED
        self.image: bytearray | None = None

    def write_image(self, image: bytearray) -> None:
        """Write the answer, which was lowered, where wasmtime wants it."""
        native.move(self.results, bytes(image), native.VAL_SIZE)
        self.image = None

    def close(self) -> None:
        """The answer is not wanted any more."""
        if self.image is not None:
            release(self.image)
            self.image = None


class LongValue:
    """A value that is lifted or lowered in slices, and what is to be done `then` with it, or when it has `failed`: both
    give what the fiber's owner is told, or None to run the guest.

    `release` frees what it is made of on the C side, if that is to be freed.
    """

    __slots__ = ("_release", "_slices", "failed", "then", "value")

    def __init__(
        self,
        slices: Generator[None, None, Any],
        release: Callable[[], object] | None,
        then: Callable[[Any], Poll | None],
        failed: Callable[[BaseException], Poll | None],
    ) -> None:
        self._slices, self._release = slices, release
        self.then, self.failed = then, failed
        self.value: Any = None

    def step(self) -> bool:
        """Another slice; whether `value` is there. Raises what a lifter or lowerer does."""
        try:
            next(self._slices)
        except StopIteration as end:
            self.value = end.value
            return True
        return False

    def close(self) -> None:
        """Free it; once."""
        self._slices.close()
        if self._release is not None:
            self._release()


class Passage:
    """Of one guest. `crossing` bounds what comes out of it, `guest` is the context that handlers get."""

    __slots__ = ("_crossing", "_guest", "call", "hand_over", "long", "raised", "trap")

    def __init__(self, crossing: Crossing, guest: object) -> None:
        self._crossing, self._guest = crossing, guest
        self.call: HostCall | None = None
        """The call that has no answer yet, or whose answer is not in the guest."""
        self.hand_over: HandOver | None = None
        self.long: LongValue | None = None
        """A value that is lifted or lowered in slices; until it is there the guest is not run."""
        self.raised: BaseException | None = None
        self.trap: GuestTrap | None = None
        """What a handler raised; or what it means for the guest alone."""

    # --- from the fiber ----------------------------------------------------------------------------------------------
    @property
    def is_waiting(self) -> bool:
        """Whether the guest waits for an answer that has not been given."""
        return self.call is not None and self.call.answer is UNANSWERED and self.long is None

    def slice(self, long: LongValue) -> Poll | None:
        """Run another slice of the long work; None when the guest can go on."""
        try:
            if not long.step():
                return YIELDED
        except BaseException as raised:
            self._end_slices()
            return long.failed(raised)
        self._end_slices()
        return long.then(long.value)

    def resume(self, value: JsonValue) -> None:
        """The answer of the call that the guest waits in; lowered when it is run, or in slices before."""
        call = self.call
        if call is None or call.answer is not UNANSWERED or self.long is not None:
            raise Stopped("the fiber does not wait for an answer")
        call.answer = value
        if is_long(value):
            self._lower_slices(call, value)

    def fail(self, trap: GuestTrap) -> None:
        """Make the call trap that the guest waits in."""
        self.resume(None)
        self.trap = trap

    def take_raised(self) -> BaseException:
        """What a handler raised, once: it is not kept."""
        raised, self.raised = self.raised, None
        assert raised is not None
        return raised

    def close(self) -> None:
        """The guest has ended: what it belongs to is let go, or only the garbage collector could free that."""
        self._guest = self.hand_over = None
        call, self.call = self.call, None
        if call is not None:
            call.close()
        if self.long is not None:
            self._end_slices()

    # --- from callbacks ----------------------------------------------------------------------------------------------
    def serve(self, signature: Imported, handler: Handler, call: tuple[int, int, int, int, int]) -> None:
        """A host call: `call` is (context, args, count, results, out error)."""
        context, args, count, results, error = call
        try:
            values = signature.lift_args(args, count, self._crossing, self._guest)
            answer = handler(self._guest, values) if self.hand_over is None else self.answer_of(handler, values)
            if answer is not PENDING and not is_long(answer):
                signature.lower_result(answer, results, context)
                return
            self.call = HostCall(signature, handler, context, results, error)
            if answer is not PENDING:
                self._lower_slices(self.call, answer)
        except LengthyArguments as lengthy:
            self.call = HostCall(signature, handler, context, results, error)
            image, release = stolen(args, count)
            slices = signature.lift_slices(image, self._crossing, self._guest, lengthy.lifted)
            self.long = LongValue(slices, release, self._take_arguments, self._give_up)
        except BaseException as raised:  # also KeyboardInterrupt: ctypes would swallow it
            write_error(error, self.refuse(raised))

    def answer_of(self, handler: Handler, args: list[JsonValue]) -> JsonValue | Pending:
        """Call a handler, here or where `hand_over` has it called."""
        hand_over, guest = self.hand_over, self._guest
        return handler(guest, args) if hand_over is None else hand_over(lambda: handler(guest, args))

    def refuse(self, raised: BaseException) -> int:
        """Keep what a handler raised for `poll`; the address of the error that unwinds the guest."""
        self._keep(raised)
        return native.error_new(b"refused by the host")

    def is_answered(self) -> bool:
        """Whether the pending call has its answer; lowers it into the guest when it has."""
        call = self.call
        if call is None:
            return True
        if call.answer is UNANSWERED or self.long is not None:
            return False
        self.call = None
        if self.trap is not None or self.raised is not None:
            write_error(call.error, native.error_new(b"refused by the host"))
            return True
        try:
            if call.image is None:
                call.signature.lower_result(call.answer, call.results, call.context)  # type: ignore[arg-type]
            else:
                call.write_image(call.image)
        except BaseException as raised:
            write_error(call.error, self.refuse(raised))
        return True

    # --- inside ------------------------------------------------------------------------------------------------------
    def _keep(self, raised: BaseException) -> None:
        if isinstance(raised, GuestTrap):
            self.trap = raised
        else:
            self.raised = raised

    def _end_slices(self) -> None:
        long, self.long = self.long, None
        if long is not None:
            long.close()

    def _take_arguments(self, values: list[JsonValue]) -> Poll | None:
        """The arguments of the call are there."""
        assert self.call is not None
        judge = self.call.signature.judge
        if judge is None:
            return self._call_handler(values)
        self.long = LongValue(_judging(judge, self._guest, values), None, self._call_handler, self._give_up)
        return LONG

    def _call_handler(self, values: list[JsonValue]) -> Poll | None:
        assert self.call is not None
        try:
            answer = self.answer_of(self.call.handler, values)
        except BaseException as raised:
            self._give_up(raised)
            return None
        if answer is PENDING:
            return WAITING
        self.resume(answer)
        return None if self.long is None else YIELDED

    def _lower_slices(self, call: HostCall, answer: JsonValue) -> None:
        call.answer = answer
        slices = call.signature.lower_slices(answer, call.context)
        self.long = LongValue(slices, None, self._take_answer, self._give_up)

    def _take_answer(self, image: bytearray) -> None:
        assert self.call is not None
        self.call.image = image

    def _give_up(self, raised: BaseException) -> None:
        """The call fails, and unwinds the guest."""
        assert self.call is not None
        self._keep(raised)
        self.call.answer = None


def _judging(judge: Judge, guest: object, values: list[JsonValue]) -> Generator[None, None, list[JsonValue]]:
    """One slice, on the thread that polls."""
    judge(guest, values)
    return values
    yield


def write_error(address: int, error: int) -> None:
    """Write the address of an error where wasmtime wants it."""
    native.move(address, error.to_bytes(8, "little"), 8)


def stolen(address: int, count: int) -> tuple[bytes, Callable[[], None]]:
    """The `count` values at `address`, which are wasmtime's for the time of a call, and what frees them from now on."""
    size = count * native.VAL_SIZE
    image = native.bytes_at(address, size)
    native.move(address, bytes(size), size)  # plain values, that need no freeing
    buffer = (ctypes.c_char * size).from_buffer_copy(image)

    def release() -> None:
        release_at(ctypes.addressof(buffer), size)

    return image, release


def result_of(address: int) -> Callable[[], object]:
    """What frees the result at `address`."""
    return partial(native.long_value_delete, address)
