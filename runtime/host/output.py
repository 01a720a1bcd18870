"""Standard output and error of guests with native WASI, kept in bounded buffers."""

from __future__ import annotations

import itertools
from typing import Final

from obelisk.runtime.host.errors import AbiError
from obelisk.runtime.host.wasmtime import native

_tokens = itertools.count(1)


class Capture:
    """Two buffers of at most `limit` bytes each; what is beyond is dropped and noted."""

    def __init__(self, limit: int) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self.truncated = False
        self._limit, self._token = limit, next(_tokens)

    def attach(self, context: int) -> None:
        """Give a wasmtime Store native WASI: no arguments, environment, folders, input or network; output goes here."""
        config = native.wasi_new()
        native.wasi_stdout(config, _write, self._token * 2, native.NO_FINALIZER)
        native.wasi_stderr(config, _write, self._token * 2 + 1, native.NO_FINALIZER)
        _captures[self._token] = self
        error = native.context_set_wasi(context, config)
        if error:
            raise AbiError(f"WASI cannot be set up: {native.take_error(error)}")

    def detach(self) -> None:
        """Accept nothing more."""
        _captures.pop(self._token, None)

    def write(self, data: bytes, *, to_stderr: bool) -> None:
        """Append what fits."""
        buffer = self.stderr if to_stderr else self.stdout
        room = self._limit - len(buffer)
        buffer += data[:room]
        self.truncated = self.truncated or len(data) > room


_captures: Final[dict[int, Capture]] = {}


@native.Output  # type: ignore[untyped-decorator]
def _write(token: int, address: int, count: int) -> int:
    """May come from a thread of wasmtime's own, also after the guest has ended: then it is dropped."""
    capture = _captures.get(token // 2)
    if capture is not None and count:
        capture.write(native.bytes_at(address, count), to_stderr=bool(token % 2))
    return count
