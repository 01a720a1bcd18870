"""What every route needs: the use cases, the settings, and whether the server is about to stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.api import Api
from obelisk.runtime.log.events import Outcome


@dataclass(slots=True, kw_only=True)
class Gateway:
    """Shared by all requests of one application. Set `stopping` to end every wait at once, as if its time was up."""

    api: Api
    settings: GatewaySettings
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, execution_id: str, timeout_s: float) -> Outcome | None:
        """The outcome, or None when the time is up or the server stops first. ExecutionNotFound."""
        if timeout_s <= 0 or self.stopping.is_set():
            return await self.api.outcome(execution_id)
        waiting = asyncio.ensure_future(self.api.wait(execution_id, timeout_s))
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            stopping.cancel()
            waiting.cancel()
