"""Several children at the same time: join sets, and what is made of them (`gather`, `race`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from componentize_py_types import Err, Ok
from wit_world.imports import workflow_support
from wit_world.imports.execution import ExecutionId, ResponseId_DelayId
from wit_world.imports.workflow_support import JoinSetCreateError_InvalidName

from obelisk_guest.calls import Call, starting
from obelisk_guest.spans import Span, after, seconds_of

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class TimedOut(TimeoutError):
    """`race` had no result in the time that it was given."""


class ChildFailed(Exception):
    """A child ended without a result, and its function's error type has no place for that.

    `execution_id` is the child's, `kind` says why: "timed_out", "out_of_fuel", "cancelled", "uncategorized" (a trap or
    an exception), "nondeterminism_detected". The child's log has the details.
    """

    def __init__(self, execution_id: str, kind: str) -> None:
        super().__init__(f"the child {execution_id} failed: {kind}")
        self.execution_id = execution_id
        self.kind = kind


class Child(Generic[R]):
    """A child execution of a join set. `id` is its execution id."""

    def __init__(self, execution_id: ExecutionId, call: Call[R], get: Callable[..., Any]) -> None:
        self.id = execution_id.id
        self.call = call
        self._get = get
        self._ended: Ok[R] | Exception | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the join set has handed its response out."""
        return self._ended is not None

    def result(self) -> R:
        """What the function returned; raises the `Err` that it raised, or `ChildFailed`.

        RuntimeError before the join set has handed the child out.
        """
        if self._ended is None:
            raise RuntimeError(f"the child {self.id} has no result yet: iterate over its join set until it comes")
        if isinstance(self._ended, Exception):
            raise self._ended
        return self._ended.value

    def settle(self, response: Ok[str | None] | Err[str | None]) -> None:
        """Take the child's response; `JoinSet` does."""
        execution_id = ExecutionId(self.id)
        if isinstance(response, Err) and response.value is None:
            kind = workflow_support.get_execution_failure_kind(execution_id)
            if kind is not None:
                self._ended = ChildFailed(self.id, kind.name.lower())
                return
        value = self._get(execution_id)
        if isinstance(value, Err):
            self._ended = value
        else:
            self._ended = value if isinstance(value, Ok) else Ok(value)


class Delay:
    """A delay of a join set. `id` names it, `was_cancelled` says how it ended."""

    def __init__(self, delay_id: str) -> None:
        self.id = delay_id
        self.was_cancelled = False


class JoinSet(Generic[R]):
    """Children and delays whose responses come as they are recorded. A context manager: leaving it closes it.

    Closing cancels what has not ended and waits until it has: no child outlives its set. `R` is what the children
    return that the iteration gives: ``JoinSet[int]()``, or `join_set` of some calls, which infers it.
    """

    def __init__(self, name: str | None = None) -> None:
        self._handle = workflow_support.join_set_create() if name is None else _named(name)
        self._waiting: dict[str, Child[Any] | Delay] = {}
        self._is_open = True

    @overload
    def submit(self: JoinSet[object], function: Callable[P, S], *args: P.args, **kwargs: P.kwargs) -> Child[S]: ...
    @overload
    def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Child[R]: ...
    def submit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Child[Any]:
        """Start a function of `wit_world.imports` as a child, with these arguments."""
        return self.add(Call(function=function, args=args, kwargs=kwargs))

    def add(self, call: Call[R]) -> Child[R]:
        """Start a call as a child. TypeError for a function that cannot be one."""
        self._require_open()
        found = starting(call.function)
        child = Child(found.submit(self._handle, *call.args, **call.kwargs), call, found.get)
        self._waiting[child.id] = child
        return child

    def delay(self, span: Span) -> Delay:
        """Add a delay, which `next` hands out when it is over."""
        self._require_open()
        delay = Delay(workflow_support.submit_delay(self._handle, after(span)).id)
        self._waiting[delay.id] = delay
        return delay

    def next(self) -> Child[R] | Delay | None:
        """Wait for the next response: the child or the delay that ended; None when none is left."""
        self._require_open()
        if not self._waiting:
            return None
        response = workflow_support.join_next(self._handle)
        answered = self._handle.last_id()
        if answered is None:
            raise AssertionError("a response answers a child or a delay")
        ended = self._waiting.pop(answered.value.id)
        if isinstance(ended, Child):
            ended.settle(response)
        else:
            assert isinstance(answered, ResponseId_DelayId)
            ended.was_cancelled = isinstance(response, Err)
        return ended

    def __iter__(self) -> Iterator[Child[R]]:
        """The children as they end; delays that end in between are passed over."""
        while (ended := self.next()) is not None:
            if isinstance(ended, Child):
                yield ended

    def close(self) -> None:
        """Cancel what has not ended and wait for it; again it does nothing."""
        if self._is_open:
            self._is_open = False
            workflow_support.join_set_close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("the join set is closed")


