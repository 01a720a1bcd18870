"""How unkind a simulated world is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from obelisk.runtime.catalog.settings import PIN, REPLAY, UPGRADES
from sim_names import FLOW, FUNCTIONS, SIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How unkind the world is: chances per commit (`dying_commit`: the process dies after it, and nobody hears;
    `lost_answer`, and `lost_pause` for one that pauses: who asked for it hears that it failed), per transaction
    (`large`: it takes a commit for itself, and small ones of other trees pass it), per claim (`lost_claim`: nobody
    hears the answer; `duplicate_claim`: it has in it what another executor got), per wake-up, and per turn of the loop
    (`crashing_turn`: a process dies at whatever await it is); seconds between crashes, between jumps of a process's
    clock, between interventions from outside, and between damages to a log, which are repaired at the end (0: none).
    `stalled_commit` is one that takes longer than a lease lasts. From `full_at_s` on the disk is full for `full_for_s`.
    Per build that a process loads (`unloadable`: it cannot, though others can, until it is tried again; operators
    deploy the same again every `redeploy_every_s`). `labelled`: the chance that a process has the label, `crowded`:
    that it has no room for a guest, `linger_ms`: what it may have for that setting. `deployments` are the kinds of what
    operators deploy (see `sim_deploying`), one every `deploy_every_s`; `upgrade` is the policy of all workflows in the
    beginning and in the end, `policies` what operators choose from; `submitted` is what is asked for. Of `workers`
    outside the engine, chances per turn: one does not hear an answer, says results twice, says one again that was
    acknowledged, leaves heartbeats out, is silent for perhaps longer than its lease, is cut off while it waits and for
    up to half a minute, leaves, or dies; and per registration: its code is of certain types, its clock is an hour
    off."""

    slow_commit: float = 0.2
    stalled_commit: float = 0.002
    failing_commit: float = 0.02
    dying_commit: float = 0.002
    lost_answer: float = 0.0
    lost_pause: float = 0.0
    large: float = 0.0
    unloadable: float = 0.0
    redeploy_every_s: float = 5.0
    lost_claim: float = 0.02
    duplicate_claim: float = 0.1
    lost_wake: float = 0.2
    jump_every_s: float = 5.0
    full_at_s: float = 0.0
    full_for_s: float = 0.0
    crash_every_s: float = 4.0
    crashing_turn: float = 0.0005
    meddle_every_s: float = 1.0
    damage_every_s: float = 8.0
    processes: int = 2
    labelled: float = 0.6
    crowded: float = 0.02
    hot_workflows: int = 3
    linger_ms: tuple[int, ...] = (0, 1_000)
    deployments: tuple[str, ...] = (
        "rebuild",
        "ask",
        "retype",
        "retype together",
        "remove",
        "remove by force",
        "settings",
        "policy",
        "roll back",
    )
    deploy_every_s: float = 3.0
    upgrade: str = REPLAY
    policies: tuple[str, ...] = UPGRADES
    submitted: tuple[str, ...] = (*FUNCTIONS[FLOW], *FUNCTIONS[SIDE], "hauling")
    workers: int = 2
    lost_exchange: float = 0.05
    doubled_result: float = 0.05
    repeated_result: float = 0.05
    lost_beats: float = 0.05
    silent_worker: float = 0.02
    cut_network: float = 0.02
    leaving_worker: float = 0.01
    dying_worker: float = 0.01
    typed_worker: float = 0.4
    skewed_worker: float = 0.1

    @property
    def pins(self) -> bool:
        """Whether the executions of all workflows go on with the builds that they began with, all the time."""
        return {self.upgrade, *self.policies} == {PIN}


PINNED = Faults(upgrade=PIN, policies=(PIN,), deploy_every_s=1.5)
"""All workflows go on with the builds that they began with, and there are many."""


def of_seed(seed: int) -> Faults:
    """The faults of a world of which nothing is known but its seed: one in four is `PINNED`, half lose
    answers, half have large transactions, half have builds that a process cannot load."""
    faults = PINNED if seed % 4 == 3 else Faults()
    if seed % 8 >= 4:
        faults = replace(faults, lost_answer=0.01, lost_pause=0.1)
    if seed % 16 >= 8:
        faults = replace(faults, large=0.1)
    return replace(faults, unloadable=0.1) if seed % 32 >= 16 else faults
