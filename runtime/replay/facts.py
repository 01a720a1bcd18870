"""What can be asked of a replay machine between commands: facts of its log and join sets. Asking changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from obelisk.runtime.log import events as log
from obelisk.runtime.replay.join_sets import JoinSets
from obelisk.runtime.replay.matching import Cursor


class Facts:
    """The asking side of a `machine.Machine`, which keeps it up to date."""

    def __init__(self, sets: JoinSets, cursor: Cursor) -> None:
        self._sets = sets
        self._log = cursor
        self.response: Callable[[str], log.Response | None] = sets.response
        """The response to a child or delay, if it has come, processed or not."""
        self.recorded = cursor
        """The recorded history: `recorded.is_replaying` is asked at every host call."""
        self.last_direct_call: str | None = None
        """The child of the last completed Call."""
        self.last_one_off: str | None = None
        """The child or delay of the last completed Call or Sleep."""
        self.scheduled: set[str] = set()
        """The executions at the top level that the guest has scheduled."""

    @property
    def is_replaying(self) -> bool:
        """Whether recorded history is left."""
        return self._log.is_replaying

    @property
    def position(self) -> int:
        """How much of the recorded history the guest has asked for again."""
        return self._log.index

    @property
    def responses_seen(self) -> int:
        """How many responses were delivered, those at the start included, repeated ones not."""
        return self._sets.delivered

    def processed_response(self, request: str) -> log.Response | None:
        """The response to a child or delay, if the guest has processed it: awaited, called, or closed its join set."""
        return self._sets.processed(request)

    def last_response(self, join_set: str) -> str | None:
        """The child or delay whose response was last taken from a join set, open or closed. JoinSetUnknown."""
        return self._sets.find(join_set).last

    def function_of(self, child: str) -> str:
        """The Ffqn a child was submitted with. RequestUnknown."""
        return self._sets.function_of(child)

    def signature_of(self, child: str) -> str:
        """The signature that the function had when the child was submitted; ``""`` when that is not on record."""
        return self._sets.signature_of(child)

    def next_request(self) -> log.JoinSetRequest | log.Schedule | None:
        """The next recorded event, if it asks for an execution."""
        event = self._log.next_event
        return event if isinstance(event, log.JoinSetRequest | log.Schedule) else None

    def expires_at_us(self, delay: str) -> int:
        """The recorded instant at which a delay expires. RequestUnknown."""
        return self._sets.expires_at_us(delay)

    def join_set_name_exists(self, name: str) -> bool:
        """Whether a join set, open or closed, was given that name."""
        return f"n:{name}" in self._sets

    def children(self, join_set: str) -> tuple[str, ...]:
        """All children of a join set: closing it rests on the responses of each. JoinSetUnknown."""
        return self._sets.find(join_set).children

    def open_delays(self, join_set: str) -> tuple[str, ...]:
        """The unanswered delays of a join set, open or closed: those that closing it gives up. JoinSetUnknown."""
        return self._sets.find(join_set).open_delays

    def submitted(self) -> dict[str, str]:
        """All children with their functions, in the order of submission.

        What the guest submitted in this run and what the log says it did before, whether it was replayed or not: also
        what a guest that diverged left behind.
        """
        return {**self._log.submitted(), **self._sets.submitted()}

    def here(self) -> log.Divergence:
        """The report that the guest did not take the answer to what it asked for last."""
        return self._log.refused()

    def left(self) -> log.Divergence:
        """The report that the guest has ended and the next recorded event is left; there must be one."""
        return self._log.diverge(None).report
