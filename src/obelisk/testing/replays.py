"""Replaying logs with the code under test: at every prefix, on a fresh instance, and telling which line went astray."""

from __future__ import annotations

import linecache
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from obelisk.native.fiber import Misuse, Place
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.replay.verdicts import Verdict
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.verification import verify
from obelisk.testing.deployed import KitPrepared
from obelisk.testing.histories import prefix, told

MOST: Final = 200
"""So many prefixes of a log are replayed, evenly spread; the whole log always is."""


class Asked:
    """Where native workflows asked for what their histories have: a `fiber.Observer`."""

    def __init__(self) -> None:
        self.places: dict[str, dict[int, Place]] = defaultdict(dict)
        self.last: Place | None = None

    def asked(self, context: object, place: Place | None) -> None:
        """See `fiber.Observer`."""
        self.last = place
        if isinstance(context, HostCalls) and place is not None:
            self.places[context.stored.execution_id][context.machine.facts.position] = place

    def misused(self, context: object, misuse: Misuse) -> None:
        """See `fiber.Observer`: the run told of it."""


def lengths(stored: Stored) -> list[int]:
    """The prefixes to replay: after each event, and the whole."""
    count = len(stored.events)
    step = max(1, count // MOST)
    return [*range(1, count, step), count]


async def first_problem(
    stored: Stored,
    wanted: Sequence[int],
    *,
    function: DeployedFunction,
    prepared: Prepared,
    registry: Registry,
    now_us: int,
    asked_then: dict[int, Place],
) -> str:
    """What is wrong with the first replay that does not come to the same; empty when all do."""
    native = prepared.native if isinstance(prepared, KitPrepared) else None
    watch = Asked()
    fresh = prepared if native is None else native.observed(watch)
    for length in wanted:
        watch.last = None
        verdict = await verify(
            prefix(stored, length),
            digest=function.component.digest,
            function=function,
            prepared=fresh,
            registry=registry,
            now_us=now_us,
        )
        if not verdict.ok:
            return _explained(stored, verdict, asked_then, watch.last)
    return ""


def _explained(stored: Stored, verdict: Verdict, then: dict[int, Place], now: Place | None) -> str:
    head = f"{stored.state.ffqn} ({stored.execution_id})"
    divergence = verdict.divergence
    if divergence is None:
        return f"{head}: {verdict.reason}{_line('the replay asked last', now)}"
    lines = [f"{head} asks for something else when its log is replayed, at step {divergence.index + 1}:"]
    lines.append(f"  on record: {told(divergence.expected)}{_line('asked', then.get(divergence.index))}")
    now_shown = now if divergence.actual != log.ABSENT else None
    lines.append(f"  replayed:  {told(divergence.actual)}{_line('asked', now_shown)}")
    lines.append(
        "What a workflow does must follow from its parameters and from what it is answered: no values that differ "
        "between runs (random, the wall clock, the order of a set, globals of the process)."
    )
    return "\n".join(lines)


def _line(word: str, place: Place | None) -> str:
    if place is None:
        return ""
    text = linecache.getline(place.file, place.line).strip()
    shown = f"\n      {text}" if text else ""
    return f"\n    {word} at {_short(place.file)}:{place.line}, in {place.function}{shown}"


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
