"""What can be wrong with a binary: a coded value with a byte offset.

`decode` returns `BinaryError` values and raises nothing. `MalformedBinary` carries one up through the readers and is
caught by the decoder; it never leaves `codegen.binary`.

Codes: ``not-wasm`` no WebAssembly at all · ``core-module`` a core module, no component · ``unknown-version`` a layer
or version that is not understood · ``truncated`` the bytes end too early · ``trailing-bytes`` a part is longer than its
content · ``bad-number`` an integer's encoding · ``bad-utf8`` a name · ``unknown-code`` an opcode · ``bad-index`` an
index or name that refers to nothing of the right sort · ``duplicate-name`` · ``too-deep`` and ``too-large`` limits ·
``not-in-wit`` a valid binary perhaps, but WIT has no words for it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryError:
    """One fault: `offset` counts bytes from the start of the binary that was given to `decode`."""

    code: str
    offset: int
    message: str

    def __str__(self) -> str:
        return f"{self.message} (at byte {self.offset:#x}) [{self.code}]"


class MalformedBinary(Exception):
    """Ends the reading of a binary; `error` says why."""

    def __init__(self, code: str, offset: int, message: str) -> None:
        super().__init__(message)
        self.error = BinaryError(code=code, offset=offset, message=message)
