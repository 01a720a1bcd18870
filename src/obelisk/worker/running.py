"""Runs attempts: an ``async def`` as a task, a ``def`` in a thread, or in a process where it is marked so."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from obelisk.runtime.values import JsonValue
from obelisk.worker import tracing
from obelisk.worker.current import CURRENT, Attempt, Current
from obelisk.worker.errors import NotRetryable
from obelisk.worker.operations import Operation, Served
from obelisk.worker.outcomes import Mistyped, Outcome, Retryable, concluded, failed, is_refusal

logger = logging.getLogger("obelisk.worker")
F = TypeVar("F", bound=Callable[..., Any])
_MARK: Final = "obelisk__in_process"


def in_process(function: F) -> F:
    """Mark a ``def`` that computes: its attempts run in other processes, of which the worker has `processes`.

    The object that has the method, the arguments and the result are pickled. `current` is not known there, and a
    cancelled attempt runs to its end.
    """
    setattr(function, _MARK, True)
    return function


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A function of WIT and what implements it."""

    operation: Operation
    handler: Served

    @property
    def method(self) -> Callable[..., Any]:
        """The method of the implementation."""
        found: Callable[..., Any] = getattr(self.handler, self.operation.method)
        return found


def bind(handlers: Sequence[Served]) -> dict[str, Bound]:
    """What implements each function. ValueError for none, and for a function that two implement."""
    bound: dict[str, Bound] = {}
    for handler in handlers:
        for operation in handler.obelisk__operations:
            if operation.ffqn in bound:
                raise ValueError(f"handlers: two of them implement {operation.ffqn}")
            bound[operation.ffqn] = Bound(operation=operation, handler=handler)
    if not bound:
        raise ValueError(
            "handlers: expected objects of classes below generated …Worker classes, got none with a function"
        )
    return bound


class Running:
    """Runs attempts of these functions. `beat` is told of heartbeats, from any thread."""

    def __init__(
        self,
        functions: Mapping[str, Bound],
        beat: Callable[[Attempt, JsonValue], None],
        *,
        retryable: Retryable,
        threads: int,
        processes: int | None,
    ) -> None:
        self._functions = functions
        self._beat = beat
        self._retryable = retryable
        self._processes = processes
        self._threads = ThreadPoolExecutor(threads, "obelisk-attempt")
        self._pool: ProcessPoolExecutor | None = None
        self._active: dict[str, tuple[Current, asyncio.Task[None]]] = {}

    def start(self, attempt: Attempt, done: Callable[[Attempt, Outcome | None], None]) -> None:
        """Run an attempt; `done` is told the outcome, None when it no longer counts."""
        current = Current(attempt, self._beat)
        context = contextvars.copy_context()
        context.run(CURRENT.set, current)
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None
        if attempt.remaining_s is not None:
            timer = loop.call_later(attempt.remaining_s, self.end, attempt.run, "timed_out")

        def ended(outcome: Outcome | None) -> None:
            if timer is not None:
                timer.cancel()
            if self._active.pop(attempt.run, None) is not None:
                done(attempt, outcome)

        async def work() -> None:
            ended(await self._run(attempt, current))  # here, a turn of the loop sooner than when the task is done

        task = loop.create_task(work(), name=attempt.run, context=context)
        self._active[attempt.run] = (current, task)
        task.add_done_callback(lambda _: ended(None))  # of one that was cancelled before it began

    def end(self, run: str, reason: str) -> None:
        """An attempt is to end: async code is cancelled, code in threads finds its flag set."""
        found = self._active.get(run)
        if found is not None and not found[0].cancelled:
            current, task = found
            logger.info("%s of %s ends: %s", run, current.execution_id, reason)
            current.end(reason)
            task.cancel()

    def end_all(self, reason: str) -> None:
        """All attempts are to end."""
        for run in list(self._active):
            self.end(run, reason)

    async def wait(self, seconds: float) -> None:
        """Until all attempts have ended, at most that long."""
        tasks = [task for _, task in self._active.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def close(self) -> None:
        """Let go of threads and processes. Threads that still run are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, attempt: Attempt, current: Current) -> Outcome | None:
        outcome: Outcome | None = None
        with tracing.continued(attempt.traceparent):
            try:
                outcome = await self._outcome(attempt)
            except asyncio.CancelledError as error:
                if not current.cancelled:
                    outcome = failed(error, self._retryable)
            except Exception as error:
                if not current.cancelled:
                    logger.warning("attempt %d of %s failed", attempt.attempt, attempt.execution_id, exc_info=error)
                outcome = failed(error, self._retryable)
        return None if current.cancelled else outcome

    async def _outcome(self, attempt: Attempt) -> Outcome:
        bound = self._functions.get(attempt.ffqn)
        if bound is None:
            raise Mistyped(f"{attempt.ffqn} is not served by this worker")
        operation = bound.operation
        if attempt.signature and attempt.signature != operation.signature:
            raise Mistyped(
                f"the deployed {attempt.ffqn} has other types than this worker was generated for: generate it again"
            )
        try:
            arguments = operation.decode(attempt.params)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise Mistyped(
                f"the parameters of {attempt.ffqn} are not of the types that it declares: {error}"
            ) from error
        try:
            value = await self._called(bound, arguments)
        except Exception as error:
            if not is_refusal(error):
                raise
            if not operation.is_fallible:
                raise NotRetryable(f"{attempt.ffqn} raised {error!r}, and its WIT declares no error") from error
            value = error
        return concluded(operation, value)

    async def _called(self, bound: Bound, arguments: tuple[Any, ...]) -> Any:
        method = bound.method
        if inspect.iscoroutinefunction(method):
            return await method(*arguments)
        if getattr(method, _MARK, False):
            value = await self._elsewhere(self._process_pool(), _call, bound.handler, bound.operation.method, arguments)
        else:
            context = contextvars.copy_context()
            value = await self._elsewhere(self._threads, context.run, method, *arguments)
        return await value if inspect.isawaitable(value) else value

    async def _elsewhere(self, executor: Executor, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call it in a thread or process. When the attempt is to end, its place is kept until the code has ended."""
        job = executor.submit(call, *arguments)
        future = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not job.cancel():
                await asyncio.wait((future,))
                future.exception()  # what a cancelled attempt raises is of no interest
            raise

    def _process_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._processes, mp_context=context)
        return self._pool


def _call(handler: Served, method: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(handler, method)(*arguments)
