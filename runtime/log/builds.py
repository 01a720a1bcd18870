"""Which build of a component made an execution's history. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.runtime.log import events as log


def last_build(events: Sequence[log.Event]) -> str:
    """The digest of the build that the end of the history was made with, or upgraded to; ``""`` without history.

    A run that added nothing to the history (it only waited, or was paused because it diverges) does not count.
    """
    locked, made = "", ""
    for event in events:
        if isinstance(event, log.Locked):
            locked = event.digest
        elif isinstance(event, log.ComponentUpgraded):
            locked = made = event.digest
        elif isinstance(event, log.HistoryEvent):
            made = locked
    return made
