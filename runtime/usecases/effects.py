"""What the use cases that steer executions answer. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Effect(enum.Enum):
    """What an intervention did: DONE it was recorded; ALREADY it was so before; CANCELLING or FINISHED: too late."""

    DONE = "done"
    ALREADY = "already"
    CANCELLING = "cancelling"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervened:
    """The answer to an intervention. `id` is an execution's or, for a cancellation, perhaps a delay's."""

    id: str
    effect: Effect
