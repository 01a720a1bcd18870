"""Replacements for functions in a test: a Python function, a value, or a script of what its attempts do."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from obelisk.codegen.emit.guest.names import snake
from obelisk.codegen.model.items import Function
from obelisk.native.bindings import Bindings
from obelisk.native.values import raises
from obelisk.runtime.ports.guest import (
    GuestTrap,
    HandOver,
    JsonValue,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
)
from obelisk.testing.errors import KitError

_WAITING: Final = Waiting()


@dataclass(frozen=True, slots=True)
class Fails:
    """An attempt that traps, as for an exception that nothing caught; see `fails`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hangs:
    """An attempt that waits without end; see `times_out`."""


def fails(reason: str = "it fails, as the test wants") -> Fails:
    """A step of a script: the attempt ends in a trap; the engine tries again as the component's settings say."""
    return Fails(reason)


def times_out() -> Hangs:
    """A step of a script: the attempt does not answer, until the engine gives it up after `attempt_timeout_ms`."""
    return Hangs()


def never() -> Script:
    """What stands for a function that never answers: each attempt ends by the engine's time limit."""
    return script(Hangs())


@dataclass(slots=True)
class Script:
    """What attempts do, one after the other; the last step is that of all others. See `script`."""

    steps: Sequence[object]
    taken: int = field(default=0, init=False)

    def next(self) -> object:
        """The step of the next attempt."""
        step = self.steps[min(self.taken, len(self.steps) - 1)]
        self.taken += 1
        return step


def script(*steps: object) -> Script:
    """What the attempts at a function do, whichever call they belong to: the first does the first step, the last step
    is that of all further ones.

    A step is a value, which is returned; an `Err`, which is returned as one; a function, which is called with the
    arguments; `fails(…)` or `times_out()`.
    """
    if not steps:
        raise KitError("a script has at least one step")
    return Script(steps)


Broke: TypeAlias = Callable[[BaseException], None]
"""Told when a stand-in itself is wrong, or an assertion in it fails: the test fails."""


class StandIn:
    """What answers one function. `values` has the classes that the test sees."""

    def __init__(self, ffqn: str, function: Function, bindings: Bindings, what: object) -> None:
        """KitError, Unfit: `what` cannot stand for the function."""
        self.ffqn, self._function, self._bindings = ffqn, function, bindings
        self._script = what if isinstance(what, Script) else Script((what,))
        for step in self._script.steps:
            self._check(step)

    def _check(self, step: object) -> None:
        if isinstance(step, Fails | Hangs):
            return
        if callable(step) and not isinstance(step, self._bindings.err):
            names = [snake(param.name) for param in self._function.params]
            try:
                inspect.signature(step).bind(*names)
            except TypeError:
                wanted = ", ".join(names) or "nothing"
                raise KitError(
                    f"what stands for {self.ffqn} takes other parameters: it is called with {wanted}"
                ) from None
            except ValueError:
                pass  # something built in, whose parameters cannot be looked at
            return
        self._lowered(step)

    def _lowered(self, value: object) -> JsonValue:
        """A result as the engine has it. Unfit."""
        if isinstance(value, self._bindings.err) and not raises(self._function):
            raise KitError(f"{self.ffqn} has no err in its result: let it fail with `fails(…)`")
        return cast("JsonValue", self._bindings.values.lower_result(self._function, value))

    def start(self, args: Sequence[JsonValue], broke: Broke) -> StandInFiber:
        """An attempt."""
        return StandInFiber(self, self._script.next(), args, broke)

    def answer(self, step: object, args: Sequence[JsonValue]) -> JsonValue | Awaitable[Any]:
        """What a step that answers gives. Unfit, and what the function raises but `Err`."""
        if not callable(step) or isinstance(step, self._bindings.err):
            return self._lowered(step)
        try:
            value: Any = step(*self._bindings.values.lift_params(self._function, args))
        except self._bindings.err as error:
            value = error
        return value if inspect.isawaitable(value) else self._lowered(value)

    async def awaited(self, value: Awaitable[Any]) -> JsonValue:
        """The result as JSON, once it is there."""
        try:
            return self._lowered(await value)
        except self._bindings.err as error:
            return self._lowered(error)


class StandInFiber:
    """One attempt at a function that something else stands for. See `guest.Fiber`."""

    def __init__(self, stand_in: StandIn, step: object, args: Sequence[JsonValue], broke: Broke) -> None:
        self._stand_in, self._step, self._args, self._broke = stand_in, step, args, broke
        self._task: asyncio.Task[JsonValue] | None = None
        self._closed = False

    def poll(self, hand_over: HandOver | None = None) -> Poll:
        """See `guest.Fiber`."""
        if isinstance(self._step, Fails):
            return Trapped(TrapReason.TRAPPED, self._step.reason)
        if isinstance(self._step, Hangs):
            return _WAITING
        try:
            if self._task is not None:
                return Returned(self._task.result()) if self._task.done() else _WAITING
            answer = self._stand_in.answer(self._step, self._args)
            if not inspect.isawaitable(answer):
                return Returned(answer)
            self._task = asyncio.get_running_loop().create_task(self._stand_in.awaited(answer))
            return _WAITING
        except GuestTrap as trap:
            return Trapped(trap.reason, str(trap))
        except (AssertionError, TypeError) as error:  # of the test itself, an attempt more would be no better
            self._broke(error)
            return Trapped(TrapReason.TRAPPED, f"{type(error).__name__}: {error}")
        except Exception as error:
            return Trapped(TrapReason.TRAPPED, f"{type(error).__name__}: {error}")
        except BaseException as error:  # `pytest.fail`, `pytest.skip`
            if isinstance(error, KeyboardInterrupt | SystemExit | asyncio.CancelledError):
                raise
            self._broke(error)
            return Trapped(TrapReason.TRAPPED, f"{type(error).__name__}: {error}")

    def when_ready(self, callback: Callable[[], None]) -> None:
        """See `guest.Fiber`."""
        if self._task is not None:
            self._task.add_done_callback(lambda _: None if self._closed else callback())

    def resume(self, value: JsonValue) -> None:
        """See `guest.Fiber`; never called."""
        raise AssertionError("a replacement asks the engine for nothing")

    def fail(self, trap: GuestTrap) -> None:
        """See `guest.Fiber`; never called."""
        raise AssertionError("a replacement asks the engine for nothing")

    def interrupt(self) -> None:
        """See `guest.Fiber`."""

    def close(self) -> None:
        """See `guest.Fiber`."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
