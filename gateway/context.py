"""What every route needs: the use cases, the settings, and whether the server is about to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from obelisk.gateway.auth import access
from obelisk.gateway.auth.access import Access
from obelisk.gateway.feeds import Feeds
from obelisk.gateway.http.connections import Connections
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.observe.metrics import REQUEST_SECONDS, Counts, Distributions
from obelisk.runtime.usecases.api import Api


class Stopping(asyncio.Event):
    """Set when the server is about to stop; `then` is called at that instant."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then

    def set(self) -> None:
        """See `asyncio.Event`."""
        super().set()
        self._then()


@dataclass(slots=True, kw_only=True)
class Gateway:
    """Shared by all requests of one application. Set `stopping` to end every wait at once, as if its time was up.

    `requests` counts what was answered, by operation and status; `durations` has the seconds that it took, by
    operation, method and class of status.
    """

    api: Api
    settings: GatewaySettings
    access: Access
    requests: Counts = field(default_factory=Counts)
    durations: Distributions = field(default_factory=lambda: Distributions(REQUEST_SECONDS))
    stopping: Stopping = field(init=False)
    feeds: Feeds = field(init=False)
    connections: Connections = field(init=False)

    def __post_init__(self) -> None:
        self.connections = Connections(
            most=self.settings.max_connections,
            most_of_one=self.settings.max_connections_per_client,
            is_proxy=access.among(self.settings.trusted_proxies),
        )
        self.feeds = Feeds(self.api.news)
        self.stopping = Stopping(self._stop)

    def _stop(self) -> None:
        self.api.stop_waiting()
        if self.api.workers is not None:
            self.api.workers.stop_waiting()
        self.feeds.stop()
