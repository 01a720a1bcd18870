"""What `obelisk server run` says and waits for between listening and being ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from obelisk.cli.progress import ProgressLine
from obelisk.runtime.wiring.bootstrap import OpenRuntime

logger = logging.getLogger("obelisk.server")
SAYS_AFTER_S: Final = 1.0
"""A start that is over within this time is not worth a line."""


async def until_ready(runtime: OpenRuntime, url: str, *, until: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until all components are prepared, and say how far that is; or until one of `until` is done.

    What is wrong with a component that the configuration deploys is raised: ComponentError, ImportRefused, ConfigError.
    """
    line, said = ProgressLine(), ""
    while not runtime.completed.done() and not any(other.done() for other in until):
        await asyncio.wait((runtime.completed, *until), timeout=SAYS_AFTER_S, return_when=asyncio.FIRST_COMPLETED)
        preparing = runtime.api.deployment.preparing
        if runtime.completed.done() or preparing is None:
            continue
        line.say(str(preparing))
        if not said:
            said = "%s listens; calls are recorded and wait while components are prepared: %s"
            line.clear()
            logger.info(said, url, preparing)
    line.clear()
    if runtime.completed.done():
        runtime.completed.result()
