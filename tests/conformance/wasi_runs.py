"""Runs guests over our WASI as an executor would: polled on an event loop, parked while they wait."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import kept
from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.types import Type
from obelisk.runtime.catalog.description import describe
from obelisk.runtime.host.component import ComponentCache, to_binary
from obelisk.runtime.host.targets import Limits
from obelisk.runtime.host.wasi import driving
from obelisk.runtime.host.wasi.calls.call import Calls
from obelisk.runtime.host.wasi.calls.offer import WITHOUT_HTTP
from obelisk.runtime.host.wasi.driving import WasiFiber, WasiPrepared
from obelisk.runtime.host.wasi.guests import ActivityGuest, WasiGuest
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.ports.guest import ExportFunction, JsonValue, Poll, Returned, Trapped, Waiting

GUESTS = Path(__file__).parent / "guests_wasi"
CACHE = kept.CACHE


def exported(interface: str, name: str, result: Type | None, **params: Type) -> ExportFunction:
    """An export; underscores of parameters stand for dashes."""
    listed = tuple(Param(label.replace("_", "-"), type_) for label, type_ in params.items())
    return ExportFunction(interface=interface, function=Function(name=name, params=listed, result=result))


def activity(_context: object) -> ActivityGuest:
    """An activity in the real world that keeps 64 KiB of output."""
    return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(64 * 1024))


def prepared(
    cache: ComponentCache,
    source: bytes,
    exports: Iterable[ExportFunction],
    new_guest: Callable[[object], WasiGuest] = activity,
    calls: Calls = WITHOUT_HTTP,
) -> WasiPrepared:
    """A component prepared over our WASI, with nothing else to import."""
    binary = to_binary(source)
    return driving.prepare(
        cache.compile(binary),
        declared=describe(binary).imports,
        new_guest=new_guest,
        exports=tuple(exports),
        calls=calls,
    )


def python_guest(name: str, world: str) -> bytes:
    """The component of `guests_wasi/<name>.{py,wit}`; built once and kept, by the digest of its sources."""
    sources = [(GUESTS / f"{name}{suffix}").read_bytes() for suffix in (".wit", ".py")]
    key = hashlib.sha256(repr((sources, world, metadata.version("componentize-py"))).encode()).hexdigest()[:16]

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            for suffix in (".wit", ".py"):
                shutil.copy(GUESTS / f"{name}{suffix}", folder)
            tool = str(Path(sys.executable).with_name("componentize-py"))
            command = [tool, "-d", f"{name}.wit", "-w", world, "componentize", "-p", ".", "-o", "out.wasm", name]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            return (Path(folder) / "out.wasm").read_bytes()

    return kept.file(f"{name}-{key}.wasm", make).read_bytes()


async def ended(fiber: WasiFiber) -> Poll:
    """How a fiber ends; what waits costs no thread meanwhile."""
    while not isinstance(polled := fiber.poll(), Returned | Trapped):
        turn = asyncio.Event()
        if isinstance(polled, Waiting):
            fiber.when_ready(turn.set)
            await turn.wait()
        else:
            await asyncio.sleep(0)
    return polled


def run(
    ready: WasiPrepared, export: ExportFunction, *args: JsonValue, context: object = None, limits: Limits | None = None
) -> Poll:
    """How one call of an export ends, on an event loop of its own."""

    async def once() -> Poll:
        return await ended(ready.start(export, args, context, limits or Limits()))

    return asyncio.run(once())
