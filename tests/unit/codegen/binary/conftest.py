"""Binaries for tests: from component text through wasmtime's assembler, or byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import wasmtime

from obelisk.codegen.binary.decoder import Decoded, decode
from obelisk.codegen.model.items import World

PREAMBLE = b"\0asm\x0d\0\x01\0"


class Assembler:
    """Writes a component from sections of raw bytes."""

    preamble = PREAMBLE

    def number(self, value: int) -> bytes:
        """An unsigned LEB128 integer."""
        result = bytearray()
        while True:
            value, low = value >> 7, value & 0x7F
            result.append(low | (0x80 if value else 0))
            if not value:
                return bytes(result)

    def name(self, text: str) -> bytes:
        """A length and UTF-8."""
        return self.number(len(text.encode())) + text.encode()

    def items(self, items: Iterable[bytes]) -> bytes:
        """A vector."""
        listed = list(items)
        return self.number(len(listed)) + b"".join(listed)

    def section(self, code: int, body: bytes) -> bytes:
        """A section."""
        return bytes([code]) + self.number(len(body)) + body

    def component(self, *sections: tuple[int, bytes]) -> bytes:
        """A component of sections."""
        return PREAMBLE + b"".join(self.section(code, body) for code, body in sections)


@pytest.fixture
def assembler() -> Assembler:
    return Assembler()


@pytest.fixture
def decode_text() -> Callable[[str], Decoded]:
    """Assembles component text and decodes it."""
    return lambda text: decode(bytes(wasmtime.wat2wasm(text)))


@pytest.fixture
def world_of(decode_text: Callable[[str], Decoded]) -> Callable[[str], World]:
    """Assembles component text and gives its world; it must have no problems."""

    def world(text: str) -> World:
        decoded = decode_text(text)
        assert decoded.problems == ()
        assert decoded.world is not None
        return decoded.world

    return world
