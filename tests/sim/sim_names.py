"""The interfaces of the simulated system and the functions that they have."""

from __future__ import annotations

WORK = "sim:world/work"
FLOW = "sim:world/flow"
EXT = "sim:world-obelisk-ext/work"
SCHEDULE = "sim:world-obelisk-schedule/work"
FLOW_EXT = "sim:world-obelisk-ext/flow"
STUBS = "sim:world/stubs"
STUBS_EXT = "sim:world-obelisk-ext/stubs"
STUBS_STUB = "sim:world-obelisk-stub/stubs"
NARROW = "sim:world/narrow"
NARROW_EXT = "sim:world-obelisk-ext/narrow"
COLD = "sim:world/cold"
COLD_EXT = "sim:world-obelisk-ext/cold"
OUTER = "sim:world/outer"
OUTER_EXT = "sim:world-obelisk-ext/outer"
STRAIT = "sim:world/strait"
STRAIT_EXT = "sim:world-obelisk-ext/strait"
LOOSE = "sim:world/loose"
SIDE = "sim:world/side"
EXTENSIONS = {
    WORK: EXT,
    FLOW: FLOW_EXT,
    STUBS: STUBS_EXT,
    NARROW: NARROW_EXT,
    COLD: COLD_EXT,
    OUTER: OUTER_EXT,
    STRAIT: STRAIT_EXT,
}
OUTSIDE = (OUTER, STRAIT)
"""What workers outside the engine run."""
JOIN_SET = "obelisk:types/join-set@5.0.0"
SUPPORT = "obelisk:workflow/workflow-support@6.0.0"
LOG = "obelisk:log/log@1.0.0"
FUNCTIONS = {
    WORK: ("double", "flaky", "slow"),
    FLOW: (
        "serial",
        "fan-out",
        "nested",
        "sleepy",
        "random",
        "closing",
        "trapping",
        "leaving",
        "approving",
        "stubbing",
        "narrowly",
        "colder",
        "by-name",
        "hauling",
    ),
    NARROW: ("step",),
    OUTER: ("haul",),
    STRAIT: ("pull",),
    COLD: ("serial", "closing"),
    STUBS: ("approve",),
    LOOSE: ("echo", "fail", "swallow"),
    SIDE: ("wander", "roam", "feed"),
}
WORKFLOWS = ("cold", "flow", "side")
"""The components that are workflows."""
