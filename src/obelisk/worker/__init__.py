"""Activities outside the engine, in Python: what generated ``worker.py`` modules need, and the names of programs.

    from obelisk.worker import Worker, current
    from generated.shop_payments.worker import PaymentsWorker

    class Payments(PaymentsWorker):
        async def charge(self, order: Order) -> Receipt:
            return await bank.charge(order, key=current().execution_id)

    Worker("http://127.0.0.1:8080", handlers=[Payments()]).run()

Nothing here needs the engine: ``httpx`` and ``msgspec`` are all that has to be installed besides.
"""

from __future__ import annotations

from obelisk.runtime.values import Err, Ok
from obelisk.worker.current import Current, current
from obelisk.worker.errors import NotRetryable, RetryAfter, ServerForeign, WorkerError, WorkerRefused
from obelisk.worker.operations import Fallible, Operation, Returned, Served, Wrapped
from obelisk.worker.running import in_process
from obelisk.worker.worker import Worker

__all__ = [
    "Current",
    "Err",
    "Fallible",
    "NotRetryable",
    "Ok",
    "Operation",
    "RetryAfter",
    "Returned",
    "Served",
    "ServerForeign",
    "Worker",
    "WorkerError",
    "WorkerRefused",
    "Wrapped",
    "current",
    "in_process",
]
