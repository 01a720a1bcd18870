"""Host calls that have no answer yet, and values of a guest that are lifted in slices."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final

from obelisk.runtime.host.abi.function import Imported
from obelisk.runtime.host.abi.lowering import release_at
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.ports.guest import Handler

UNANSWERED: Final = object()


class HostCall:
    """A host call that waits for its answer, and where wasmtime wants that.

    It waits for its `handler` first while its arguments are being lifted.
    """

    __slots__ = ("answer", "context", "error", "handler", "results", "signature")

    def __init__(self, signature: Imported, handler: Handler, context: int, results: int, error: int) -> None:
        self.signature, self.handler = signature, handler
        self.context, self.results, self.error = context, results, error
        self.answer: object = UNANSWERED


class LongValue:
    """A value that is lifted in slices; `release` frees it on the C side."""

    __slots__ = ("_release", "_slices", "value")

    def __init__(self, slices: Generator[None, None, Any], release: Callable[[], object]) -> None:
        self._slices, self._release = slices, release
        self.value: Any = None

    def step(self) -> bool:
        """Lift another slice; whether `value` is there. Raises what a lifter does."""
        try:
            next(self._slices)
        except StopIteration as end:
            self.value = end.value
            return True
        return False

    def close(self) -> None:
        """Free it; once."""
        self._slices.close()
        self._release()


def stolen(address: int, count: int) -> tuple[bytes, Callable[[], None]]:
    """The `count` values at `address`, which are wasmtime's for the time of a call, and what frees them from now on."""
    size = count * native.VAL_SIZE
    image = native.bytes_at(address, size)
    native.move(address, bytes(size), size)  # plain values, that need no freeing
    buffer = (ctypes.c_char * size).from_buffer_copy(image)

    def release() -> None:
        release_at(ctypes.addressof(buffer), size)

    return image, release


def result_of(address: int) -> Callable[[], object]:
    """What frees the result at `address`."""
    return partial(native.value_delete, address)
