"""What a guest's WASI is made of: clock, randomness and output, each handed in by the starter of the guest.

Two kinds of guests get them. An *activity* runs in the world as it is, and whatever it waits for is told by the event
loop. A *workflow* is answered from its history: its clock and its randomness give the same values whenever it is
replayed, and waiting for an instant is a durable sleep. Times are integer nanoseconds (`_ns`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from obelisk.runtime.host.wasi.folder_room import Room
from obelisk.runtime.ports.guest import JsonValue, Pending


class Clock(Protocol):
    """The time, as a guest sees it."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since some instant; never decreases."""
        ...


class LoopClock(Clock, Protocol):
    """The clock of an activity."""

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the event loop when the monotonic clock has reached `at_ns`; what cancels that.

        Called on the event loop, and never calls back before it has returned.
        """
        ...


class DurableClock(Clock, Protocol):
    """The clock of a workflow, which sleeps through its execution log."""

    def sleep_until(self, at_ns: int, answer: Callable[[], JsonValue]) -> JsonValue | Pending:
        """Make the guest sleep until the monotonic clock has reached `at_ns`.

        Gives `answer()` when that has come already, or PENDING; then the workflow's run resumes the fiber with
        `answer()`. The clock has reached `at_ns` when `answer` is called. `GuestTrap` refuses to sleep.
        """
        ...


class Randomness(Protocol):
    """Where random bytes come from."""

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes, 0 to 1 MiB, that cannot be predicted."""
        ...

    def insecure_bytes(self, count: int) -> bytes:
        """The same, but they may be foreseen."""
        ...


class Output(Protocol):
    """Where the standard streams go. It is bounded: what is beyond its limit is dropped, which no guest notices."""

    def write(self, data: bytes, *, to_stderr: bool) -> None:
        """Take all of `data`; may be called on any thread, by one at a time."""
        ...

    def close(self) -> None:
        """The guest has ended; idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A folder of the machine at `path`, which the guest knows by `name`; read-only unless `write`.

    All who write into one folder share its `room`, None without a bound.
    """

    name: str
    path: str
    write: bool
    room: Room | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WasiEnvironment:
    """The environment variables, the command line and the folders of a guest."""

    variables: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()


EMPTY_ENVIRONMENT = WasiEnvironment()


def unheard(message: str) -> None:
    """Drop the message."""
    del message
