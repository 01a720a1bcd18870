"""Is the auditor awake when something is deployed? Deliberate bugs, each of which some seed must bring to light."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec
import pytest

from obelisk.codegen.model import signatures
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.executor.serving import Serving
from obelisk.runtime.log.events import ChildFinished, Created, Divergence, Failed, FailureKind
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Prepared
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.store.memory import database as memory_database
from obelisk.runtime.store.memory.database import MemoryDatabase
from obelisk.runtime.store.memory.execution import Execution
from obelisk.runtime.workers import attempt, sizes, support
from obelisk.runtime.workers.batch import Progress
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.workflow import WorkflowRun
from sim_bugs import is_caught
from sim_faults import PINNED, Faults

SEEDS = 400
Patch = pytest.MonkeyPatch


def deployments_are_not_heard_of(patch: Patch) -> None:
    """A process goes on with what was deployed when it began."""
    right = Deployment.load

    async def load(deployment: Deployment) -> None:
        if deployment.registry == Registry():
            await right(deployment)

    patch.setattr(Deployment, "load", load)


def what_diverges_is_ended(patch: Patch) -> None:
    """An execution whose history another build made ends as nondeterministic."""

    def diverged(run: WorkflowRun, report: Divergence, reason: str = "") -> Progress:
        kind = FailureKind.NONDETERMINISM_DETECTED
        failed = Failed(kind=kind, error_id="Err_1", reason=reason, divergence=report)
        return run._finish(failed)  # pyright: ignore[reportPrivateUsage]

    patch.setattr(WorkflowRun, "_diverged", diverged)


def limits_of_today_judge_what_is_on_record(patch: Patch) -> None:
    """A call that is on record is refused because a limit was lowered."""

    def require(calls: HostCalls, size: int, what: str) -> None:
        if size > calls.function.component.settings.max_value_bytes:
            raise GuestTrap(f"size limit: {what}")

    patch.setattr(sizes, "_require", require)


def outdated_builds_are_run(patch: Patch) -> None:
    """An executor goes on with builds that are not deployed any more."""
    right = MemoryDatabase.claim

    def claim(database: MemoryDatabase, claim: Claim) -> tuple[Stored, ...]:
        binaries, database.binaries = database.binaries, {}
        try:
            return right(database, claim)
        finally:
            database.binaries = binaries

    patch.setattr(MemoryDatabase, "claim", claim)


def answers_are_read_with_the_types_of_today(patch: Patch) -> None:
    """What a child's answer looks like is looked up in what is deployed."""

    def shape(calls: HostCalls, response: ChildFinished) -> str:
        function = calls.context.registry.functions.get(calls.machine.facts.function_of(response.child))
        return signatures.NOTHING if function is None else function.shape

    patch.setattr(support, "_shape", shape)


def calls_on_record_are_checked_again(patch: Patch) -> None:
    """Whether a function may be called by name is looked up in what is deployed, for a recorded call, too."""
    right = support._checked  # pyright: ignore[reportPrivateUsage]

    def checked(calls: HostCalls, function: JsonValue, params: JsonValue) -> object:
        found = right(calls, function, params)
        if isinstance(found, tuple):
            calls.context.registry.function(found[0])
        return found

    patch.setattr(support, "_checked", checked)


def what_is_paused_too_late_stays_paused(patch: Patch) -> None:
    """A run that began before a rollback pauses its execution after it, and nothing looks for that."""

    def progressed(*_: object) -> None:
        """Does nothing."""

    patch.setattr(Serving, "progressed", progressed)


def what_is_paused_unheard_stays_paused(patch: Patch) -> None:
    """The answer to a pause is lost, which came after a rollback, and nothing looks for that."""

    def paused(*_: object) -> None:
        """Does nothing."""

    patch.setattr(Serving, "paused", paused)


def pinned_executions_take_what_is_deployed(patch: Patch) -> None:
    """An execution that has begun is claimed for the build that is deployed, though its component pins."""

    def build_for(execution: Execution, _: Claim, digests: Mapping[str, str]) -> str | None:
        return digests.get(execution.state.ffqn)

    patch.setattr(memory_database, "_build_for", build_for)


def pinned_executions_are_run_with_what_is_deployed(patch: Patch) -> None:
    """A run gets the code that is deployed, whatever build its lock names."""
    right = Serving.serve

    def serve(serving: Serving, registry: Registry, prepared: dict[str, Prepared]) -> None:
        current = {c.name: prepared[c.digest] for c in registry.components if c.digest in prepared}
        right(serving, registry, prepared | {c.digest: current[c.name] for c in registry.builds})

    patch.setattr(Serving, "serve", serve)


def work_of_other_types_is_tried(patch: Patch) -> None:
    """What was begun with other types than the deployed build has is run with it."""

    def params_for(created: Created, _: DeployedFunction) -> msgspec.Raw:
        return created.params

    patch.setattr(attempt, "params_for", params_for)


BUGS = (
    deployments_are_not_heard_of,
    what_diverges_is_ended,
    limits_of_today_judge_what_is_on_record,
    outdated_builds_are_run,
    answers_are_read_with_the_types_of_today,
    calls_on_record_are_checked_again,
    what_is_paused_too_late_stays_paused,
    what_is_paused_unheard_stays_paused,
    pinned_executions_take_what_is_deployed,
    pinned_executions_are_run_with_what_is_deployed,
    work_of_other_types_is_tried,
)
USUAL = Faults(deploy_every_s=1.5)
LATE = Faults(
    deployments=("ask", "roll back"),
    slow_commit=0.7,
    dying_commit=0,  # no process is started again where none crashes
    deploy_every_s=4,
    crash_every_s=0,
    crashing_turn=0,
    processes=1,  # another would hear of the rollback later, and look for what is paused by then
)
MORE_OF_ITS_FAULT: dict[Callable[[Patch], None], Faults] = {
    pinned_executions_take_what_is_deployed: PINNED,
    pinned_executions_are_run_with_what_is_deployed: PINNED,
    limits_of_today_judge_what_is_on_record: Faults(deploy_every_s=0.5, deployments=("settings",)),
    what_is_paused_too_late_stays_paused: LATE,
    what_is_paused_unheard_stays_paused: replace(
        LATE, lost_answer=0, lost_pause=1, workers=1, slow_commit=1.0, meddle_every_s=0, deploy_every_s=1
    ),
}


@pytest.mark.parametrize("bug", BUGS, ids=[bug.__name__ for bug in BUGS])
def test_the_auditor_finds_a_bug(bug: Callable[[Patch], None], monkeypatch: Patch) -> None:
    bug(monkeypatch)
    faults = MORE_OF_ITS_FAULT.get(bug, USUAL)
    assert any(is_caught(seed, faults) for seed in range(SEEDS)), bug.__doc__


@pytest.mark.parametrize("faults", [USUAL, *dict.fromkeys(MORE_OF_ITS_FAULT.values())])
def test_without_a_bug_it_finds_nothing(faults: Faults) -> None:
    assert [seed for seed in range(40) if is_caught(seed, faults)] == []
