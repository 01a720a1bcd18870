"""How far a process that starts has come with preparing components. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """How far a process that starts has come: `done` components of `total` are prepared, `names` are being so."""

    total: int
    done: int = 0
    names: tuple[str, ...] = ()

    def begun(self, name: str) -> Preparing:
        """With the preparation of one more under way."""
        return replace(self, names=(*self.names, name))

    def ended(self, name: str) -> Preparing:
        """With that of one over, whatever came of it."""
        names = tuple(other for other in self.names if other != name)
        return replace(self, done=min(self.done + 1, self.total), names=names)

    def __str__(self) -> str:
        """As a part of a sentence."""
        if not self.total:
            return "it reads what is to be deployed"
        now = f"; now {', '.join(self.names)}" if self.names else ""
        return f"{self.done} of {self.total} components are prepared{now}"
