"""Which build an execution's history is of."""

from __future__ import annotations

import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.log.builds import last_build


def locked(digest: str) -> log.Locked:
    return log.Locked(executor="Exr_1", run=f"Run_{digest}", digest=digest)


MADE = log.JoinSetCreate(join_set="g:1")


@pytest.mark.parametrize(
    ("events", "digest"),
    [
        ((), ""),
        ((locked("a"),), ""),
        ((locked("a"), MADE), "a"),
        ((locked("a"), MADE, locked("b")), "a"),
        ((locked("a"), MADE, locked("b"), log.Paused(reason="diverges"), log.Unpaused(), locked("b")), "a"),
        ((locked("a"), MADE, locked("b"), MADE), "b"),
        ((locked("a"), MADE, log.ComponentUpgraded(digest="b")), "b"),
        ((locked("a"), MADE, log.ComponentUpgraded(digest="b"), MADE, locked("c")), "b"),
    ],
)
def test_only_runs_that_made_history_count(events: tuple[log.Event, ...], digest: str) -> None:
    assert last_build(events) == digest
