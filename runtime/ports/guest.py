"""A running guest as the workers see it: polled until it returns, waits, yields or traps.

Implemented by the host. Values are canonical JSON forms; a borrowed or owned host resource is its integer handle.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from obelisk.codegen.model.items import Function, Interface
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.ports.access import NO_ACCESS, Access

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


class Pending(enum.Enum):
    """What a handler answers when the guest has to wait; `Fiber.resume` brings the value later."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING

Handler: TypeAlias = "Callable[[Any, list[JsonValue]], JsonValue | Pending]"
"""Called with the context given at the start of the guest and the arguments of the host call."""

Judge: TypeAlias = "Callable[[Any, list[JsonValue]], None]"
"""Called with the same, before the handler; see `ImportFunction`."""

HandOver: TypeAlias = "Callable[[Callable[[], JsonValue | Pending]], JsonValue | Pending]"
"""Has a host call answered on another thread than that of the guest: calls it there, and gives or raises what came."""


class AnswerUnfit(ObeliskError):
    """What a handler answered does not have the type with which the guest imports its function; comes out of
    `Fiber.poll`."""

    code = "answer_unfit"


Bound: TypeAlias = "Callable[[Any], int]"
"""How many bytes a value that a guest hands over may have as JSON, asked with the guest's context."""
MOST_VALUE_BYTES: Final = 1 << 27
"""What wasmtime copies at most."""


def unbounded(_: object) -> int:
    """A `Bound`: as much as wasmtime copies."""
    return MOST_VALUE_BYTES


class Bounded(Protocol):
    """A context that knows the bounds of its guest."""

    @property
    def value_bytes(self) -> int:
        """Of a value that it hands over."""
        ...

    @property
    def output_bytes(self) -> int:
        """Of a message that it logs."""
        ...


bound_of_values: Final[Bound] = attrgetter("value_bytes")
"""That of values of a `Bounded` guest. It is asked for each value, and this takes no call in Python."""
bound_of_output: Final[Bound] = attrgetter("output_bytes")
"""That of its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFunction:
    """A function the guest imports, and who answers it; `waits` False promises that the handler never says PENDING.

    `bound` is that of all arguments together. `judge(context, arguments)` is called before the handler when they are
    long, on a thread if there is one for the guest: it does what would take long there, and keeps it for the handler.
    """

    interface: str
    function: Function
    handler: Handler
    waits: bool = True
    bound: Bound = unbounded
    judge: Judge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResource:
    """A host resource of an imported interface; `dropped(context, rep)` is told when the guest drops its handle."""

    interface: str
    name: str
    dropped: Callable[[Any, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFunction:
    """A function of a component that may be started; `bound` is that of its result."""

    interface: str
    function: Function
    bound: Bound = unbounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one guest may use. `memory_bytes` bounds each of its linear memories, `table_elements` each table,
    `instances` the core instances it is made of, `stack_bytes` its calls; `fuel` how many instructions it may execute
    (None: as many as it likes, and none are counted, which makes it twice as fast)."""

    memory_bytes: int = 512 << 20
    table_elements: int = 100_000
    instances: int = 1_000
    stack_bytes: int = 2 << 20
    fuel: int | None = None


DEFAULT_LIMITS: Final = Limits()
HOST_BYTES: Final = 64 << 20
"""The most that the host keeps for a guest, unless something else is said; see `HostMemory`."""


class TrapReason(enum.Enum):
    """Why a guest stopped without returning."""

    TRAPPED = "trapped"
    STACK_OVERFLOW = "stack_overflow"
    OUT_OF_FUEL = "out_of_fuel"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_LARGE = "too_large"
    TIMED_OUT = "timed_out"
    COMPUTED_TOO_LONG = "computed_too_long"
    """A workflow computed without making a step for longer than it may."""
    NO_ROOM = "no_room"
    """The process has no room for the guest, which has not begun: never the end of an execution."""
    EXITED = "exited"
    HOST = "host"
    CUT_OFF = "cut_off"
    WORKER = "worker"
    """A worker outside the engine says that it failed, or answered what is no result."""
    BROKEN = "broken"
    """The engine failed while it ran the guest."""


class GuestTrap(Exception):
    """Raised by a handler: the guest traps with this message. Any other exception comes out of `Fiber.poll`."""

    reason: TrapReason = TrapReason.HOST


class OutOfHandles(GuestTrap):
    """The guest holds as many resources as it may, and asks for another."""

    reason = TrapReason.OUT_OF_MEMORY


class OutOfHostMemory(GuestTrap):
    """The host would have to keep more for a guest than it may."""

    reason = TrapReason.OUT_OF_MEMORY


