"""The cursor over bytes: numbers, names, sizes, and the offset of each fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk.codegen.binary.errors import MalformedBinary
from obelisk.codegen.binary.reader import MAX_NAME, Reader


def reader(data: bytes) -> Reader:
    return Reader(memoryview(data), 0, len(data))


def unsigned(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


def signed(value: int) -> bytes:
    result = bytearray()
    while not -0x40 <= value < 0x40:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value & 0x7F])


@given(st.integers(0, 2**32 - 1))
def test_unsigned_numbers(value: int) -> None:
    r = reader(unsigned(value))
    assert r.u32() == value
    assert r.at_end


@given(st.integers(-(2**32), 2**32 - 1))
def test_signed_numbers(value: int) -> None:
    r = reader(signed(value))
    assert r.s33() == value
    assert r.at_end


@pytest.mark.parametrize(
    ("data", "read", "code", "offset"),
    [
        (b"", Reader.byte, "truncated", 0),
        (b"", Reader.peek, "truncated", 0),
        (b"\x80\x80", Reader.u32, "truncated", 2),
        (b"\x80\x80\x80\x80\x80\x00", Reader.u32, "bad-number", 0),
        (b"\xff\xff\xff\xff\x1f", Reader.u32, "bad-number", 0),
        (b"\x80\x80\x80\x80\x80\x00", Reader.s33, "bad-number", 0),
        (b"\x80\x80\x80\x80\x20", Reader.s33, "bad-number", 0),
        (b"\x05\x00", Reader.count, "truncated", 0),
        (b"\x03ab", Reader.text, "truncated", 1),
        (b"\x02\xc3\x28", Reader.text, "bad-utf8", 1),
        (b"\x02", Reader.flag, "unknown-code", 0),
    ],
)
def test_faults(data: bytes, read: Callable[[Reader], object], code: str, offset: int) -> None:
    with pytest.raises(MalformedBinary) as caught:
        read(reader(data))
    assert (caught.value.error.code, caught.value.error.offset) == (code, offset)


def test_a_name_is_limited() -> None:
    with pytest.raises(MalformedBinary) as caught:
        reader(unsigned(MAX_NAME + 1) + b"a" * (MAX_NAME + 1)).text()
    assert caught.value.error.code == "too-large"


def test_parts_count_offsets_from_the_start() -> None:
    r = reader(b"\x00\x01\x02\x03\x04")
    r.skip(1)
    part = r.part(2)
    assert (part.byte(), part.byte(), part.at_end, r.position) == (1, 2, True, 3)
    with pytest.raises(MalformedBinary) as caught:
        part.byte()
    assert caught.value.error.offset == 3
    with pytest.raises(MalformedBinary) as caught:
        r.part(3)
    assert caught.value.error.code == "truncated"


def test_finish_wants_all_to_be_read() -> None:
    r = reader(b"\x01\x00")
    assert (r.peek(), r.flag()) == (1, True)
    with pytest.raises(MalformedBinary) as caught:
        r.finish("a section")
    assert (caught.value.error.code, caught.value.error.offset) == ("trailing-bytes", 1)
    assert str(caught.value.error) == "unexpected bytes at the end of a section (at byte 0x1) [trailing-bytes]"
    r.byte()
    r.finish("a section")
