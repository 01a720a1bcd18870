"""What a workflow waits for, as people are told: since when, for which children and delays, and until when. Pure."""

from __future__ import annotations

from typing import Protocol

import msgspec


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A child or a delay that has not answered. Of a delay `ffqn` and `status` are ``""``, and `until_us` is its end;
    of a child `until_us` is its deadline, None when it has none; as a store gives it, `deadlines.UNBOUNDED` when it has
    none on record, and None when the record does not say."""

    id: str
    ffqn: str = ""
    status: str = ""
    created_at_us: int | None = None
    until_us: int | None = None


class Waiting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`since_us`: the instant of the last step that the workflow made. `requests`: some of the open ones of the join
    set that it waits for, children first."""

    since_us: int
    requests: tuple[OpenRequest, ...]


class WaitingStore(Protocol):
    """The part of a store that knows what a workflow waits for."""

    async def waiting(self, execution_id: str, join_set: str, *, limit: int) -> Waiting:
        """What is open of a join set of an execution that exists, at most `limit` children and as many delays."""
        ...
