"""Who follows which execution: told after each commit that touched it, so that followers need not poll.

A store has one, for the process's own commits. What other processes commit is not told: who follows looks for that from
time to time. One event loop uses it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class News:
    """See the module's text."""

    def __init__(self) -> None:
        self._followers: dict[str, list[Callable[[], None]]] = {}
        self.is_followed = False
        """Whether there are followers; without any, telling costs nothing."""

    def follow(self, execution_id: str, told: Callable[[], None]) -> Callable[[], None]:
        """Call `told` after each commit that touches the execution; what is returned ends that."""
        self._followers.setdefault(execution_id, []).append(told)
        self.is_followed = True

        def end() -> None:
            followers = self._followers.get(execution_id, [])
            if told in followers:
                followers.remove(told)
            if not followers:
                self._followers.pop(execution_id, None)
                self.is_followed = bool(self._followers)

        return end

    def tell(self, execution_ids: Iterable[str]) -> None:
        """Something of these executions was committed."""
        for execution_id in execution_ids:
            for told in tuple(self._followers.get(execution_id, ())):
                told()


class NewsStore(Protocol):
    """What a store has of it."""

    news: News
    """Told of the executions that a transaction, a claim or lines touched, once that is durable."""
