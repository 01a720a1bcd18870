"""A run that is unloaded says how many answers it has seen, counting none that may be recorded later than another."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.ports.store import Append
from obelisk.runtime.workers.history_bound import HistoryBound
from obelisk.runtime.workers.pending_writes import PendingWrites

CREATED = log.Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[]"), scheduled_at_us=1)
LOCKED = log.Locked(executor="Exr_1", run="Run_1", digest="d")
OUTCOME = log.Returned(value=msgspec.Raw(b"1"))


class Told:
    """A machine that was told of three children, and what is around it."""

    responses_seen = 3

    @property
    def facts(self) -> Told:
        return self

    def response(self, request: str) -> log.Response:
        return log.ChildFinished(join_set="g:1", child=request, outcome=OUTCOME)

    def now_us(self) -> int:
        return 5


def seen(*, used: tuple[str, ...]) -> int | None:
    """What is said when the first child is on record, the others were told early, and these of them were used."""
    told = cast("Any", Told())
    added = PendingWrites("E_1", told, told, {"E_1.g:1_1"}, CREATED, HistoryBound(ComponentSettings(), (), ()))
    added.require(used)
    added.event(log.Unlocked(reason="it waits", pending_at_us=5, join_set="o:1"))
    batch = added.take(fold.start(CREATED, LOCKED), LOCKED, "o:1", None)
    assert batch is not None
    (append,) = (write for write in batch.writes if isinstance(write, Append))
    return append.responses_seen


def test_answers_told_early_do_not_count_unless_the_progress_rests_on_them() -> None:
    assert seen(used=()) == 1
    assert seen(used=("E_1.g:1_1",)) == 1
    assert seen(used=("E_1.g:1_2",)) == 2
    assert seen(used=("E_1.g:1_2", "E_1.g:1_3")) == 3
