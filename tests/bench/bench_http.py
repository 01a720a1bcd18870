"""What an HTTP GET costs from a Python activity beside the same GET by the plain client, and what a warm start takes.

`PYTHONPATH=tests/conformance python tests/bench/bench_http.py`. The server is a process of its own; both sides ask it
one request after the other, over a connection that is kept. Best and middle of five rounds each, in one process, so
that only ratios and differences of one run are to be compared.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpcore

from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from wasi_runs import CACHE, python_guest

TIMES, ROUNDS = 200, 5
SERVER = """
import asyncio

async def answer(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 500\\r\\n\\r\\n" + b"x" * 500)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def config_of(folder: Path, port: int) -> configuration.Config:
    rule = f'host = "127.0.0.1"\nschemes = ["http"]\nports = [{port}]\n'
    text = f'[cache]\npath = "{CACHE / "compiled"}"\n[[http.allow]]\n{rule}'
    for name, world in (("client", "calling"), ("probe", "probing"), ("chronicle", "keeping")):
        (folder / f"{name}.wasm").write_bytes(python_guest(name, world))
        text += f'[component.{name}]\npath = "{name}.wasm"\nmax_retries = 0\n'
        text += f"[[component.client.http.allow]]\n{rule}" if name == "client" else ""
    notes = Path(__file__).parents[1] / "conformance" / "guests_wasi" / "notes.wat"
    text += f'[component.notes]\npath = "{notes}"\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def timed(round_: Callable[[], Awaitable[object]], times: int) -> tuple[float, float]:
    """Milliseconds for one of `times` things that a round does: of the best round and of the middle one."""
    spent: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await round_()
        spent.append((time.perf_counter() - start) / times * 1000)
    return min(spent), statistics.median(spent)


async def called(runtime: OpenRuntime, function: str, *params: object) -> None:
    submitted = await runtime.api.submit(Submission(ffqn=f"test:wasi/client@1.0.0.{function}", params=list(params)))
    outcome = await runtime.api.wait(submitted.execution_id, 60)
    assert isinstance(outcome, log.Returned), outcome
    assert "ok" in json.loads(bytes(outcome.value)) or params[-1] == "denied", bytes(outcome.value)


async def measure(folder: Path, port: int) -> None:
    call: dict[str, object] = {
        "method": "GET",
        "scheme": "http",
        "authority": f"127.0.0.1:{port}",
        "path": "/",
        "headers": [],
    }
    call |= {"body": None, "first_byte_ms": 5_000, "between_bytes_ms": 5_000}
    denied = call | {"authority": "127.0.0.1:1"}
    config = config_of(folder, port)
    async with open_runtime(config, execute=True) as runtime:
        await called(runtime, "fetch", call)
    start = time.perf_counter()
    async with open_runtime(config, execute=True) as runtime, httpcore.AsyncConnectionPool() as pool:
        print(f"warm start with three Python guests: {time.perf_counter() - start:.2f} s")

        async def plainly() -> None:
            for _ in range(TIMES):
                response = await pool.request("GET", f"http://127.0.0.1:{port}/")
                assert len(response.content) == 500

        async def one_attempt_each(sent: dict[str, object]) -> None:
            for _ in range(TIMES // 4):
                submitted = await runtime.api.submit(Submission(ffqn="test:wasi/client@1.0.0.fetch", params=[sent]))
                await runtime.api.wait(submitted.execution_id, 60)

        rows = [
            ("plain client, a GET", await timed(plainly, TIMES)),
            ("in a Python activity, a GET", await timed(lambda: called(runtime, "again", call, TIMES), TIMES)),
            ("a Python activity with a GET", await timed(lambda: one_attempt_each(call), TIMES // 4)),
            ("a Python activity that is denied it", await timed(lambda: one_attempt_each(denied), TIMES // 4)),
        ]
    for name, (best, middle) in rows:
        print(f"{name:38} best {best:6.2f} ms   middle {middle:6.2f} ms")
    print(f"over the plain client: {rows[1][1][1] - rows[0][1][1]:.2f} ms in an attempt that runs")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
        assert server.stdout is not None
        try:
            await measure(Path(folder), int(await server.stdout.readline()))
        finally:
            server.kill()
            await server.wait()


if __name__ == "__main__":
    asyncio.run(main())
