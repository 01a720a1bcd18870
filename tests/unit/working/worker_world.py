"""What tests of workers share: a generated package, a worker on a fake server, time that jumps."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import AsyncGenerator, Coroutine, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any, TypeVar

from fake_server import FakeServer
from obelisk.cli import at_hand
from obelisk.codegen.emit.package import Part, completed
from obelisk.codegen.pipeline import generate
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile
from obelisk.worker import Served, Worker
from sim_time import VirtualLoop

T = TypeVar("T")
WIT = """package shop:pay@1.0.0;
/// Takes money.
interface payments {
  record card { number: string, limit: u32 }
  variant refusal { declined(string), broke }
  /// Charges a card.
  charge: func(card: card, cents: u32) -> result<string, refusal>;
  refund: func(cents: u32) -> result<_, refusal>;
  total: func(cents: list<u32>) -> u32;
  ping: func();
  nested: func(n: u8) -> result<option<result<u8, string>>, string>;
}
"""
CHARGE, REFUND, TOTAL, PING, NESTED = (
    f"shop:pay/payments@1.0.0.{name}" for name in ("charge", "refund", "total", "ping", "nested")
)
CARD = {"number": "4711", "limit": 100}


@cache
def package() -> ModuleType:
    """The generated ``worker.py`` of `WIT`, importable as ``made_for_workers.shop_pay.worker``."""
    folder = Path(mkdtemp())
    loaded = resolve_sources([SourceFile("pay.wit", WIT)])
    assert loaded.resolution is not None, loaded.diagnostics
    parts = completed({Part.WORKER})
    for path, text in generate(loaded.resolution, at_hand.engine_types(), parts).files.items():
        target = folder / "made_for_workers" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    tree = folder / "made_for_workers"
    spec = importlib.util.spec_from_file_location(
        tree.name, tree / "__init__.py", submodule_search_locations=[str(tree)]
    )
    assert spec is not None
    sys.modules[tree.name] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{tree.name}.shop_pay.worker")


def base() -> Any:
    """The class to implement, without its types: tests of types stand elsewhere."""
    return package().PaymentsWorker


def types() -> Any:
    """The generated types."""
    package()
    return importlib.import_module("made_for_workers.shop_pay.types.payments")


def payments(**methods: Any) -> Served:
    """An implementation with these methods; the others return at once."""

    async def nothing(self: object, *_: object) -> None:
        """Serve what a test does not ask for."""

    names = {operation.method: nothing for operation in base().obelisk__operations}
    made: Served = type("Payments", (base(),), {**names, **methods})()
    return made


@contextlib.asynccontextmanager
async def serving(
    server: FakeServer, handlers: Sequence[Served], **options: Any
) -> AsyncGenerator[tuple[Worker, asyncio.Task[None]]]:
    """A worker that serves; at the end it is stopped, and what it raised is raised."""
    async with server.client() as http:
        worker = Worker("http://fake", handlers=handlers, http=http, **options)
        task = asyncio.create_task(worker.serve())
        try:
            yield worker, task
        finally:
            worker.stop()
            await task


def in_virtual_time(world: Coroutine[Any, Any, T]) -> T:
    """Run it; hours pass in no time. Nothing in it may use threads."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(asyncio.wait_for(world, 1_000_000))
    finally:
        loop.close()
