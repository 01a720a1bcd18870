"""The streams of `wasi:io/streams` as resources: their contract, and those of a guest's standard streams.

Non-blocking throughout: what has to wait is waited for by the handlers (`calls.io`). A stream that has failed or
ended raises `StreamEnd` from then on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from obelisk.runtime.host.wasi.capabilities import Output
from obelisk.runtime.host.wasi.io.asides import Held
from obelisk.runtime.host.wasi.io.pollables import READY, Pollable
from obelisk.runtime.ports.guest import JsonValue

CHUNK: Final = 64 * 1024
"""The most bytes that one call moves."""


class StreamError:
    """The resource `wasi:io/error.error`: why a stream failed, in words and, of an HTTP body or a file, as its error
    code."""

    __slots__ = ("file_code", "http_code", "text")

    def __init__(self, text: str, http_code: JsonValue = None, *, file_code: str | None = None) -> None:
        self.text, self.http_code, self.file_code = text, http_code, file_code


class StreamEnd(Exception):
    """The stream gives or takes nothing more: it was closed, or with an `error` it failed."""

    def __init__(self, error: StreamError | None = None) -> None:
        super().__init__("closed" if error is None else error.text)
        self.error = error


class _Stream:
    """What all streams have: most of them wait for nothing, and may be used as long as they have a holder."""

    @property
    def is_slow(self) -> bool:
        """Whether reading or writing should not keep the event loop (`asides`)."""
        return False

    @property
    def uses(self) -> Held | None:
        """What must not be closed while it is read or written on a thread."""
        return None


class InputStream(_Stream, ABC):
    """The resource `wasi:io/streams.input-stream`."""

    @abstractmethod
    def pollable(self) -> Pollable:
        """Ready when `read` gives bytes or raises."""

    @abstractmethod
    def read(self, limit: int) -> bytes:
        """At most `limit` bytes, none when none are there yet; StreamEnd after the last."""


class OutputStream(_Stream, ABC):
    """The resource `wasi:io/streams.output-stream`."""

    @abstractmethod
    def pollable(self, count: int = 1) -> Pollable:
        """Ready when `room` gives at least `count` (at most 4096), or raises."""

    @abstractmethod
    def flushed(self) -> Pollable:
        """Ready when all that was written has left, or the stream has ended."""

    @abstractmethod
    def room(self) -> int:
        """How many bytes `write` takes; StreamEnd."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Take all of `data`, no more than there is room for; StreamEnd."""


class ClosedInput(InputStream):
    """Standard input: at its end from the start."""

    def pollable(self) -> Pollable:
        """There is never anything to wait for."""
        return READY

    def read(self, limit: int) -> bytes:
        """Nothing comes."""
        raise StreamEnd()


class ReadyOutput(OutputStream, ABC):
    """Takes a chunk at any time, and holds nothing back."""

    def pollable(self, count: int = 1) -> Pollable:
        """There is always room."""
        return READY

    def flushed(self) -> Pollable:
        """Nothing is held back."""
        return READY

    def room(self) -> int:
        """One chunk."""
        return CHUNK


class SinkOutput(ReadyOutput):
    """Standard output or error: everything is taken at once."""

    def __init__(self, output: Output, *, to_stderr: bool) -> None:
        self._output, self._to_stderr = output, to_stderr

    def write(self, data: bytes) -> None:
        """Into the sink."""
        self._output.write(data, to_stderr=self._to_stderr)
