"""Another try of a call that returned an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err

from obelisk_guest.clock import sleep
from obelisk_guest.spans import Span, seconds_of

R = TypeVar("R")


def _always(_: object) -> bool:
    return True


def retry(
    function: Callable[[], R],
    *,
    attempts: int = 3,
    pause: Span = 1.0,
    factor: float = 2.0,
    max_pause: Span = 60.0,
    when: Callable[[Any], bool] = _always,
) -> R:
    """Call a function until it raises no `Err`, at most `attempts` times, with durable sleeps in between.

    The engine repeats activities by itself, as their component's settings say. This is for what only the workflow can
    decide: a child workflow that failed, or an activity's error that is worth another round later.

    The first pause is `pause`, each one after it `factor` times as long, `max_pause` at most. `when` gets the value of
    the `Err` and says whether it is worth another attempt. The last error is raised; other exceptions are at once.
    """
    if attempts < 1:
        raise ValueError(f"at least one attempt, got {attempts}")
    wait, longest = seconds_of(pause), seconds_of(max_pause)
    for _ in range(attempts - 1):
        try:
            return function()
        except Err as error:
            if not when(error.value):
                raise
        sleep(min(wait, longest))
        wait = min(wait * factor, longest)
    return function()
