"""Typed calls over HTTP: what generated ``client.py`` modules need, and the names that programs use with them.

    from obelisk.client import Client
    from generated.demo_fibo.client import WorkflowClient

    with Client("http://127.0.0.1:8080") as server:
        workflow = WorkflowClient(server)
        workflow.fiboa(n=10, iterations=500)            # Ok(55), or Err of the function's own error type
        handle = workflow.fiboa.submit(n=10, iterations=500)
        handle.result(timeout=10)

A function's own ``err`` is a value, `Err`; everything else that keeps a call from its result is a `ClientError`.
`unwrap` turns an `Err` into an exception. `AsyncClient` does the same with ``await``. Both need ``httpx`` once a client
is made. The distribution ``obelisk-client`` has this package, the values and nothing else of the engine.
"""

from __future__ import annotations

from obelisk.client.asynchronous import AsyncClient, AsyncFunction, AsyncHandle, AsyncRemoteFunction
from obelisk.client.blocking import Client, Function, Handle, RemoteFunction
from obelisk.client.errors import (
    AnswerForeign,
    Busy,
    ClientError,
    Conflict,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionTimedOut,
    InvalidParams,
    NotFinished,
    NotFound,
    QueueFull,
    ReturnedErr,
    Unauthenticated,
    Unavailable,
    Unreachable,
    Unsupported,
    unwrap,
)
from obelisk.client.operations import LogEntry, Operation

__all__ = [
    "AnswerForeign",
    "AsyncClient",
    "AsyncFunction",
    "AsyncHandle",
    "AsyncRemoteFunction",
    "Busy",
    "Client",
    "ClientError",
    "Conflict",
    "ExecutionCancelled",
    "ExecutionFailed",
    "ExecutionTimedOut",
    "Function",
    "Handle",
    "InvalidParams",
    "LogEntry",
    "NotFinished",
    "NotFound",
    "Operation",
    "QueueFull",
    "RemoteFunction",
    "ReturnedErr",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "Unsupported",
    "unwrap",
]
