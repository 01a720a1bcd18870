"""What is shown of components and their builds, as in `executions`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from obelisk.gateway.views import executions as views
from obelisk.runtime.catalog.registry import Component, Fault, Registry
from obelisk.runtime.ports.claims import BuildUse
from obelisk.runtime.replay.verdicts import Checked

Kind: TypeAlias = Literal["workflow", "activity", "external", "stub"]


class BuildInUse(views.View, frozen=True, kw_only=True):
    """How many executions of a component have not finished and go on with the build `digest`; null: those that have not
    begun."""

    digest: str | None
    executions: int


class Misfit(views.View, frozen=True, kw_only=True):
    """An execution in flight that a build does not fit; see `ReplayVerdict`."""

    execution_id: str
    ffqn: str
    reason: str
    divergence: views.ReplayDivergence | None


class BuildCheck(views.View, frozen=True, kw_only=True):
    """Whether the build `digest` fits the executions in flight: `checked` were replayed with it, `misfits` of them it
    does not fit, and for `unchecked` there was no time."""

    digest: str
    checked: int
    unchecked: int
    misfits: list[Misfit]


class ComponentView(views.View, frozen=True, kw_only=True):
    """A deployed component. `settings` as in the configuration file, with the defaults filled in.

    `in_flight` has the executions of its functions that have not finished, by build. `check` is there right after it
    was deployed: whether it fits the newest of them. `fault`: why it cannot be run, null when it can; its executions
    wait. Of one that cannot even be read, imports and functions are not known.
    """

    name: str
    kind: Kind
    digest: str
    settings: dict[str, Any]
    imports: list[str]
    exports: list[str]
    functions: list[str]
    in_flight: list[BuildInUse]
    check: BuildCheck | None
    fault: str | None


class Components(views.View, frozen=True, kw_only=True):
    """All deployed components."""

    items: list[ComponentView]


class RemovedComponent(views.View, frozen=True, kw_only=True):
    """A component that is not deployed any more, and the digest of its binary."""

    name: str
    digest: str


def build_check(checked: Checked) -> BuildCheck:
    """The view of a check."""
    misfits: list[Misfit] = []
    for misfit in checked.misfits:
        shown = views.verdict(misfit.verdict)
        misfits.append(
            Misfit(
                execution_id=misfit.execution_id,
                ffqn=misfit.ffqn,
                reason=misfit.verdict.reason,
                divergence=shown.divergence,
            )
        )
    return BuildCheck(digest=checked.digest, checked=checked.checked, unchecked=checked.unchecked, misfits=misfits)


def component(
    component: Component, registry: Registry, used: Sequence[BuildUse], checked: Checked | None = None
) -> ComponentView:
    """The view of a component of `registry`; `used`: how many executions of any component go on with which build."""
    description = component.description
    functions = [f.ffqn for f in registry.functions.values() if f.component.name == component.name]
    in_flight = Counter[str | None]()
    for use in used:
        if use.ffqn in functions:
            in_flight[use.build] += use.count
    return ComponentView(
        name=component.name,
        kind=component.kind.value,
        digest=component.digest,
        settings=msgspec.to_builtins(component.settings),
        imports=sorted([str(i.name) for i in description.imports] + list(description.plain_imports)),
        exports=[str(i.name) for i in description.exports],
        functions=functions,
        check=None if checked is None else build_check(checked),
        in_flight=[BuildInUse(digest=digest, executions=count) for digest, count in in_flight.items()],
        fault=None if (fault := registry.faults.get(component.name)) is None else fault.reason,
    )


def components(registry: Registry, used: Sequence[BuildUse]) -> list[ComponentView]:
    """The views of all that is deployed; `used` as in `component`."""
    shown = [component(one, registry, used) for one in registry.components]
    return sorted((*shown, *map(_unread, registry.unread)), key=lambda view: view.name)


def _unread(fault: Fault) -> ComponentView:
    stored = fault.stored
    try:
        settings = msgspec.json.decode(stored.settings, type=dict[str, Any])
    except msgspec.DecodeError:
        settings = {}
    return ComponentView(
        name=stored.name,
        kind=msgspec.convert(stored.kind, Kind) if stored.kind in get_args(Kind) else "activity",
        digest=stored.digest,
        settings=settings,
        imports=[],
        exports=[],
        functions=[],
        check=None,
        in_flight=[],
        fault=fault.reason,
    )
