"""A call of a guest that runs natively, behind `ports.guest.Fiber`.

The guest's code is on a thread of its own (`seats`), the engine's host functions are called on the thread that polls,
and only one of the two runs at a time. What the guest may not do ends it, and is told to the `Observer` with its stack.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Protocol, TypeAlias, cast

from obelisk.native.seats import Ended, Seat, Seats
from obelisk.native.space import Space
from obelisk.runtime.ports.guest import (
    PENDING,
    GuestTrap,
    Handler,
    HandOver,
    JsonValue,
    Pending,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
)

WAITING: Final = Waiting()
PATIENCE_S: Final = 10.0
"""So many seconds a guest may compute without asking for anything."""
_NONE: Final = object()
_HERE: Final = __file__.rpartition("/")[0]
_local: Final = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of the author's code that was being run."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}, in {self.function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misuse:
    """Something that a component cannot do, done by code that runs natively. `stack` is as tracebacks are written."""

    what: str
    stack: str


class Observer(Protocol):
    """Is told what native guests do, on the thread that polls them."""

    def asked(self, context: object, place: Place | None) -> None:
        """The guest with this context asks for something at that place; before the engine answers."""
        ...

    def misused(self, context: object, misuse: Misuse) -> None:
        """It did what it must not; it is ended."""
        ...


class Unobserved:
    """Nothing is told."""

    def asked(self, context: object, place: Place | None) -> None:
        """See `Observer`."""

    def misused(self, context: object, misuse: Misuse) -> None:
        """See `Observer`."""


class Senses(Protocol):
    """Time and randomness as a guest has them. Called on the thread that polls."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since some instant."""
        ...

    def sleep(self, seconds: float) -> JsonValue | Pending:
        """Begin to sleep; PENDING, and the fiber goes on when the time is over."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Random bytes."""
        ...


Work: TypeAlias = Callable[[], JsonValue]


def current() -> NativeFiber | None:
    """The fiber whose guest the calling thread runs."""
    return getattr(_local, "fiber", None)