class HostMemory:
    """What the host keeps for one guest, in bytes, and the most that it may. Used by one thread at a time.

    Everything counts that lives as long as the guest pleases: its handles, what stands behind them, what waits to be
    read or sent. Sizes are what Python needs, roughly and rather too much.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: int = HOST_BYTES) -> None:
        self.limit, self.used = limit, 0

    def take(self, size: int) -> None:
        """Count `size` bytes more; OutOfHostMemory, and then they are not counted."""
        if not self.try_take(size):
            raise OutOfHostMemory(
                f"the host keeps {self.used} bytes for the guest and would need {size} more: "
                f"{self.limit} are allowed (max_host_bytes)"
            )

    def try_take(self, size: int) -> bool:
        """The same; whether they fit."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Bytes that were taken are not kept any more."""
        self.used -= size


class Holding:
    """What one object keeps for a guest: counted until nothing refers to this any more, as an attribute of that object.

    So what several handles share counts once, and as long as it is there.
    """

    __slots__ = ("_memory", "size")

    def __init__(self, memory: HostMemory, size: int = 0) -> None:
        """OutOfHostMemory."""
        self.size, self._memory = 0, memory
        self.resize(size)

    def resize(self, size: int) -> None:
        """The object keeps `size` bytes now; OutOfHostMemory, and then it counts as before."""
        if size > self.size:
            self._memory.take(size - self.size)
        else:
            self._memory.give_back(self.size - size)
        self.size = size

    def try_grow(self, more: int) -> bool:
        """Count so many more, on any thread; whether they fit."""
        if not self._memory.try_take(more):
            return False
        self.size += more
        return True

    def __del__(self) -> None:
        self._memory.give_back(self.size)


class Returned(msgspec.Struct, frozen=True, gc=False):
    """The guest returned; None for a function without result."""

    value: JsonValue


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """The guest waits in a host call whose handler answered PENDING: in a workflow for `Fiber.resume`, in an activity
    for something outside (see `Fiber.when_ready`)."""


class Yielded(msgspec.Struct, frozen=True, gc=False):
    """The guest computed for a whole tick; poll again, on any thread. `long`: what comes next takes long, on a thread
    better than on the event loop."""

    long: bool = False


class Trapped(msgspec.Struct, frozen=True, gc=False):
    """The guest is dead."""

    reason: TrapReason
    message: str
    backtrace: str = ""


Poll: TypeAlias = Returned | Waiting | Yielded | Trapped


class Room(Protocol):
    """Whether this process has room for guests: they take memory maps and address space. Safe from any thread."""

    def fits(self) -> bool:
        """Whether another guest fits."""
        ...

    def fits_instead(self) -> bool:
        """Whether another guest fits once one has ended; not if none fits at all."""
        ...

    def is_over(self) -> bool:
        """Whether some guests should end: there are more than fit."""
        ...

    def look(self) -> bool:
        """Find anew how many fit, and whether some should end; to be called every second or so. May take tens of
        milliseconds."""
        ...


class Boundless:
    """Room without end."""

    def fits(self) -> bool:
        """See `Room`."""
        return True

    def fits_instead(self) -> bool:
        """See `Room`."""
        return True

    def is_over(self) -> bool:
        """See `Room`."""
        return False

    def look(self) -> bool:
        """See `Room`."""
        return False


class Fiber(Protocol):
    """One call of one export in an instance of its own. Polled by one thread at a time, not always the same."""

    def poll(self, hand_over: HandOver | None = None) -> Poll:
        """Run the guest until something is to be told. Handlers are called through `hand_over`, if that is given."""
        ...

    def resume(self, value: JsonValue) -> None:
        """Give the answer that the guest waits for; the next poll goes on."""
        ...

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when polling may tell something new. For activities, after a poll that said Waiting.

        Called on the event loop, calls back on it, and never before it has returned or after `close`.
        """
        ...

    def fail(self, trap: GuestTrap) -> None:
        """Make the host call that the guest waits in trap, for that reason; the next poll tells."""
        ...

    def interrupt(self) -> None:
        """From another thread: make a computing guest trap with TIMED_OUT soon."""
        ...

    def close(self) -> None:
        """Free everything, also in mid-call. Idempotent."""
        ...


class Prepared(Protocol):
    """A compiled component with its imports answered."""

    def start(self, export: ExportFunction, args: Sequence[JsonValue], context: object) -> Fiber:
        """Instantiate and begin the call; no guest code runs before the first poll.

        NoRoom, here or from the first poll: this process can have no other guest now.
        """
        ...


class Host(Protocol):
    """Compiles components and prepares them. Both may take seconds: call them off the event loop."""

    def to_binary(self, source: bytes) -> bytes:
        """A component binary from a binary or component text; ComponentError with the place."""
        ...

    def prepare(
        self,
        binary: bytes,
        *,
        workflow: bool,
        declared: Sequence[Interface],
        exports: Sequence[ExportFunction],
        imports: Sequence[ImportFunction],
        resources: Sequence[ImportResource],
        access: Access = NO_ACCESS,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Prepared:
        """Compiled (or found in the cache) and linked, ready for many starts; ComponentError, ImportRefused.

        `declared` are the interfaces that the binary imports, as it describes them: what WASI it gets depends on it.
        `access` is what its guests may reach.
        """
        ...

    def close(self) -> None:
        """Let go of engines and threads; after the last fiber is closed."""
        ...
