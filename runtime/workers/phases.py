"""Where a run of a workflow is: exactly one of these at any time, and nothing else says it. Pure.

    ToUpgrade ──▶ Over (paused)
    Running ──a host call waits──▶ Awaiting ──its response──▶ Running
       ├──the result of a stub──▶ Deciding ──its decision──▶ Running
       ├──the guest returns──▶ Closing ──every child has answered──▶ Over (finished)
       └──the guest dies──▶ Failing ──every child has answered──▶ Over (finished)
    any ──divergence, full history, bug of the engine──▶ Over (paused)
    Awaiting, Deciding ──unloaded, dropped──▶ Gone

`waits_for` is the join set whose next response lets the run go on, None when it waits for none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import JsonValue
from obelisk.runtime.replay.commands import Answer
from obelisk.runtime.workers.batch import Supply, Upgrade
from obelisk.runtime.workers.stubs import Decision

Convert: TypeAlias = Callable[[Answer], JsonValue]
"""From the machine's answer to what the guest gets."""


class ToUpgrade(msgspec.Struct, frozen=True, gc=False):
    """The history is that of another build, and a person has to say that this one goes on."""

    upgrade: Upgrade
    waits_for: str | None = None


class Running(msgspec.Struct, frozen=True, gc=False):
    """The guest computes, or is about to."""

    waits_for: str | None = None


class Awaiting(msgspec.Struct, frozen=True):
    """The guest waits in a host call for a response."""

    waits_for: str
    convert: Convert


class Deciding(msgspec.Struct, frozen=True):
    """The guest waits for what becomes of the result that it supplied; `decision` once that is known, or why not."""

    supply: Supply
    convert: Convert
    decision: Decision | Exception | None = None
    waits_for: str | None = None


class Closing(msgspec.Struct, frozen=True, gc=False):
    """The guest returned `result`; its open join sets are being closed."""

    result: msgspec.Raw
    waits_for: str | None = None


class Failing(msgspec.Struct, frozen=True):
    """The guest is dead; `left` are the children that have not answered: it shrinks as they do."""

    failure: log.Failed
    left: dict[str, None]
    waits_for: str | None = None


class Over(msgspec.Struct, frozen=True):
    """The run has an end, which the next batch records: an `outcome`, which `reply` tells the parent, or a pause."""

    outcome: log.Outcome | None = None
    reply: log.ChildFinished | None = None
    paused: log.Paused | None = None
    waits_for: str | None = None


class Gone(msgspec.Struct, frozen=True, gc=False):
    """The run was unloaded or dropped while its guest waited: nothing holds on to what it waited with."""

    waits_for: str | None = None


Phase: TypeAlias = ToUpgrade | Running | Awaiting | Deciding | Closing | Failing | Over | Gone
RUNNING: Final = Running()