class NativeFiber:
    """See the module's text. `work` is the guest's whole run; `is_own` says which files are the author's."""

    def __init__(
        self,
        work: Work,
        context: object,
        *,
        space: Space,
        seats: Seats,
        senses: Senses,
        observer: Observer,
        is_own: Callable[[str], bool],
        is_workflow: bool,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.context, self.senses, self.space, self.is_workflow = context, senses, space, is_workflow
        self.patience_s = patience_s
        self.place: Place | None = None
        """Where it asked last."""
        self._work, self._seats, self._observer, self._is_own = work, seats, observer, is_own
        self._seat: Seat | None = None
        self._call: tuple[Handler, list[JsonValue]] | None = None
        self._answer: object = _NONE
        self._trap: GuestTrap | None = None
        self._over: Poll | BaseException | None = None
        self._forbidden: tuple[str, list[traceback.FrameSummary]] | None = None
        self._waits = self._dead = self._closed = False
        self._due_s: float | None = None

    # --- the guest's side -------------------------------------------------------------------------------------------
    def ask(self, handler: Handler, args: list[JsonValue]) -> Any:
        """Have a host function answered."""
        if self._dead:
            raise Ended
        self.place = self._own_place()
        self._call = handler, args
        assert self._seat is not None
        self._seat.hand_back()
        if self._dead:
            raise Ended
        answer, self._answer = self._answer, _NONE
        return answer

    def sense(self, read: Callable[[], Any]) -> Any:
        """Have time, randomness or output read or written where the engine runs."""
        return self.ask(lambda _context, _args: cast("JsonValue", read()), [])

    def forbid(self, what: str) -> None:
        """The guest does what it must not: it ends. Raises RuntimeError."""
        if self._forbidden is None:
            self._forbidden = what, self._summary(_frames())
        raise RuntimeError(what)

    def _main(self) -> None:
        _local.fiber = self
        try:
            self._over = Returned(self._work())
        except Ended:
            self._over = Trapped(TrapReason.HOST, "ended")
        except GuestTrap as trap:
            self._over = Trapped(trap.reason, str(trap))
        except BaseException as error:
            self._over = error
        finally:
            _local.fiber = None

    def _trapped(self, error: BaseException) -> Trapped:
        """The end of a guest that let an exception through, told as that of a component is."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if self._is_own(frame.filename)] or list(frames)
        first = next((index for index, frame in enumerate(frames) if frame is own[0]), 0) if own else 0
        told = traceback.TracebackException.from_exception(error)
        told.stack = traceback.StackSummary.from_list(frames[first:])
        name = type(error).__qualname__ if type(error).__module__ == "builtins" else _full_name(type(error))
        place = f" ({_short(own[-1].filename)}:{own[-1].lineno}, in {own[-1].name})" if own else ""
        reason = TrapReason.EXITED if isinstance(error, SystemExit) else TrapReason.TRAPPED
        return Trapped(reason, f"{name}: {error}{place}", "".join(told.format()))

    def _own_place(self) -> Place | None:
        for frame in _frames():
            if self._is_own(frame.f_code.co_filename):
                return Place(file=frame.f_code.co_filename, line=frame.f_lineno, function=frame.f_code.co_name)
        return None

    # --- the engine's side ------------------------------------------------------------------------------------------
    def poll(self, hand_over: HandOver | None = None) -> Poll:
        """See `guest.Fiber`."""
        assert not self._closed, "the fiber has ended"
        if self._due_s is not None:
            if asyncio.get_running_loop().time() < self._due_s:
                return WAITING
            self._due_s, self._answer, self._waits = None, None, False
        if self._waits:
            return WAITING
        if self._seat is None:
            self._seat = self._seats.take()
            self._seat.enter(self._main)
        with self.space.installed():
            return self._exchange(hand_over)

    def _exchange(self, hand_over: HandOver | None) -> Poll:
        while True:
            if self._trap is not None:
                trap = self._trap
                self._unwind()
                return self._ended(Trapped(trap.reason, str(trap)))
            if not self._let_run():
                return self._stuck()
            if self._over is not None:
                over, self._over = self._over, None
                self._seat = None
                return self._ended(self._trapped(over) if isinstance(over, BaseException) else over)
            assert self._call is not None
            (handler, args), self._call = self._call, None
            self._observer.asked(self.context, self.place)
            try:
                answer = self._answered(handler, args, hand_over)
            except GuestTrap as trap:
                self._trap = trap
                continue
            except BaseException:
                self._unwind()
                self._closed = True
                raise
            if answer is PENDING:
                self._waits = True
                return WAITING
            self._answer = answer

    def _answered(self, handler: Handler, args: list[JsonValue], hand_over: HandOver | None) -> JsonValue | Pending:
        if hand_over is None:
            return handler(self.context, args)
        return hand_over(lambda: handler(self.context, args))

    def _let_run(self) -> bool:
        assert self._seat is not None
        return self._seat.let_run(self.patience_s)

    def _stuck(self) -> Poll:
        """The guest does not come back: say where it is, stop it."""
        seat = self._seat
        assert seat is not None
        frame = seat.frame()
        stack = self._summary(_up(frame))
        what = f"the code computes or blocks: it asked for nothing for {self.patience_s:g} s"
        self._dead = True
        stopped = seat.stop()
        self._over = self._seat = None
        if not stopped:
            what += ". It cannot be stopped: its thread goes on until the process ends"
        self._forbidden = what, stack
        return self._ended(Trapped(TrapReason.COMPUTED_TOO_LONG, what))

    def _ended(self, end: Poll) -> Poll:
        self._closed = True
        if self._forbidden is None:
            return end
        what, frames = self._forbidden
        stack = "".join(traceback.format_list(frames))
        self._observer.misused(self.context, Misuse(what=what, stack=stack))
        return Trapped(TrapReason.TRAPPED, what, stack)

    def stack(self) -> Sequence[traceback.FrameSummary]:
        """Where the guest waits, the outermost call first."""
        return self._summary(_up(self._seat.frame())) if self._seat is not None else ()

    def _summary(self, frames: Iterator[FrameType]) -> list[traceback.FrameSummary]:
        """The calls from the author's first one on, the outermost first. Their text is read later: a guest opens no
        files."""
        inner = [frame for frame in frames if not frame.f_code.co_filename.startswith(_HERE)]
        last = max((n for n, frame in enumerate(inner) if self._is_own(frame.f_code.co_filename)), default=len(inner))
        calls = ((frame, frame.f_lineno) for frame in reversed(inner[: last + 1]))
        return list(traceback.StackSummary.extract(calls, lookup_lines=False))

    def wake_in(self, seconds: float) -> Pending:
        """Let the guest wait for some seconds of the event loop's time; what a handler answers."""
        self._due_s = asyncio.get_running_loop().time() + max(seconds, 0.0)
        return PENDING

    def resume(self, value: JsonValue) -> None:
        """See `guest.Fiber`."""
        self._answer, self._waits = value, False

    def fail(self, trap: GuestTrap) -> None:
        """See `guest.Fiber`."""
        self._trap, self._waits = trap, False

    def when_ready(self, callback: Callable[[], None]) -> None:
        """See `guest.Fiber`."""
        assert self._due_s is not None, "a native activity waits for nothing but time"

        def call() -> None:
            if not self._closed:
                callback()

        asyncio.get_running_loop().call_at(self._due_s, call)

    def interrupt(self) -> None:
        """See `guest.Fiber`: it is ended by `close`, or when its patience is over."""

    def close(self) -> None:
        """See `guest.Fiber`."""
        if not self._closed:
            self._closed = True
            self._unwind()

    def _unwind(self) -> None:
        """End a guest that waits: its own clean-up runs, and may ask for nothing."""
        self._dead = True
        seat, self._seat = self._seat, None
        if seat is not None:
            with self.space.installed():
                if not seat.let_run(self.patience_s):
                    seat.stop()


def _frames() -> Iterator[FrameType]:
    """The calls that led here, the innermost first."""
    return _up(inspect.currentframe())


def _up(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _full_name(class_: type) -> str:
    return f"{class_.__module__}.{class_.__qualname__}"


def _short(file: str) -> str:
    return file.rpartition("/")[2]
