"""What guests see of the world outside, put together from the host's capabilities and the run that they belong to.

An activity gets the machine's clock and randomness. What it prints is kept among its lines (`workers.saying`).
"""

from __future__ import annotations

from obelisk.runtime.host.guests import Wasi
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.system import SystemClock, SystemRandomness
from obelisk.runtime.workers.activity import ActivityAttempt


def wasi() -> Wasi:
    """Who makes the WASI of the guests of a runtime."""
    return Wasi(new_activity=_activity)


def _activity(attempt: ActivityAttempt) -> ActivityGuest:
    return ActivityGuest(attempt, SystemClock(), randomness=SystemRandomness(), output=attempt.saying)
