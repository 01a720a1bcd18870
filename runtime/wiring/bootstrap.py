"""Where the runtime is put together: configuration in, an open runtime out. Nothing else constructs its parts."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from obelisk import __version__
from obelisk.runtime import private
from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.errors import ComponentError, StoreError
from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.executor.pauses import Pauses
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.executor.watchers import Watchers
from obelisk.runtime.host.guests import WasmtimeHost
from obelisk.runtime.host.wasmtime.memory import give_back
from obelisk.runtime.observe.health import Health
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.observe.telemetry import OtlpTracer
from obelisk.runtime.ports.completions import Completions
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.store.sqlite.store import SqliteStore
from obelisk.runtime.usecases.admission import PendingLimit
from obelisk.runtime.usecases.api import Api
from obelisk.runtime.wiring import wit_folders
from obelisk.runtime.wiring.clock import SystemClock, SystemEntropy
from obelisk.runtime.wiring.config import Config
from obelisk.runtime.wiring.guest_environment import Outside
from obelisk.runtime.wiring.processors import computing_threads

logger = logging.getLogger(__name__)
T = TypeVar("T")
RETRY_S = 0.1
Patiently: TypeAlias = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
SILENCE_S = 10.0
MOST_SILENCE_S = 300.0
HOLDS_IT = "A process that was stopped in the middle of a write holds it: let it continue, or end it"
__all__ = ["OpenRuntime", "open_runtime", "open_store", "read_sources", "settle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRuntime:
    """A runtime whose store is open. `executor` is None when it only serves the use cases. `completed` ends, with its
    error if there is one, when all that is deployed is prepared."""

    api: Api
    deployment: Deployment
    executor: Executor | None
    completed: asyncio.Future[None]


@asynccontextmanager
async def open_runtime(
    config: Config, *, execute: bool, early: bool = False, on_failed: Callable[[str], None] = lambda _: None
) -> AsyncGenerator[OpenRuntime, None]:
    """Open the store, load what is deployed and, with `execute`, run it until the block is left.

    With `early` the block is entered as soon as calls can be recorded, while components are still being prepared:
    errors of that are those of `OpenRuntime.completed`. `on_failed(reason)` is called when the executor has ended on
    its own, which is a bug: the process should end. With `execute` a database that another process has locked is waited
    for. StoreError, ComponentError, ImportRefused. Leaving the block drains: workflows are unloaded, attempts get their
    grace time.
    """
    async with AsyncExitStack() as stack:
        clock, entropy, completions = SystemClock(), SystemEntropy(), Completions()
        health, metrics = Health(), Metrics()
        patiently = when_free if execute else at_once
        store = await patiently(lambda: asyncio.to_thread(open_store, config, metrics))
        stack.push_async_callback(store.close)
        tracer = open_tracer(config) if execute else None
        if tracer is not None:
            stack.push_async_callback(asyncio.to_thread, tracer.close)
        outside = Outside(config.ceiling, execute=execute)
        stack.push_async_callback(outside.close)
        host = WasmtimeHost(config.cache, outside.wasi())
        stack.callback(host.close)
        executor = None
        if execute:
            executor = Executor(
                store=store,
                clock=clock,
                entropy=entropy,
                completions=completions,
                settings=executor_settings(config),
                health=health,
                metrics=metrics,
                tracer=tracer,
                guests=host.room,
            )
        deployment = Deployment(store=store, host=host, clock=clock, changed=_served_by(executor))
        await patiently(deployment.begin)
        completed = asyncio.create_task(_complete(deployment, host, config, patiently))
        stack.push_async_callback(_ended, completed)
        if not early:
            await completed
        api = Api(
            store=store,
            deployment=deployment,
            clock=clock,
            entropy=entropy,
            completions=completions,
            placement=executor,
            health=health,
            pending=PendingLimit(most=config.store.max_pending, when_full=config.store.when_full),
            metrics=metrics,
            tracer=tracer,
        )
        if executor is not None:
            await _run(executor, deployment, on_failed, stack)
        yield OpenRuntime(api=api, deployment=deployment, executor=executor, completed=completed)


def _served_by(executor: Executor | None) -> Callable[[Registry, dict[str, Prepared]], None]:
    """Tell the executor, if there is one, when something is deployed."""

    def changed(registry: Registry, prepared: dict[str, Prepared]) -> None:
        if executor is not None:
            executor.serve(registry, prepared)

    return changed


async def _complete(deployment: Deployment, host: WasmtimeHost, config: Config, patiently: Patiently) -> None:
    """Prepare what is on record, and deploy what the configuration names."""
    sources = await asyncio.to_thread(read_sources, config)
    await patiently(lambda: deployment.complete(sources))
    bounds = config.cache_bounds
    host.prune_cache(max_bytes=bounds.max_bytes, unused_s=bounds.keep_days * 86_400)


async def _ended(completed: asyncio.Task[None]) -> None:
    """Cancel the start, if it is still under way. Its error is raised where it is awaited, not here."""
    completed.cancel()
    await asyncio.wait((completed,))


async def at_once(action: Callable[[], Awaitable[T]]) -> T:
    """`action()`, once."""
    return await action()


async def when_free(action: Callable[[], Awaitable[T]]) -> T:
    """`action()`; again, without end, while another process holds the database's write lock, which the log says.

    Each try waits for the lock itself, some seconds. The log hears of it less and less often.
    """
    loop, silence, says_at_s = asyncio.get_running_loop(), Pauses(SILENCE_S, MOST_SILENCE_S), 0.0
    while True:
        try:
            return await action()
        except StoreError as error:
            if error.fields.get("reason") != "locked":
                raise
            if loop.time() >= says_at_s:
                logger.warning("%s; waiting until it is free. %s", error.message, HOLDS_IT)
                says_at_s = loop.time() + silence.next_s()
        await asyncio.sleep(RETRY_S)


def settle() -> None:
    """For a process that does nothing but serve, once all is loaded: the garbage collector leaves alone what is there.

    It would look through all modules, functions and types again and again: a sixth of what a call over HTTP costs.
    """
    gc.collect()
    gc.freeze()


async def _run(
    executor: Executor, deployment: Deployment, on_failed: Callable[[str], None], stack: AsyncExitStack
) -> None:
    """Let an executor work until `stack` is closed."""
    watchers = Watchers(executor, deployment, on_failed=on_failed, give_back=give_back)
    await when_free(watchers.start)
    executor.lines.start()
    stack.push_async_callback(executor.lines.close)
    stack.push_async_callback(watchers.stop)
    stack.push_async_callback(executor.stop)


def executor_settings(config: Config) -> ExecutorSettings:
    """The settings of the executor that a configuration asks for."""
    return ExecutorSettings(
        hot_workflows=config.executor.hot_workflows,
        activities=config.executor.activities,
        threads=config.executor.threads or computing_threads(),
        lease_ms=config.executor.lease_ms,
        poll_ms=config.executor.poll_ms,
        grace_ms=config.executor.grace_ms,
        labels=frozenset(config.executor.labels),
        log_bytes=config.store.log_bytes,
        max_depth=config.executor.max_depth,
        max_family=config.executor.max_family,
        linger_ms=config.executor.linger_ms,
        keep_finished_us=round(config.store.keep_finished_hours * 3_600_000_000),
    )


def open_tracer(config: Config) -> OtlpTracer | None:
    """Where spans go, if anywhere. ConfigError when the library for that is not installed."""
    if not config.tracing.endpoint:
        return None
    settings = config.tracing
    return OtlpTracer(settings.endpoint, service=settings.service, version=__version__, ratio=settings.ratio)


def open_store(config: Config, metrics: Metrics | None = None) -> SqliteStore:
    """The configured database, in its folder, which is made if need be; StoreError."""
    try:
        private.make_folder(config.database.parent)
    except OSError as error:
        raise StoreError(
            f"[store] path: the folder {config.database.parent.absolute()} cannot be made: {error.strerror}; "
            "name a place that can be written, as /var/lib/obelisk/obelisk.sqlite",
            path=str(config.database),
        ) from None
    if not config.database.exists() and not os.access(config.database.parent, os.W_OK | os.X_OK):
        raise StoreError(
            f"[store] path: {config.database.absolute()} cannot be made: its folder cannot be written by this user; "
            "name a place that can, as /var/lib/obelisk/obelisk.sqlite",
            path=str(config.database),
        )
    return SqliteStore.open(config.database, metrics=metrics)


def read_sources(config: Config) -> Sequence[Source]:
    """The component files that the configuration deploys; ComponentError names one that cannot be read."""
    sources: list[Source] = []
    for component in config.components:
        where = f"component.{component.name}.{'wit' if component.is_wit else 'path'}"
        try:
            content = wit_folders.read(component.path) if component.is_wit else component.path.read_bytes()
        except OSError as error:
            raise ComponentError(f"{where}: {component.path}: {error.strerror}", component=component.name) from None
        except ComponentError as error:
            raise ComponentError(f"{where}: {error.message}", component=component.name) from None
        sources.append(Source(name=component.name, content=content, settings=component.settings))
    return sources
