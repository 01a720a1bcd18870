"""Whether the store takes writes: one flag for the whole process, raised by a failed write.

While it is raised no work is taken: nothing is claimed, no place is given to a child, the server says that it is not
ready. What was under way keeps its lock and its result, and goes on when a probe has written something.
"""

from __future__ import annotations

import asyncio
import logging

from obelisk.runtime.errors import ObeliskError, StoreError

logger = logging.getLogger(__name__)
_OWN_FAULT = frozenset({"closed", "unstorable"})
"""Reasons that are about the caller, not about the store."""


class Health:
    """`trouble` says what is wrong, ``""`` while all is well. One event loop uses it."""

    def __init__(self) -> None:
        self.trouble = ""
        self._cause: StoreError | None = None
        self._fine: asyncio.Event | None = None
        self._ill = asyncio.Event()

    def failed(self, error: StoreError) -> None:
        """A write, or a read, failed."""
        if error.fields.get("reason") in _OWN_FAULT:
            return
        if not self.trouble:
            logger.error("taking no work until the store can be written to: %s", error.message)
            self._fine = asyncio.Event()
            self._ill.set()
        self.trouble, self._cause = error.message, error

    def heard(self, error: ObeliskError | None) -> None:
        """How a write went whose refusal does not matter: another was first."""
        if isinstance(error, StoreError):
            self.failed(error)

    def recovered(self) -> None:
        """Something was written."""
        if self.trouble:
            logger.warning("the store can be written to again")
            self.trouble, self._cause = "", None
            self._ill.clear()
        if self._fine is not None:
            self._fine.set()
            self._fine = None

    def check(self) -> None:
        """Refuse what would only try the store once more: StoreError while it takes no writes, as it last failed."""
        if self._cause is not None:
            raise StoreError(self._cause.message, **self._cause.fields)

    async def wait_for_trouble(self) -> None:
        """Until something is wrong."""
        await self._ill.wait()

    async def wait(self) -> None:
        """Until all is well."""
        while self._fine is not None:
            await self._fine.wait()
