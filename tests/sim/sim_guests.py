"""Guests written in Python: generators that yield the host calls they make, behind the runtime's `guest` protocols.

A guest is a generator function over its parameters. It yields ``Ask(interface, function, args)`` and is sent the
answer, or ``Wait(seconds)``, as an activity that waits for something outside; what it returns is the result. Raising
traps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from obelisk.runtime.ports.guest import (
    PENDING,
    ExportFunction,
    GuestTrap,
    Handler,
    HandOver,
    ImportFunction,
    JsonValue,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
)
from obelisk.runtime.workers.activity import ActivityAttempt

EARLY_S = 1e-6
"""So much before its instant a timer may fire: the loop's time is a floating-point number."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One host call."""

    interface: str
    function: str
    args: list[JsonValue]


@dataclass(frozen=True, slots=True)
class Wait:
    """Waiting for something outside."""

    seconds: float


Steps: TypeAlias = Generator[Ask | Wait, Any, JsonValue]
Script: TypeAlias = Callable[..., Steps]
Effect: TypeAlias = Callable[[object], Callable[[], None] | None]
"""What a script with some context does to the world before it starts; None for one that only computes."""
Told: TypeAlias = list[JsonValue]
"""The answers to the host calls of one guest, in order."""


class ScriptedFiber:
    """One call of a script."""

    def __init__(
        self,
        script: Steps,
        handlers: dict[str, Handler],
        context: object,
        effect: Callable[[], None] | None,
        told: Told,
    ) -> None:
        """`effect`: what an activity does to the world before anything else, once it may. `told` gets the answers."""
        self._told = told
        self._effect = effect
        self._script = script
        self._handlers = handlers
        self._context = context
        self._answer: JsonValue = None
        self._error: Exception | None = None
        self._waiting = False
        self._closed = False
        self._due_s = -1.0  # it has not waited
        self._timer: asyncio.TimerHandle | None = None

    def poll(self, hand_over: HandOver | None = None) -> Poll:
        assert not self._closed, "polled after it was closed"
        if self._waiting or asyncio.get_running_loop().time() < self._due_s - EARLY_S:
            return Waiting()
        if self._effect is not None:
            assert isinstance(self._context, ActivityAttempt)
            if not self._context.covered:
                return Waiting()
            self._effect()
            self._effect = None
        while True:
            try:
                ask = self._script.throw(self._error) if self._error else self._script.send(self._answer)
            except StopIteration as end:
                return Returned(end.value)
            except GuestTrap as trap:
                return Trapped(trap.reason, str(trap))
            except ArithmeticError as trap:
                return Trapped(TrapReason.TRAPPED, str(trap))
            self._answer = self._error = None
            if isinstance(ask, Wait):
                self._due_s = asyncio.get_running_loop().time() + ask.seconds
                return Waiting()
            try:
                answer = self._handlers[f"{ask.interface}.{ask.function}"](self._context, ask.args)
            except GuestTrap as trap:
                self._error = trap
                self._told.append(str(trap))
                continue
            if answer is PENDING:
                self._waiting = True
                return Waiting()
            self._answer = answer
            self._told.append(answer)

    def resume(self, value: JsonValue) -> None:
        assert self._waiting
        self._answer, self._waiting = value, False
        self._told.append(value)

    def fail(self, trap: GuestTrap) -> None:
        assert self._waiting
        self._error, self._waiting = trap, False
        self._told.append(str(trap))

    def when_ready(self, callback: Callable[[], None]) -> None:
        assert not self._waiting, "told by its execution log"
        if self._effect is not None:
            assert isinstance(self._context, ActivityAttempt)
            self._context.when_covered(lambda: None if self._closed else callback())
            return
        assert self._timer is None or self._timer.when() <= asyncio.get_running_loop().time() + EARLY_S, "asked twice"
        self._timer = asyncio.get_running_loop().call_at(self._due_s, callback)

    def interrupt(self) -> None:
        assert self._due_s >= 0 or self._effect is not None, "scripts do not compute"

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._script.close()


def unheard(_: object) -> Told:
    """Nobody looks at the answers."""
    return []


class ScriptedComponent:
    """A component whose exports are scripts, with the handlers the runtime made for its imports (`by_name`).

    `told` gives where a guest's answers go, for its context.
    """

    def __init__(
        self,
        scripts: Mapping[str, Script],
        handlers: dict[str, Handler],
        effect: Effect,
        told: Callable[[object], Told] = unheard,
    ) -> None:
        self._scripts = scripts
        self._handlers = handlers
        self._effect = effect
        self._told = told

    def start(self, export: ExportFunction, args: Sequence[JsonValue], context: object) -> ScriptedFiber:
        script = self._scripts[f"{export.interface}.{export.function.name}"](*args)
        return ScriptedFiber(script, self._handlers, context, self._effect(context), self._told(context))


def by_name(imports: Sequence[ImportFunction]) -> dict[str, Handler]:
    """The handlers as scripts ask for them."""
    return {f"{i.interface}.{i.function.name}": i.handler for i in imports}
