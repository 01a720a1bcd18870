"""What a `MemoryStore` keeps: plain dictionaries, and how each write changes them. The reference for every other store.

A write either applies whole or raises Conflict; each change leaves its inverse in `undo`, so that a transaction whose
third write loses takes its first two back. Several stores may share one database, as several processes share a file; a
store can be dropped in the middle of anything (a crash) and the database stays what was committed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from obelisk.runtime import ids
from obelisk.runtime.errors import Conflict
from obelisk.runtime.log import fold
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Event, Locked, Response, Unlocked
from obelisk.runtime.log.state import BlockedByJoinSet, ExecutionState, FinishedState, LockedBy, PendingAt
from obelisk.runtime.ports.beats import Beat
from obelisk.runtime.ports.claims import BuildUse, Claim, Lease
from obelisk.runtime.ports.store import (
    AddDelay,
    Append,
    Create,
    Deployed,
    DropDelay,
    DropDelays,
    DueDelay,
    Intervene,
    LoggedEvent,
    LoggedResponse,
    Query,
    Respond,
    Stored,
    StoredComponent,
    Transaction,
    Write,
)
from obelisk.runtime.ports.waiting import OpenRequest, Waiting
from obelisk.runtime.store import rows
from obelisk.runtime.store.memory.execution import Execution
from obelisk.runtime.store.memory.lines import MemoryLines
from obelisk.runtime.store.turns import in_turn

Undo: TypeAlias = list[Callable[[], object]]


class MemoryDatabase:
    """The committed data. Its methods must run one after another (one event loop, no await inside). `open` are those of
    the executions that have not finished, `damaged` has the version of an event that cannot be read: for tests."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        self.open: dict[str, Execution] = {}
        self.created = 0
        self.keys: dict[str, str] = {}
        self.answered: dict[tuple[str, str], Response] = {}
        self.all_responses: list[tuple[str, Response]] = []
        self.interventions: list[str] = []
        self.delays: dict[str, DueDelay] = {}
        self.leases: dict[str, Lease] = {}
        self.released: set[str] = set()
        self.components: dict[str, StoredComponent] = {}
        self.binaries: dict[str, bytes] = {}
        self.lines = MemoryLines()
        self.beats: dict[str, Beat] = {}
        self.damaged: dict[str, int] = {}

    def whole(self, execution_id: str) -> Stored | None:
        """See `Store.load`."""
        self.read(execution_id)
        execution = self.executions.get(execution_id)
        return None if execution is None else execution.stored()

    def read(self, execution_id: str, from_version: int = 0, limit: int = sys.maxsize) -> None:
        """CorruptLog when one of these events cannot be read."""
        version = self.damaged.get(execution_id)
        if version is not None and from_version <= version < from_version + limit:
            raise CorruptLog(f"the event of version {version} is damaged", reason="damaged")

    def waiting(self, execution_id: str, join_set: str, limit: int) -> Waiting:
        """See `waiting.WaitingStore.waiting`."""
        prefix, depth = rows.children_of(execution_id, join_set), ids.depth(execution_id) + 1
        inside = (e for e in self.open.values() if e.execution_id.startswith(prefix))
        children = sorted((e for e in inside if ids.depth(e.execution_id) == depth), key=lambda e: e.execution_id)
        delays = sorted(delay for delay in self.delays if delay.startswith(rows.delays_of(execution_id, join_set)))
        return Waiting(
            since_us=self.executions[execution_id].last_step_us(),
            requests=(
                *(e.as_request() for e in children[:limit]),
                *(OpenRequest(id=delay, until_us=self.delays[delay].expires_at_us) for delay in delays[:limit]),
            ),
        )

    def transact(self, transaction: Transaction) -> None:
        """Apply all writes or none; Conflict."""
        undo: Undo = []
        try:
            for write in transaction:
                self._apply(write, undo)
        except Conflict:
            for take_back in reversed(undo):
                take_back()
            raise

    def claim(self, claim: Claim) -> tuple[Stored, ...]:
        """See `Store.claim`."""
        if claim.executor in self.released:
            return ()
        outdated = self.binaries.keys() - {component.digest for component in self.components.values()}
        digests = {ffqn: digest for ffqn, digest in claim.digests.items() if digest not in outdated}
        queues: dict[tuple[str, int], list[tuple[int, int, Execution]]] = {}
        for execution in self.open.values():
            status = execution.state.status
            due_now = isinstance(status, PendingAt) and status.at_us <= claim.now_us
            if due_now and _build_for(execution, claim, digests) is not None:
                assert isinstance(status, PendingAt)
                queue = queues.setdefault(claim.queue(execution.state.ffqn, execution.lane), [])
                queue.append((status.at_us, execution.sequence, execution))
        for queue in queues.values():
            queue.sort(key=lambda entry: entry[:2])
        taken: list[Stored] = []
        locked = 0
        runs = iter(claim.runs)
        for _, _, execution in in_turn(queues.values(), claim.turn):
            limit = claim.limits.get(execution.state.ffqn)
            if limit is not None and self._locked_within(limit.component) >= limit.most:
                continue
            run = next(runs, None) if locked < claim.limit else None
            if run is None:
                break
            lock = Locked(executor=claim.executor, run=run, digest=_build_for(execution, claim, digests) or "")
            self._log(execution, (lock,), claim.now_us, [])
            execution.state = rows.locked_state(execution.state, lock)
            execution.waits_for = None
            execution.updated_at_us = claim.now_us
            execution.limited = None if limit is None else limit.component
            locked += 1
            if execution.execution_id not in self.damaged:
                taken.append(execution.stored())
        return tuple(taken)

    def builds_in_use(self) -> tuple[BuildUse, ...]:
        """See `Store.builds_in_use`."""
        counts = Counter((execution.state.ffqn, execution.build) for execution in self.open.values())
        found = sorted(counts.items(), key=lambda entry: (entry[0][0], entry[0][1] or ""))
        return tuple(BuildUse(ffqn=ffqn, build=build, count=count) for (ffqn, build), count in found)

    def _locked_within(self, component: str) -> int:
        """How many executions are locked under a component's limit."""
        return sum(e.limited == component and isinstance(e.state.status, LockedBy) for e in self.open.values())

    def renew(self, lease: Lease) -> bool:
        """See `Store.renew_lease`."""
        if lease.executor in self.released:
            return False
        self.leases[lease.executor] = lease
        return True

    def put_components(self, components: Deployed, onto: Sequence[StoredComponent] | None) -> None:
        """See `Store.put_components`."""
        rows.expect(onto, self.components.values())
        for component, binary in components:
            self.components[component.name] = component
            self.binaries[component.digest] = binary

    def remove_component(self, name: str, needed_for: Sequence[str], onto: Sequence[StoredComponent] | None) -> int:
        """See `Store.remove_component`."""
        rows.expect(onto, self.components.values())
        is_open = sum(execution.state.ffqn in needed_for for execution in self.open.values())
        if not is_open:
            self.components.pop(name, None)
        return is_open

    def release(self, executor: str, reason: str, now_us: int, expired_by_us: int | None) -> int:
        """See `Store.release`."""
        lease = self.leases.get(executor)
        if expired_by_us is not None and lease is not None and lease.expires_at_us > expired_by_us:
            return 0
        self.leases.pop(executor, None)
        self.released.add(executor)
        count = 0
        for execution in self.open.values():
            status = execution.state.status
            if isinstance(status, LockedBy) and status.executor == executor:
                unlocked = Unlocked(reason=reason, pending_at_us=now_us)
                if expired_by_us is not None:
                    unlocked = fold.cut_off(execution.before_lock(), reason, now_us, execution.execution_id)
                self._log(execution, (unlocked,), now_us, [])
                execution.state = fold.apply(execution.state, unlocked)
                execution.waits_for = None
                execution.updated_at_us = now_us
                count += 1
        return count

    def prune(self, finished_before_us: int, after: int, limit: int, where: Query) -> tuple[int, int | None]:
        """See `Store.prune`."""
        newest = max((execution.sequence for execution in self.executions.values()), default=0)
        roots = [
            e
            for e in self.executions.values()
            if e.state.parent is None
            and isinstance(e.state.status, FinishedState)
            and e.updated_at_us < finished_before_us
            and e.matches(where)
        ]
        roots.sort(key=lambda e: (0 if where.tags else e.updated_at_us, e.sequence))
        deleted = 0
        for root in roots[after:]:
            below = [e for e in self.executions.values() if e.execution_id.startswith(f"{root.execution_id}.")]
            tree = [*sorted(below, key=lambda e: e.execution_id, reverse=True), root]
            if newest in [e.sequence for e in tree] or not all(isinstance(e.state.status, FinishedState) for e in tree):
                after += 1
                continue
            going = tree[: limit - deleted]
            for execution in going:
                self._forget(execution)
            deleted += len(going)
            if deleted >= limit:
                return deleted, after
        return deleted, None

    def _forget(self, execution: Execution) -> None:
        del self.executions[execution.execution_id]
        self.lines.forget(execution.execution_id)
        self.beats.pop(execution.execution_id, None)
        self.keys = {key: owner for key, owner in self.keys.items() if owner != execution.execution_id}
        for logged in execution.responses:
            del self.answered[execution.execution_id, rows.source_of(logged.response)]

    def _apply(self, write: Write, undo: Undo) -> None:
        match write:
            case Create():
                self._create(write, undo)
            case Append():
                self._append(write, undo)
            case Respond():
                self._respond(write, undo)
            case AddDelay():
                if write.delay in self.delays:
                    raise Conflict(f"the delay {write.delay} exists already", delay=write.delay)
                self.delays[write.delay] = DueDelay(
                    execution_id=write.execution_id,
                    join_set=write.join_set,
                    delay=write.delay,
                    expires_at_us=write.expires_at_us,
                )
                undo.append(lambda: self.delays.pop(write.delay))
            case DropDelay():
                delay = self.delays.pop(write.delay, None)
                if delay is None:
                    raise Conflict(f"the delay {write.delay} is gone", delay=write.delay)
                undo.append(lambda: self.delays.__setitem__(write.delay, delay))
            case DropDelays():
                prefix = ids.delays_of(write.execution_id)
                dropped = {name: delay for name, delay in self.delays.items() if name.startswith(prefix)}
                for name in dropped:
                    del self.delays[name]
                undo.append(lambda: self.delays.update(dropped))
            case Intervene():
                self._intervene(write, undo)

    def _create(self, write: Create, undo: Undo) -> None:
        if write.execution_id in self.executions:
            raise Conflict(f"the execution {write.execution_id} exists already", execution_id=write.execution_id)
        if write.key is not None and write.key in self.keys:
            raise Conflict("the idempotency key is taken", execution_id=self.keys[write.key], key=write.key)
        self._admit(write.execution_id, write.state)
        execution = Execution(
            sequence=self.created + 1,
            lane=write.lane,
            execution_id=write.execution_id,
            state=write.state,
            waits_for=None,
            created_at_us=write.at_us,
            updated_at_us=write.at_us,
            key=write.key,
        )
        events: tuple[Event, ...] = (write.created,) if write.locked is None else (write.created, write.locked)
        self._log(execution, events, write.at_us, undo)
        self.executions[write.execution_id] = self.open[write.execution_id] = execution
        self.created += 1
        undo.append(self._uncount)
        undo.append(lambda: self.executions.pop(write.execution_id))
        undo.append(lambda: self.open.pop(write.execution_id))
        if write.key is not None:
            key = write.key
            self.keys[key] = write.execution_id
            undo.append(lambda: self.keys.pop(key))

    def _uncount(self) -> None:
        self.created -= 1

    def _append(self, write: Append, undo: Undo) -> None:
        execution = self._find(write.execution_id)
        if execution.state.version != write.version:
            raise Conflict(
                f"the log of {write.execution_id} is not {write.version} events long",
                execution_id=write.execution_id,
                version=write.version,
            )
        held = execution.state.status
        if write.run is not None and not (isinstance(held, LockedBy) and held.run == write.run):
            raise Conflict(f"{write.execution_id} is not locked by {write.run}", execution_id=write.execution_id)
        for response in write.requires:
            source = rows.source_of(response)
            if self.answered.get((write.execution_id, source)) != response:
                raise Conflict(f"there is no response of {source}", execution_id=write.execution_id, response=source)
        if rows.locks(list(write.events)):
            self._admit(write.execution_id, write.state)
        state, seen = write.state, write.responses_seen
        if isinstance(state.status, BlockedByJoinSet) and seen is not None and len(execution.responses) > seen:
            state = _pending(state, write.at_us)
        waits_for = rows.waits_for(state.status, write.waits_for)
        self._log(execution, write.events, write.at_us, undo)
        self._set(execution, state, waits_for, write.at_us, undo)
        self._intervened(write.execution_id, write.events, undo)

    def _intervene(self, write: Intervene, undo: Undo) -> None:
        execution = self._find(write.execution_id)
        if not fold.is_legal(execution.state, write.event):
            return
        state = fold.apply(execution.state, write.event)
        self._log(execution, (write.event,), write.at_us, undo)
        self._set(execution, state, rows.waits_for(state.status, None), write.at_us, undo)
        self._intervened(write.execution_id, (write.event,), undo)

    def _intervened(self, execution_id: str, events: Sequence[Event], undo: Undo) -> None:
        if any(rows.takes_away(event) for event in events):
            self.interventions.append(execution_id)
            undo.append(self.interventions.pop)

    def _respond(self, write: Respond, undo: Undo) -> None:
        execution, response = self._find(write.execution_id), write.response
        answer = (write.execution_id, rows.source_of(response))
        if answer in self.answered:
            raise Conflict(f"{answer[1]} was answered already", execution_id=write.execution_id, response=answer[1])
        self.answered[answer] = response
        self.all_responses.append((write.execution_id, response))
        number = len(execution.responses)
        execution.responses.append(LoggedResponse(number=number, at_us=write.at_us, response=response))
        undo += (lambda: self.answered.pop(answer), self.all_responses.pop, execution.responses.pop)
        status = execution.state.status
        if isinstance(status, BlockedByJoinSet) and status.join_set == response.join_set:
            self._set(execution, _pending(execution.state, write.at_us), None, write.at_us, undo)

    def _find(self, execution_id: str) -> Execution:
        execution = self.executions.get(execution_id)
        if execution is None:
            raise Conflict(f"there is no execution {execution_id}", execution_id=execution_id)
        return execution

    def _admit(self, execution_id: str, state: ExecutionState) -> None:
        if isinstance(state.status, LockedBy) and state.status.executor in self.released:
            executor = state.status.executor
            raise Conflict(f"{executor} was released and locks nothing", execution_id=execution_id, executor=executor)

    def _log(self, execution: Execution, events: Sequence[Event], at_us: int, undo: Undo) -> None:
        length = len(execution.events)
        for version, event in enumerate(events, length):
            execution.events.append(LoggedEvent(version=version, at_us=at_us, event=event))
        undo.append(lambda: execution.events.__delitem__(slice(length, None)))

    def _set(self, execution: Execution, state: ExecutionState, waits_for: str | None, at_us: int, undo: Undo) -> None:
        before = (execution.state, execution.waits_for, execution.updated_at_us)
        execution.state, execution.waits_for, execution.updated_at_us = state, waits_for, at_us
        self._sort(execution)

        def take_back() -> None:
            execution.state, execution.waits_for, execution.updated_at_us = before
            self._sort(execution)

        undo.append(take_back)

    def _sort(self, execution: Execution) -> None:
        if isinstance(execution.state.status, FinishedState):
            self.open.pop(execution.execution_id, None)
        else:
            self.open[execution.execution_id] = execution


def _build_for(execution: Execution, claim: Claim, digests: Mapping[str, str]) -> str | None:
    """The build that a claim runs an execution with; None: it does not. `digests`: what of the claim is deployed."""
    ffqn = execution.state.ffqn
    build = execution.build if ffqn in claim.builds else None
    if build is None:
        return digests.get(ffqn)
    return build if build in claim.builds[ffqn] else None


def _pending(state: ExecutionState, at_us: int) -> ExecutionState:
    return ExecutionState(
        ffqn=state.ffqn, parent=state.parent, status=PendingAt(at_us), version=state.version, attempts=state.attempts
    )
