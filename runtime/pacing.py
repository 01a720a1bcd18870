"""Work on the event loop that others must not feel: it is let begin so that it takes a share of the loop's time."""

from __future__ import annotations

import asyncio
from typing import Final

SHARE: Final = 0.25
SLACK_S: Final = 0.02
"""What may be made up for after a pause."""


class Pacer:
    """Lets work begin so that it takes `SHARE` of the time, as far as what it costs is known."""

    def __init__(self) -> None:
        self._free_at = 0.0

    async def turn(self, cost_s: float) -> None:
        """Wait until work of that cost, in seconds of the loop's time, may begin."""
        loop = asyncio.get_running_loop()
        begin = max(self._free_at, loop.time() - SLACK_S)
        self._free_at = begin + cost_s / SHARE
        if begin > loop.time():
            await asyncio.sleep(begin - loop.time())
