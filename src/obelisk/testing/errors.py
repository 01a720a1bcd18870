"""What the test kit raises. All are failures of the test, so that pytest shows them as such."""

from __future__ import annotations


class KitError(AssertionError):
    """The root of the kit's exceptions."""


class ExecutionFailed(KitError):
    """An execution ended without a result of its own. `kind` is that of the log (``trapped``, ``timed_out``, …)."""

    def __init__(self, ffqn: str, kind: str, reason: str, detail: str) -> None:
        super().__init__(f"{ffqn} failed ({kind}): {reason}" + (f"\n\n{detail}" if detail else ""))
        self.ffqn, self.kind, self.reason, self.detail = ffqn, kind, reason, detail


class NotFinished(KitError):
    """An execution has not finished, and nothing is due that could finish it, or not within the time allowed."""


class Nondeterminism(KitError):
    """A workflow asks for something else when its log is replayed."""


class Forbidden(KitError):
    """Code that runs natively did what no component can do: it blocked, spun, started a thread, used asyncio."""


class NoAnswer(KitError):
    """A function was called that nothing in the test answers."""


class HistoryMismatch(KitError):
    """The code does not replay a saved history any more."""
