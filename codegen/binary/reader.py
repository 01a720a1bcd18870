"""A cursor over the bytes of a binary: fixed bytes, LEB128 integers, names, counts (Binary.md; core spec, chapter 5).

Nothing is copied but names. A `Reader` reads from `position` up to `end`; `part` gives another one for a sized part of
it, over the same bytes, so that every offset counts from the start of the file. Every method raises `MalformedBinary`
at the offset of the fault.
"""

from __future__ import annotations

from obelisk.codegen.binary.errors import MalformedBinary

MAX_NAME = 100_000
"""The longest name in bytes, as the reference validator has it."""


class Reader:
    """Reads `data[position:end]` from left to right."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: memoryview, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    @property
    def at_end(self) -> bool:
        """Whether all was read."""
        return self.position >= self.end

    def byte(self) -> int:
        """The next byte."""
        position = self.position
        if position >= self.end:
            raise MalformedBinary("truncated", position, "the binary ends inside a definition")
        self.position = position + 1
        return self.data[position]

    def peek(self) -> int:
        """The next byte, left in place."""
        byte = self.byte()
        self.position -= 1
        return byte

    def u32(self) -> int:
        """An unsigned LEB128 integer of at most 32 bits."""
        start = self.position
        byte = self.byte()
        if byte < 0x80:
            return byte
        result = byte & 0x7F
        for shift in (7, 14, 21, 28):
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise MalformedBinary("bad-number", start, "an integer takes more than 5 bytes")
        if result > 0xFFFF_FFFF:
            raise MalformedBinary("bad-number", start, "an integer exceeds 32 bits")
        return result

    def s33(self) -> int:
        """A signed LEB128 integer of at most 33 bits: a type index when it is not negative."""
        start = self.position
        result = shift = 0
        while shift < 35:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if byte & 0x40:
                    result -= 1 << shift
                if not -(1 << 32) <= result < 1 << 32:
                    raise MalformedBinary("bad-number", start, "an integer exceeds 33 bits")
                return result
        raise MalformedBinary("bad-number", start, "an integer takes more than 5 bytes")

    def count(self) -> int:
        """The length of a vector: never more than the bytes that are left, since each item takes one or more."""
        start = self.position
        count = self.u32()
        if count > self.end - self.position:
            raise MalformedBinary("truncated", start, f"a list of {count} items does not fit into what follows")
        return count

    def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        if size > self.end - self.position:
            raise MalformedBinary("truncated", self.position, f"{size} bytes expected, fewer are left")
        self.position += size

    def text(self) -> str:
        """A name: its length in bytes and UTF-8."""
        start = self.position
        size = self.u32()
        if size > MAX_NAME:
            raise MalformedBinary("too-large", start, f"a name of {size} bytes (at most {MAX_NAME})")
        begin = self.position
        self.skip(size)
        try:
            return str(self.data[begin : self.position], "utf-8")
        except UnicodeDecodeError:
            raise MalformedBinary("bad-utf8", begin, "a name is not UTF-8") from None

    def flag(self) -> bool:
        """A byte that is 0 or 1."""
        byte = self.byte()
        if byte > 1:
            raise self.unknown(byte, "a flag of 0 or 1")
        return byte == 1

    def part(self, size: int) -> Reader:
        """A reader of the next `size` bytes, which this one passes over."""
        begin = self.position
        self.skip(size)
        return Reader(self.data, begin, self.position)

    def finish(self, what: str) -> None:
        """Insist that all was read."""
        if self.position != self.end:
            raise MalformedBinary("trailing-bytes", self.position, f"unexpected bytes at the end of {what}")

    def unknown(self, byte: int, expected: str) -> MalformedBinary:
        """The error for `byte`, just read, where something else is expected."""
        return MalformedBinary("unknown-code", self.position - 1, f"expected {expected}, found {byte:#04x}")
