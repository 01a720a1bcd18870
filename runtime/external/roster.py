"""The workers that this process has heard of, each with the lease that it has in the store.

Any process on the store may be asked next: one that does not know a worker finds its lease. A lease is renewed at most
three times in its length, however often a worker is heard of, and then for a third longer: it never runs out sooner
than a lease after the worker's last word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import DeployedFunction, Registry
from obelisk.runtime.errors import WorkerNotFound
from obelisk.runtime.external.served import served
from obelisk.runtime.ports.claims import Lease, Offering
from obelisk.runtime.ports.store import Store

MAX_KNOWN = 10_000


@dataclass(slots=True, kw_only=True)
class Known:
    """A worker. `renewed_at_us`: when its lease was renewed by this process; `compared_at_us`: when what it holds was
    compared with what it says that it has."""

    lease: Lease
    offering: Offering
    renewed_at_us: int
    compared_at_us: int = 0
    _served: tuple[Registry, Mapping[str, DeployedFunction]] | None = field(default=None)

    def serves(self, registry: Registry) -> Mapping[str, DeployedFunction]:
        """The deployed functions that it may be given."""
        if self._served is None or self._served[0] is not registry:
            self._served = registry, served(registry, self.offering.functions, set(self.lease.labels))
        return self._served[1]


class Roster:
    """See the module's text. `now_us` and `ulid` are those of the executor."""

    def __init__(self, store: Store, now_us: Callable[[], int], ulid: Callable[[], str]) -> None:
        self._store = store
        self._now_us = now_us
        self._ulid = ulid
        self._known: dict[str, Known] = {}

    async def register(self, offering: Offering, labels: tuple[str, ...]) -> Known:
        """A new worker, whose lease is on record."""
        now_us, worker = self._now_us(), ids.WORKER + self._ulid()
        lease = Lease(
            executor=worker,
            expires_at_us=_expiry(now_us, offering),
            host="",
            pid=0,
            started="",
            labels=tuple(sorted(set(labels))),
            worker=offering,
        )
        if not await self._store.renew_lease(lease):
            raise WorkerNotFound(f"{worker} could not take a lease", worker=worker)
        return self._keep(worker, Known(lease=lease, offering=offering, renewed_at_us=now_us))

    async def heard(self, worker: str, *, now: bool = False) -> Known:
        """A worker that was heard of, with a lease for as long again. WorkerNotFound when it has none any more.

        `now`: renew the lease however recently that was done.
        """
        known, now_us = self._known.get(worker), self._now_us()
        if known is None:
            lease = next((one for one in await self._store.leases() if one.executor == worker), None)
            if lease is None or lease.worker is None:
                raise _not_found(worker)
            known = Known(lease=lease, offering=lease.worker, renewed_at_us=0)
        elif not now and abs(now_us - known.renewed_at_us) < known.offering.lease_ms * 1000 // 3:
            return known
        lease = replace(known.lease, expires_at_us=_expiry(now_us, known.offering))
        if not await self._store.renew_lease(lease):
            self.forget(worker)
            raise _not_found(worker)
        known.lease, known.renewed_at_us = lease, now_us
        return self._keep(worker, known)

    def forget(self, worker: str) -> None:
        """Its lease is gone, as far as is known."""
        self._known.pop(worker, None)

    def _keep(self, worker: str, known: Known) -> Known:
        self._known.pop(worker, None)
        self._known[worker] = known
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        return known


def _expiry(now_us: int, offering: Offering) -> int:
    return now_us + offering.lease_ms * 4000 // 3


def _not_found(worker: str) -> WorkerNotFound:
    return WorkerNotFound(
        f"{worker} is not registered, or its lease has run out: register again, and send the results again that were "
        "not acknowledged",
        worker=worker,
    )
