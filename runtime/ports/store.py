"""The seams of the runtime: what the pure core and the use cases need from the outside world, as Protocols.

`Store` keeps execution logs. It is asynchronous, knows no SQL and one event loop talks to it. Writing is `enqueue`:
transactions commit in order (one may pass large ones of other trees), several at once; each calls back when it is on
disk. It is all or nothing, and loses with `Conflict` when another came first. **No effect may come before that call.**
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log import events as log
from obelisk.runtime.log.events import CancellationRequested, Created, Event, Locked, Paused, Response, Unpaused
from obelisk.runtime.log.lines import LineStore
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.ports.beats import BeatStore
from obelisk.runtime.ports.claims import BuildStore, Claim, IdleStore, Lease
from obelisk.runtime.ports.news import NewsStore
from obelisk.runtime.ports.overview import OverviewStore
from obelisk.runtime.ports.slices import Slice
from obelisk.runtime.ports.waiting import Waiting, WaitingStore


class Clock(Protocol):
    """Where time and waiting come from; the simulator has its own."""

    def now_us(self) -> int:
        """Microseconds since 1970."""
        ...


class Entropy(Protocol):
    """Where randomness comes from."""

    def bits(self, count: int) -> int:
        """`count` random bits as a non-negative integer."""
        ...


# --- writing: records that every call makes are msgspec Structs; a frozen dataclass takes ten times as long -----------
class Create(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Start a new log with `created` (version 0) and, when `locked` is set, a lock by the creator (version 1).

    `key` is an idempotency key: the store refuses a second execution with it (Conflict), or with the id. `state` is the
    fold of the events. `lane` (below `claims.LANES`): claims take what is pending from each in turn.
    """

    execution_id: str
    created: Created
    locked: Locked | None
    state: ExecutionState
    at_us: int
    key: str | None = None
    lane: int = 0


