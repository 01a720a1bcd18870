"""What a function raises to say whether another attempt is of use, and what a worker itself raises."""

from __future__ import annotations

from obelisk.runtime.errors import ObeliskError


class NotRetryable(Exception):
    """Raised by a function: this attempt has failed, and another one would fail as well. There is no retry."""


class RetryAfter(Exception):
    """Raised by a function: this attempt has failed; try again, but not sooner than in `seconds`.

    A longer pause of the component's own backoff counts.
    """

    def __init__(self, seconds: float, message: str = "") -> None:
        if seconds < 0:
            raise ValueError(f"seconds: expected 0 or more, got {seconds}")
        super().__init__(message or f"try again in {seconds} s")
        self.seconds = seconds


class WorkerError(ObeliskError):
    """Root of what ends a worker; by itself an answer of the server that a worker cannot go on after."""

    code = "worker_stopped"


class WorkerRefused(WorkerError):
    """The server takes nothing from this worker: the token is wrong or lacks the scope `work`."""

    code = "worker_refused"


class ServerForeign(WorkerError):
    """What answers at the URL is no Obelisk server that knows workers."""

    code = "answer_foreign"
