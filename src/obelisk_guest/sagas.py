"""Compensation: what was done is undone when a later step fails."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, Self

from wit_world.imports import log

from obelisk_guest.calls import Call

P = ParamSpec("P")


class Saga:
    """A context manager: when an exception leaves it, its compensations run, the last one first.

    All of them run, whatever becomes of each. One that raises is written to the execution's log and is in `failed`,
    with what it raised. Then the exception goes on.
    """

    def __init__(self) -> None:
        self._steps: list[Call[object]] = []
        self.failed: list[tuple[Call[object], Exception]] = []

    def compensate(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call this function with these arguments if what follows fails.

        Say so before the step that it undoes where that may fail halfway, and make undoing what was not done harmless.
        """
        self._steps.append(Call(function=function, args=args, kwargs=kwargs))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(exc_value, Exception):
            return
        while self._steps:
            step = self._steps.pop()
            try:
                step()
            except Exception as error:
                name = getattr(step.function, "__name__", repr(step.function))
                told = f"compensation {name} failed: {type(error).__name__}: {error}"
                log.error(told)
                self.failed.append((step, error))


def saga() -> Saga:
    """A `Saga`: ``with saga() as undo: … undo.compensate(cars.cancel, booking.id)``."""
    return Saga()