def _named(name: str) -> Any:
    try:
        return workflow_support.join_set_create_named(name)
    except Err as error:
        if isinstance(error.value, JoinSetCreateError_InvalidName):
            raise ValueError(f"{name!r} is no name of a join set: {error.value.value}") from None
        raise ValueError(f"the workflow has made a join set {name!r} before") from None


@overload
def join_set(*, name: str | None = None) -> JoinSet[object]: ...
@overload
def join_set(*calls: Call[R], name: str | None = None) -> JoinSet[R]: ...
def join_set(*calls: Call[Any], name: str | None = None) -> JoinSet[Any]:
    """A join set that has started these calls. `name` names it in the history: letters, digits, ``-`` and ``/``."""
    made = JoinSet[Any](name)
    for one in calls:
        made.add(one)
    return made


@overload
def gather(first: Call[A], /) -> tuple[A]: ...
@overload
def gather(first: Call[A], second: Call[B], /) -> tuple[A, B]: ...
@overload
def gather(first: Call[A], second: Call[B], third: Call[C], /) -> tuple[A, B, C]: ...
@overload
def gather(first: Call[A], second: Call[B], third: Call[C], fourth: Call[D], /) -> tuple[A, B, C, D]: ...
@overload
def gather(*calls: Call[R]) -> tuple[R, ...]: ...
def gather(*calls: Call[Any]) -> tuple[Any, ...]:
    """Make calls at the same time; their results in the order of the calls.

    The first that raises ends it: the others are cancelled, and what it raised is raised here.
    """
    with JoinSet[Any]() as children:
        made = [children.add(one) for one in calls]
        for child in children:
            child.result()
    return tuple(child.result() for child in made)


@overload
def race(first: Call[A], /, *, timeout: Span | None = None) -> A: ...
@overload
def race(first: Call[A], second: Call[B], /, *, timeout: Span | None = None) -> A | B: ...
@overload
def race(first: Call[A], second: Call[B], third: Call[C], /, *, timeout: Span | None = None) -> A | B | C: ...
@overload
def race(*calls: Call[R], timeout: Span | None = None) -> R: ...
def race(*calls: Call[Any], timeout: Span | None = None) -> Any:
    """Make calls at the same time: the result of the first that ends, or what it raises; the others are cancelled.

    `TimedOut` when none has ended within `timeout`. A delay that an operator cancels is as if there was none.
    """
    if not calls:
        raise ValueError("a race needs a call")
    span = None if timeout is None else seconds_of(timeout)
    with JoinSet[Any]() as children:
        for one in calls:
            children.add(one)
        if span is not None:
            children.delay(span)
        while (ended := children.next()) is not None:
            if isinstance(ended, Child):
                return ended.result()
            if not ended.was_cancelled:
                raise TimedOut(f"none of {len(calls)} calls ended within {span:g} s")
    raise AssertionError("a child ends, or its set is never empty")
