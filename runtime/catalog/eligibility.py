"""Which executors may run what: labels and limits on concurrency. Pure.

An executor runs a component if it has all labels that the component asks for. What is under a limit on concurrency is
locked by claims alone, where the store counts the locks that there are; everything else may also be locked by the
executor that creates it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from msgspec.structs import replace

from obelisk.runtime.catalog.registry import Component, DeployedFunction, Registry, deployed
from obelisk.runtime.catalog.settings import PIN, RUNNABLE, ComponentKind
from obelisk.runtime.log.deadlines import UNBOUNDED
from obelisk.runtime.log.instants import later
from obelisk.runtime.ports.claims import Lease, Limit
from obelisk.runtime.ports.waiting import OpenRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligible:
    """What one executor may run of a registry.

    `digests`: Ffqn → component digest by kind, for its claims, and the `limits` of those that are under one; `at_once`:
    the digests it may lock in the transaction that creates an execution. `builds`: by kind and Ffqn the builds it has
    of functions whose executions go on with the one that they began with.
    """

    digests: Mapping[ComponentKind, dict[str, str]] = field(default_factory=lambda: {kind: {} for kind in RUNNABLE})
    limits: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    at_once: Set[str] = frozenset()
    builds: Mapping[ComponentKind, Mapping[str, frozenset[str]]] = field(
        default_factory=lambda: {kind: {} for kind in RUNNABLE}
    )


def eligible(registry: Registry, labels: Set[str], prepared: Iterable[str]) -> Eligible:
    """What an executor with these labels may run; `prepared` are the digests it has code for."""
    known = set(prepared)
    functions = [
        function
        for function in registry.functions.values()
        if function.kind in RUNNABLE and function.component.digest in known and not _lacking(function.component, labels)
    ]
    digests: dict[ComponentKind, dict[str, str]] = {kind: {} for kind in RUNNABLE}
    for function in functions:
        digests[function.kind][function.ffqn] = function.component.digest
    earlier = [
        function
        for component in registry.builds
        if component.digest in known and not _lacking(component, labels)
        for function in deployed(component)
    ]
    limits = {
        function.ffqn: Limit(component=function.component.name, most=most)
        for function in (*functions, *earlier)
        if (most := function.component.settings.max_concurrent)
    }
    at_once = frozenset(f.component.digest for f in functions if f.ffqn not in limits)
    builds: dict[ComponentKind, dict[str, frozenset[str]]] = {kind: {} for kind in RUNNABLE}
    for function in (*functions, *earlier):
        if pins(function.component):
            of_kind = builds[function.kind]
            of_kind[function.ffqn] = of_kind.get(function.ffqn, frozenset()) | {function.component.digest}
    return Eligible(digests=digests, limits=limits, at_once=at_once, builds=builds)


def pins(component: Component) -> bool:
    """Whether executions of a component go on with the build that they began with."""
    return component.kind is ComponentKind.WORKFLOW and component.settings.upgrade == PIN


def why_waiting(registry: Registry, ffqn: str, leases: Iterable[Lease], now_us: int, build: str | None = None) -> str:
    """Why no executor that is known will take a pending execution of a function that goes on with `build`, or ``""``
    when one may."""
    function = registry.functions.get(ffqn) if build is None else registry.built(ffqn, build)
    if function is None:
        unread = "; ".join(
            f"{fault.stored.name} is deployed and cannot be run: {fault.reason}" for fault in registry.unread
        )
        return f"no deployed component exports {ffqn}" + (f"; {unread}" if unread else "")
    if function.kind is ComponentKind.STUB:
        return ""
    fault = registry.faults.get(function.component.name)
    if fault is not None and function.component.digest == fault.stored.digest:
        return f"{fault.stored.name} cannot be run: {fault.reason}"
    if pins(function.component) and build not in (None, function.component.digest):
        return f"it goes on with the build {build} that it began with, which cannot be loaded: upgrade it"
    alive = [lease for lease in leases if lease.expires_at_us > now_us]
    if function.kind is ComponentKind.EXTERNAL:
        return _no_worker(function, alive)
    alive = [lease for lease in alive if lease.worker is None]
    if not alive:
        return "no executor is running"
    if any(not _lacking(function.component, lease.labels) for lease in alive):
        return ""
    wanted = ", ".join(function.component.settings.labels)
    return f"no executor that is running has the labels {wanted}"


def _no_worker(function: DeployedFunction, alive: Iterable[Lease]) -> str:
    """Why no worker will take an execution of a function, or ``""``."""
    workers = [(lease, lease.worker.functions) for lease in alive if lease.worker is not None]
    if not workers:
        return "no worker is registered"
    found = [(lease, offered[function.ffqn]) for lease, offered in workers if function.ffqn in offered]
    if not found:
        return f"no worker that is registered offers {function.ffqn}"
    fit = [lease for lease, signature in found if signature in ("", function.signature)]
    if not fit:
        return f"the workers that offer {function.ffqn} were made for other types: generate their code anew"
    if any(not _lacking(function.component, lease.labels) for lease in fit):
        return ""
    return f"no worker that is registered has the labels {', '.join(function.component.settings.labels)}"


def with_deadline(registry: Registry, request: OpenRequest) -> OpenRequest:
    """A request as it is shown: a child whose time is bounded, with the end of that. What is on record counts, today's
    settings for records that do not say."""
    if request.until_us is not None:
        return replace(request, until_us=None) if request.until_us == UNBOUNDED else request
    function = registry.functions.get(request.ffqn)
    total_ms = 0 if function is None else function.component.settings.total_timeout_ms
    if not total_ms or request.created_at_us is None:
        return request
    return replace(request, until_us=later(request.created_at_us, total_ms * 1000))


def _lacking(component: Component, labels: Iterable[str]) -> set[str]:
    return set(component.settings.labels).difference(labels)
