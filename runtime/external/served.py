"""What a worker may be given: functions that it offers and that are deployed, of its types and for its labels. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.external.exchange import Offer, Offered


def offers(registry: Registry, functions: Mapping[str, str], labels: Set[str]) -> Iterator[Offer]:
    """How each function stands. `functions`: those offered, with the signature of the worker's code, or ``""``."""
    for ffqn, signature in functions.items():
        function = registry.functions.get(ffqn)
        if function is None:
            yield Offer(ffqn=ffqn, state=Offered.UNKNOWN, detail="no deployed component exports it")
        elif function.kind is not ComponentKind.EXTERNAL or function.unsupported:
            yield Offer(ffqn=ffqn, state=Offered.NOT_EXTERNAL, detail=_not_external(function))
        elif signature and signature != function.signature:
            detail = f"the worker was made for {signature}, deployed is {function.signature}: generate its code anew"
            yield Offer(ffqn=ffqn, state=Offered.DIFFERS, detail=detail)
        elif lacking := sorted(set(function.component.settings.labels) - labels):
            detail = f"the worker lacks the labels {', '.join(lacking)} of the component {function.component.name}"
            yield Offer(ffqn=ffqn, state=Offered.LABELS, detail=detail)
        else:
            yield Offer(ffqn=ffqn, state=Offered.OK)


def _not_external(function: DeployedFunction) -> str:
    if function.unsupported:
        return f"it cannot be called through the log: {function.unsupported}"
    return f"the component {function.component.name} is of the kind {function.kind.value}"


def served(registry: Registry, functions: Mapping[str, str], labels: Set[str]) -> Mapping[str, DeployedFunction]:
    """The functions that the worker is given attempts of."""
    return {
        offer.ffqn: registry.functions[offer.ffqn]
        for offer in offers(registry, functions, labels)
        if offer.state is Offered.OK
    }
