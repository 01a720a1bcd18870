"""Does the simulation watch workers? Deliberate bugs in how they are served, each of which some seed must bring to
light."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from auditor import audit
from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.ends import Ends
from obelisk.runtime.external.held import Held
from obelisk.runtime.external.matching import Matching
from obelisk.runtime.external.overlooked import Overlooked
from obelisk.runtime.external.serving import External
from obelisk.runtime.external.waiting import WaitingClaim
from obelisk.runtime.ports.guest import Returned, Trapped
from obelisk.runtime.ports.store import Create
from sim_faults import Faults
from sim_world import simulate

SEEDS = 40
BUSY = Faults(workers=4, deployments=(), meddle_every_s=2.0)
Patch = pytest.MonkeyPatch


def results_are_acknowledged_before_their_commit(patch: Patch) -> None:
    """A verdict does not wait for the end that it stands for."""
    right = Ends._record  # pyright: ignore[reportPrivateUsage]

    def record(
        ends: Ends, attempt: ExternalAttempt, end: Returned | Trapped, *, again: bool = True, not_before_ms: int = 0
    ) -> asyncio.Future[None]:
        recorded = right(ends, attempt, end, again=again, not_before_ms=not_before_ms)
        recorded.add_done_callback(lambda future: future.exception())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    patch.setattr(Ends, "_record", record)


def attempts_leave_before_their_lock_is_on_record(patch: Patch) -> None:
    """What is locked for a worker that waits is handed out when its creation is queued."""
    right, launch = Executor.begin, Matching.launch

    def begin(executor: Executor, new: Create) -> None:
        right(executor, new)
        if new.locked is not None and new.locked.executor != executor.id:
            launch(executor.workers.matching, new)

    patch.setattr(Executor, "begin", begin)


def no_attempt_is_timed(patch: Patch) -> None:
    """No timer ends an attempt, and no process looks for those that are overdue."""

    async def look(_: Overlooked) -> None:
        """Does nothing."""

    def expire(_: Held, run: str) -> None:
        del run

    def limit_ms(_: ExternalAttempt) -> float:
        return 1e9

    patch.setattr(Overlooked, "look", look)
    patch.setattr(Held, "_expire", expire)
    patch.setattr(ExternalAttempt, "limit_ms", property(limit_ms))


def what_a_worker_does_not_have_is_never_given_again(patch: Patch) -> None:
    """An answer that was lost is lost: no lock is compared with what the worker has, and no attempt is timed."""

    async def compare(_: External, claim: WaitingClaim) -> None:
        del claim

    no_attempt_is_timed(patch)
    patch.setattr(External, "_compare", compare)


BUGS: tuple[Callable[[Patch], None], ...] = (
    results_are_acknowledged_before_their_commit,
    attempts_leave_before_their_lock_is_on_record,
    no_attempt_is_timed,
    what_a_worker_does_not_have_is_never_given_again,
)


@pytest.mark.parametrize("bug", BUGS)
def test_some_seed_finds_it(bug: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    assert any(audit(simulate(seed, faults=BUSY)) for seed in range(SEEDS))


def test_without_them_the_laws_hold() -> None:
    assert [problem for seed in range(4) for problem in audit(simulate(seed, faults=BUSY))] == []