class Append(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Append `events` at `version`; Conflict when the log is not exactly that long. `state` is the fold after them.

    `run` fences a run that lost its lock: Conflict unless the execution is locked by that run. The version alone would
    not do: of a chain of appends under way the first may lose to an intervention, and the second fit behind it.

    `waits_for` names the join set a *hot* workflow waits on (shown to people; the lock stays). `responses_seen` is set
    with an Unlocked event that waits for a join set: when the store holds more responses than that for the execution,
    it becomes pending at once instead of blocked, so that no wake-up is lost.

    `requires` are responses that this progress was built on before they were known to be committed: the store must hold
    each of them for `execution_id`, with that very content (written earlier in the same group counts), else Conflict.
    """

    execution_id: str
    version: int
    events: Sequence[Event]
    state: ExecutionState
    at_us: int
    waits_for: str | None = None
    responses_seen: int | None = None
    requires: Sequence[Response] = ()
    run: str | None = None


class Respond(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Add to an execution's responses; an execution that is unloaded and blocked on that join set becomes pending.

    A second response for the same child or delay is a Conflict.
    """

    execution_id: str
    response: Response
    at_us: int


class AddDelay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Remember that `delay` of `execution_id` expires at `expires_at_us`."""

    execution_id: str
    join_set: str
    delay: str
    expires_at_us: int


class DropDelay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Forget a delay; Conflict when it is gone already (another process expired it)."""

    delay: str


class DropDelays(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Forget all delays of an execution, and of its children if there are any."""

    execution_id: str


Intervention: TypeAlias = CancellationRequested | Paused | Unpaused


class Intervene(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Append `event` to an execution, whatever holds it and its log's length, if the fold's table allows it.

    Where the event is illegal (the execution has ended, or is cancelled already) nothing happens: read the state to
    know. Conflict when there is no such execution. A run that held the lock loses its next append.
    """

    execution_id: str
    event: Intervention
    at_us: int


Write: TypeAlias = Create | Append | Respond | AddDelay | DropDelay | DropDelays | Intervene
Transaction: TypeAlias = Sequence[Write]
Committed: TypeAlias = Callable[[ObeliskError | None], None]


# --- reading --------------------------------------------------------------------------------------------------------
class Stored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One execution, whole: its folded state, its events by version, its responses in order.

    `times`: the instants of the events, as far as they are known; an execution that has no history yet needs none.
    """

    execution_id: str
    state: ExecutionState
    events: tuple[Event, ...]
    responses: tuple[Response, ...]
    times: tuple[int, ...] = ()


class Summary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a listing. `waits_for`: the join set it is blocked on. `result_kind`: ``ok``, ``err``, a failure kind
    once finished, else ``""``. `reason`: why it was paused, with `cause`, or is not taken (use cases fill that in)."""

    execution_id: str
    ffqn: str
    parent: str | None
    status: str
    waits_for: str | None
    pending_at_us: int | None
    executor: str | None
    version: int
    attempts: int
    created_at_us: int
    updated_at_us: int
    finished_at_us: int | None
    result_kind: str
    build: str | None = None
    reason: str = ""
    cause: log.PauseCause | None = None
    tags: tuple[str, ...] = ()
    key: str | None = None
    waiting: Waiting | None = None


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its place and instant."""

    version: int
    at_us: int
    event: Event


class LoggedResponse(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A response with its place (from 0) and instant."""

    number: int
    at_us: int
    response: Response


class Query(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A listing: newest first, at most `limit`, after `cursor` (opaque, from the previous page).

    All conditions must hold. `ffqns` are the names wanted, whole; creation lies in `created_from_us` …
    `created_before_us` (the end is not in it), the end before `finished_before_us`; `status` and `result_kind` are as
    in `Summary`, or ``open`` for all that have not finished and ``failed`` for every failure; `digest`: some run had it
    locked with that build, which is looked for in the logs; it has all of `tags`, and the idempotency key `key`.
    """

    ffqn_prefix: str | None = None
    ffqns: tuple[str, ...] | None = None
    parent: str | None = None
    top_level_only: bool = False
    status: str | None = None
    result_kind: str | None = None
    digest: str | None = None
    created_from_us: int | None = None
    created_before_us: int | None = None
    finished_before_us: int | None = None
    tags: tuple[str, ...] = ()
    key: str | None = None
    cursor: str | None = None
    limit: int = 50


EVERYTHING: Final = Query()


class Page(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Part of a listing; `cursor` None when it is the last."""

    items: tuple[Summary, ...]
    cursor: str | None


class DueDelay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A delay that has not been answered yet."""

    execution_id: str
    join_set: str
    delay: str
    expires_at_us: int


# --- components -----------------------------------------------------------------------------------------------------
class StoredComponent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A deployed component: `name` is unique, `digest` is ``sha256:…`` of its binary, `settings` its JSON settings."""

    name: str
    digest: str
    kind: str
    settings: str
    added_at_us: int


Deployed: TypeAlias = Sequence[tuple[StoredComponent, bytes]]  # with their binaries


class Store(LineStore, BeatStore, NewsStore, WaitingStore, IdleStore, BuildStore, OverviewStore, Protocol):
    """See the module's text. Reads see every transaction whose callback has been called, and perhaps later ones."""

    def enqueue(self, transaction: Transaction, committed: Committed) -> None:
        """Queue a transaction; `committed(None)` once durable, `committed(error)` when it was refused whole."""
        ...

    async def claim(self, claim: Claim) -> tuple[Stored, ...]:
        """Lock pending executions (appends Locked to each) and give them whole, after the commit.

        One whose log cannot be read is locked and left out, so that no other suffers: `load` says what is wrong.
        """
        ...

    async def load(self, execution_id: str) -> Stored | None:
        """One execution whole, or None; `CorruptLog` when what is stored of it cannot be read."""
        ...

    async def summary(self, execution_id: str) -> Summary | None:
        """One execution's line, or None."""
        ...

    async def state(self, execution_id: str) -> ExecutionState | None:
        """One execution's state, or None. Cheaper than `load`: reads at most one event."""
        ...

    async def open_children(self, parent: str) -> tuple[tuple[str, ExecutionState], ...]:
        """The children of an execution that have not finished, the newest first, with their states."""
        ...

    async def cancelling(self) -> tuple[str, ...]:
        """The executions whose cancellation is under way, oldest first."""
        ...

    async def held(self, executor: str) -> tuple[tuple[str, str], ...]:
        """What an executor holds locked: each execution with the run that holds it."""
        ...

    async def interventions_since(self, cursor: int | None) -> tuple[int, tuple[str, ...]]:
        """The executions that were paused or cancelled after `cursor` (None: none of them), and the new cursor.

        This is how an executor learns that another process took a lock away from it.
        """
        ...

    async def list(self, query: Query) -> Page:
        """A page of executions; `ObeliskError` code ``cursor_invalid`` for a foreign cursor."""
        ...

    async def count(self, query: Query) -> int:
        """How many executions a listing has, on all its pages."""
        ...

    async def events(self, execution_id: str, *, from_version: int, limit: int) -> Slice[LoggedEvent]:
        """A slice of an execution's log; empty when there is none."""
        ...

    async def responses(self, execution_id: str, *, from_number: int, limit: int) -> Slice[LoggedResponse]:
        """A slice of an execution's responses."""
        ...

    async def by_key(self, key: str) -> str | None:
        """The execution created with that idempotency key, or None."""
        ...

    async def responses_since(self, cursor: int, executor: str) -> tuple[int, tuple[tuple[str, Response | None], ...]]:
        """Responses added after `cursor` (0 at first) for executions `executor` holds locked, and the new cursor. None
        stands for one that cannot be read.

        This is how a hot workflow learns of children that finished in another process.
        """
        ...

    async def due_delays(self, *, until_us: int, limit: int) -> tuple[DueDelay, ...]:
        """Unanswered delays that expire up to `until_us`, earliest first."""
        ...

    async def next_pending_us(self, after_us: int, *, but: Sequence[str] = ()) -> int | None:
        """The earliest instant after `after_us` at which an execution becomes pending, or None. Those of the functions
        `but` do not count."""
        ...

    async def count_pending(self, ffqns: Sequence[str] | None = None) -> int:
        """How many executions are pending: all, or those of some functions."""
        ...

    async def oldest_unbegun(self, ffqns: Sequence[str], limit: int) -> tuple[str, ...]:
        """Up to `limit` executions of these functions that are pending and were never locked, or await a result and
        were never paused, the one that has been due or has waited the longest first."""
        ...

    def room(self) -> int | None:
        """How many bytes are free where the store writes, or None when that is not known."""
        ...

    async def renew_lease(self, lease: Lease) -> bool:
        """Write or extend a lease; False when it had expired and its locks were given away: stop at once."""
        ...

    async def leases(self) -> tuple[Lease, ...]:
        """All leases on record."""
        ...

    async def release(self, executor: str, *, reason: str, now_us: int, expired_by_us: int | None = None) -> int:
        """Drop an executor's lease and unlock all it held (Unlocked events, pending at `now_us`); how many.

        From then on that executor locks nothing: a Create or Append with a lock of it is a Conflict, its claims are
        empty, `renew_lease` says False. `expired_by_us`, for those who clear up after others: a lease valid beyond it
        is left alone, also one renewed a moment ago, and what was locked was cut off (`fold.cut_off`).
        """
        ...

    async def prune(
        self, *, finished_before_us: int, after: int, limit: int, where: Query = EVERYTHING
    ) -> tuple[int, int | None]:
        """Delete trees of executions that have finished whole, their roots before that instant, those that ended first.

        Of the roots only those for which the conditions of `where` hold; with tags in it those go first that were
        created first. At most `limit` executions, in one transaction. `after` is 0 at first, then what the call before
        gave: how many were deleted, and where to go on (None: that was all). The newest of what is stored stays.
        """
        ...

    async def put_components(self, components: Deployed, *, onto: Sequence[StoredComponent] | None = None) -> None:
        """Add components with their binaries, or replace those of their names: all of them or none.

        `onto`: what has to be deployed until then, Conflict if anything else is; None: whatever is.
        """
        ...

    async def remove_component(
        self, name: str, *, needed_for: Sequence[str] = (), onto: Sequence[StoredComponent] | None = None
    ) -> int:
        """Take a component out of what is deployed, unless executions of the functions `needed_for` have not finished.

        How many those are; 0 when nothing of that name is deployed. Binaries stay: logs name them. `onto`: as above.
        """
        ...

    async def components(self) -> tuple[StoredComponent, ...]:
        """All deployed components by name."""
        ...

    async def component_binary(self, digest: str) -> bytes | None:
        """A component's binary, or None."""
        ...

    async def close(self) -> None:
        """Commit what is queued, then let go of everything."""
        ...
