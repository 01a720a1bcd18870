"""What stands for parts of the runtime in the simulated world."""

from __future__ import annotations

import random
from collections.abc import Callable

from obelisk.runtime.executor.executor import Executor
from sim_system import registry


class Loaded:
    """Stands for `Deployment` where the registry never changes."""

    def __init__(self) -> None:
        self.registry = registry()

    async def load(self) -> None:
        """Nothing ever changes."""


class Entropy:
    """Randomness from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def bits(self, count: int) -> int:
        return self._dice.getrandbits(count)


class Drowsy(Executor):
    """An executor that does not always hear when it is woken."""

    hears: Callable[[], bool] = staticmethod(lambda: True)

    def wake(self) -> None:
        """Claim soon, if it was heard."""
        if self.hears():
            super().wake()
