"""The benchmark's work on DBOS. Runs in an environment of its own, where `dbos`, `starlette` and `uvicorn` are.

    python dbos_side.py DATABASE

DBOS as it comes: the system database is SQLite, with DBOS's own pragmas (rollback journal, SQLite's default
`synchronous=FULL`). Speaks the lines of `sides.Driven`.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

import uvicorn
from dbos import DBOS
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{sys.argv[1]}", "log_level": "ERROR"})


def number(n: int) -> int:
    """The n-th Fibonacci number."""
    current, following = 0, 1
    for _ in range(n):
        current, following = following, current + following
    return current


@DBOS.step()
def fibo(n: int) -> int:
    """What Obelisk runs as an activity."""
    return number(n)


@DBOS.workflow()
def fiboa(n: int, iterations: int) -> int:
    """Calls the step again and again."""
    last = 0
    for _ in range(iterations):
        last = fibo(n)
    return last


@DBOS.workflow()
def child(n: int) -> int:
    """A workflow that does nothing durable of its own."""
    return number(n)


@DBOS.workflow()
def parent(n: int, calls: int) -> int:
    """Child workflows, one after another."""
    last = 0
    for _ in range(calls):
        last = child(n)
    return last


@DBOS.workflow()
def fan_out(n: int, children: int) -> int:
    """All children at once, then all results."""
    handles = [DBOS.start_workflow(child, n) for _ in range(children)]
    return sum(handle.get_result() for handle in handles) // children


def many(workflow, count: int, n: int, size: int) -> dict[str, float]:
    """Seconds from the first submission until all of `count` workflows have their results."""
    start = time.perf_counter()
    handles = [DBOS.start_workflow(workflow, n, size) for _ in range(count)]
    results = {handle.get_result() for handle in handles}
    seconds = time.perf_counter() - start
    assert results == {number(n)}, results
    return {"seconds": seconds}


def serve() -> dict[str, float]:
    """An HTTP front as equal as can be (uvicorn with httptools and uvloop, Starlette): one POST is one durable
    workflow; the port it listens on."""

    async def post(request: Request) -> JSONResponse:
        result = await run_in_threadpool(child, (await request.json())["n"])
        return JSONResponse({"ok": result})

    bound = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/fibo", post, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return {"port": bound.getsockname()[1]}


WORK = {
    "calls": lambda count, calls: many(fiboa, count, 10, calls),
    "children": lambda calls: many(parent, 1, 10, calls),
    "fan_out": lambda children: many(fan_out, 1, 10, children),
    "serve": serve,
}

DBOS.launch()
for line in sys.stdin:
    wanted = json.loads(line)
    print("@" + json.dumps(WORK[wanted.pop("do")](**wanted)), flush=True)
DBOS.destroy()
