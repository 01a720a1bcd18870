"""In which order a claim takes what is due: each component and each lane in turn, the oldest first. Pure.

By age alone, a backlog of one component or one family of executions would be worked off whole before anything younger
begins. So what is due is told apart by component and by lane (`Create.lane`), and taken one of each, then a second of
each, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])


def in_turn(queues: Iterable[Sequence[T]], turn: int) -> list[T]:
    """What stands in the queues, each in its order, one of each after the other. An entry begins with its instant and
    its number: the queue with the oldest one begins, or another one for another `turn`, so that claims which take
    little take it from each."""
    waiting = sorted((queue for queue in queues if queue), key=lambda queue: queue[0][:2])
    if len(waiting) < 2:
        return list(waiting[0]) if waiting else []
    begin = turn % len(waiting)
    rounds = zip_longest(*waiting[begin:], *waiting[:begin])
    return [one for one in chain.from_iterable(rounds) if one is not None]
