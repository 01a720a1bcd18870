"""Does the simulation watch workers? Deliberate bugs in how they are served, each of which some seed must bring to
light."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as replaced

from auditor import audit
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.executor.leases import Patience
from obelisk.runtime.external import attempt, matching, roster
from obelisk.runtime.external import ends as ends_module
from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.ends import Ends, Told
from obelisk.runtime.external.exchange import Fate, Result, State, Verdict
from obelisk.runtime.external.held import Held
from obelisk.runtime.external.matching import Matching
from obelisk.runtime.external.overlooked import Overlooked
from obelisk.runtime.external.served import served
from obelisk.runtime.external.serving import External
from obelisk.runtime.external.waiting import WaitingClaim
from obelisk.runtime.log.events import Locked
from obelisk.runtime.ports.beats import Beat
from obelisk.runtime.ports.claims import Claim, Limit
from obelisk.runtime.ports.guest import JsonValue, Returned, Trapped
from obelisk.runtime.ports.store import Create
from obelisk.runtime.store.memory.store import MemoryStore
from sim_bugs import is_caught
from sim_faults import Faults
from sim_system import LABEL
from sim_world import simulate

SEEDS = 20
HAPPENS = {
    "attempt",
    "attempt with a heartbeat",
    "accepted result",
    "invalid result",
    "stale result",
    "timed_out attempt",
    "cancelled attempt",
    "paused attempt",
    "lost lease",
    "cut off",
    "no answer from the dead",
}
"""What happens to workers, many times in a few seeds."""
BUSY = Faults(workers=4, deployments=(), meddle_every_s=2.0, submitted=("hauling",))
Patch = pytest.MonkeyPatch


def results_are_acknowledged_before_their_commit(patch: Patch) -> None:
    """A verdict does not wait for the end that it stands for."""
    right = Ends._record  # pyright: ignore[reportPrivateUsage]

    def record(ends: Ends, attempt: ExternalAttempt, end: Returned | Trapped, told: Told, **how: Any) -> None:
        right(ends, attempt, end, lambda _: None, **how)
        told(None)

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
    """An answer that was lost is lost: no lock is compared with what the worker has."""

    async def compare(_: External, claim: WaitingClaim) -> None:
        del claim

    patch.setattr(External, "_compare", compare)


def leases_of_workers_last_for_ever(patch: Patch) -> None:
    """What a worker holds that is silent is given to no other."""

    def is_over(_: Patience, expires_at_us: int, now_us: int) -> bool:
        del expires_at_us, now_us
        return False

    patch.setattr(Patience, "is_over", is_over)


def an_end_on_record_is_told_as_accepted(patch: Patch) -> None:
    """A result that is said again is accepted again."""
    right = ends_module.stale

    def stale(result: Result, fate: Fate) -> Verdict:
        verdict = right(result, fate)
        return replaced(verdict, state=State.ACCEPTED) if fate is Fate.ENDED else verdict

    patch.setattr(ends_module, "stale", stale)


def what_was_lost_with_the_lease_is_told_as_accepted(patch: Patch) -> None:
    """A result of a run whose lock was given to others is acknowledged, and kept nowhere."""
    right = ends_module.stale

    def stale(result: Result, fate: Fate) -> Verdict:
        verdict = right(result, fate)
        return replaced(verdict, state=State.ACCEPTED) if fate is Fate.LOST else verdict

    patch.setattr(ends_module, "stale", stale)


def results_count_whichever_worker_says_them(patch: Patch) -> None:
    """A worker that lost its lease may end an attempt that it began under its old id."""
    right = Ends._begin  # pyright: ignore[reportPrivateUsage]

    def begin(ends: Ends, worker: str, attempt: ExternalAttempt, *how: Any) -> Verdict:
        del worker
        return right(ends, attempt.worker, attempt, *how)

    patch.setattr(Ends, "_begin", begin)


def only_the_server_that_gave_it_takes_the_result(patch: Patch) -> None:
    """A result of an attempt that another server handed out is refused."""

    async def load(*_: object) -> None:
        """Finds nothing."""

    patch.setattr(Ends, "load", load)


def results_are_taken_as_they_are(patch: Patch) -> None:
    """No result is compared with the type of its function."""

    def checked(_: DeployedFunction, result: Result) -> tuple[JsonValue, tuple[()]]:
        return {result.case: result.value}, ()

    patch.setattr(attempt, "_checked", checked)


def labels_and_types_do_not_matter(patch: Patch, *, labels: bool = False, types: bool = False) -> None:
    """A worker is taken for one that has all labels, or was made for any types."""

    def served_to(registry: Registry, functions: Mapping[str, str], has: Set[str]) -> Mapping[str, DeployedFunction]:
        offered = dict.fromkeys(functions, "") if types else functions
        return served(registry, offered, {LABEL} if labels else has)

    patch.setattr(roster, "served", served_to)


def labels_do_not_matter(patch: Patch) -> None:
    """A worker is given attempts though it lacks the label of their component."""
    labels_and_types_do_not_matter(patch, labels=True)


def types_do_not_matter(patch: Patch) -> None:
    """A worker is given attempts though its code was made for other types."""
    labels_and_types_do_not_matter(patch, types=True)


def limits_do_not_bind_claims(patch: Patch) -> None:
    """A worker that claims gets what is pending, however many are locked."""

    def claim(*, limits: Mapping[str, Limit], **fields: Any) -> Claim:
        return Claim(**fields, limits={ffqn: replaced(limit, most=1_000) for ffqn, limit in limits.items()})

    patch.setattr(matching, "Claim", claim)


def limits_do_not_bind_creations(patch: Patch) -> None:
    """What is created while a worker waits is locked for it, however many are locked."""
    right = Matching.reserve

    def reserve(matching: Matching, function: DeployedFunction) -> Locked | None:
        settings = replaced(function.component.settings, max_concurrent=0)
        return right(matching, replace(function, component=replace(function.component, settings=settings)))

    def serves(matching: Matching, claim: WaitingClaim, function: DeployedFunction) -> bool:
        registry = matching._context.registry  # pyright: ignore[reportPrivateUsage]
        return function.ffqn in claim.known.serves(registry)

    patch.setattr(Matching, "reserve", reserve)
    patch.setattr(Matching, "_serves", serves)


def heartbeats_are_mixed_up(patch: Patch) -> None:
    """An attempt is given the last heartbeat of whatever execution."""

    async def beat(store: MemoryStore, execution_id: str) -> Beat | None:
        del execution_id
        return next(reversed(store.database.beats.values()), None)

    patch.setattr(MemoryStore, "beat", beat)


def what_ended_elsewhere_is_kept(patch: Patch) -> None:
    """A process does not find out that an attempt which it handed out has ended through another one."""

    async def look(*_: object) -> None:
        """Does nothing."""

    patch.setattr(Ends, "look", look)


BUGS: tuple[Callable[[Patch], None], ...] = (
    results_are_acknowledged_before_their_commit,
    attempts_leave_before_their_lock_is_on_record,
    no_attempt_is_timed,
    what_a_worker_does_not_have_is_never_given_again,
    leases_of_workers_last_for_ever,
    an_end_on_record_is_told_as_accepted,
    what_was_lost_with_the_lease_is_told_as_accepted,
    results_count_whichever_worker_says_them,
    only_the_server_that_gave_it_takes_the_result,
    results_are_taken_as_they_are,
    labels_do_not_matter,
    types_do_not_matter,
    limits_do_not_bind_claims,
    limits_do_not_bind_creations,
    heartbeats_are_mixed_up,
    what_ended_elsewhere_is_kept,
)
MORE_OF_ITS_FAULT: dict[Callable[[Patch], None], Faults] = {
    what_a_worker_does_not_have_is_never_given_again: replace(
        BUSY, lost_exchange=0.3, silent_worker=0, cut_network=0, leaving_worker=0, dying_worker=0, labelled=1
    ),
    results_count_whichever_worker_says_them: replace(BUSY, lost_exchange=0.3, dying_worker=0.2),
}


@pytest.mark.parametrize("bug", BUGS, ids=[bug.__name__ for bug in BUGS])
def test_some_seed_finds_it(bug: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    assert any(is_caught(seed, MORE_OF_ITS_FAULT.get(bug, BUSY)) for seed in range(SEEDS)), bug.__doc__


def test_without_them_the_laws_hold_and_all_that_may_happen_to_workers_does() -> None:
    happened = Counter[str]()
    for seed in range(12):
        world = simulate(seed, faults=BUSY)
        assert audit(world) == []
        happened += world.happened
    assert {name: count for name, count in happened.items() if count}.keys() >= HAPPENS
