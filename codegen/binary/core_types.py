"""Passes over the core WebAssembly types that may stand among component types (Binary.md "Type Definitions").

They say nothing to WIT, but carry no size, so that they must be read to find what comes after them. Function, struct,
array and module types are known; anything newer is refused with ``unknown-code``.
"""

from __future__ import annotations

from obelisk.codegen.binary.reader import Reader

_PLAIN = frozenset((0x7F, 0x7E, 0x7D, 0x7C, 0x7B)) | frozenset(range(0x68, 0x78))
_PACKED = (0x78, 0x77)
_WITH_HEAP_TYPE = (0x63, 0x64)
_FUNC, _STRUCT, _ARRAY, _SUB, _SUB_FINAL, _REC, _MODULE = 0x60, 0x5F, 0x5E, 0x50, 0x4F, 0x4E, 0x50


def skip_core_type(reader: Reader) -> None:
    """Pass over a ``core:type``: a recursion group or a module type."""
    first = reader.peek()
    if first == 0x00:
        reader.byte()
        _skip_rec_type(reader)
    elif first == _MODULE:
        reader.byte()
        for _ in range(reader.count()):
            _skip_module_declaration(reader)
    else:
        _skip_rec_type(reader)


def _skip_module_declaration(reader: Reader) -> None:
    match reader.byte():
        case 0x00:
            reader.text()
            reader.text()
            _skip_extern_type(reader)
        case 0x01:
            _skip_rec_type(reader)
        case 0x02:
            for expected in (0x10, 0x01):
                byte = reader.byte()
                if byte != expected:
                    raise reader.unknown(byte, "an outer alias of a core type")
            reader.u32()
            reader.u32()
        case 0x03:
            reader.text()
            _skip_extern_type(reader)
        case byte:
            raise reader.unknown(byte, "a declaration of a module type")


def _skip_extern_type(reader: Reader) -> None:
    match reader.byte():
        case 0x00:
            reader.u32()
        case 0x01:
            _skip_value_type(reader)
            _skip_limits(reader)
        case 0x02:
            _skip_limits(reader)
        case 0x03:
            _skip_value_type(reader)
            reader.byte()
        case 0x04:
            reader.byte()
            reader.u32()
        case byte:
            raise reader.unknown(byte, "a core import or export")


def _skip_limits(reader: Reader) -> None:
    flags = reader.byte()
    if flags > 0x0F:
        raise reader.unknown(flags, "the limits of a memory or table")
    for _ in range(2 if flags & 0x01 else 1):
        _skip_long(reader)
    if flags & 0x08:
        reader.u32()


def _skip_long(reader: Reader) -> None:
    for _ in range(10):
        if reader.byte() < 0x80:
            break


def _skip_rec_type(reader: Reader) -> None:
    if reader.peek() != _REC:
        return _skip_sub_type(reader)
    reader.byte()
    for _ in range(reader.count()):
        _skip_sub_type(reader)


def _skip_sub_type(reader: Reader) -> None:
    if reader.peek() in (_SUB, _SUB_FINAL):
        reader.byte()
        for _ in range(reader.count()):
            reader.u32()
    match reader.byte():
        case 0x60:
            for _ in range(2):
                for _ in range(reader.count()):
                    _skip_value_type(reader)
        case 0x5F:
            for _ in range(reader.count()):
                _skip_field_type(reader)
        case 0x5E:
            _skip_field_type(reader)
        case byte:
            raise reader.unknown(byte, "a core type")


def _skip_field_type(reader: Reader) -> None:
    if reader.peek() in _PACKED:
        reader.byte()
    else:
        _skip_value_type(reader)
    reader.flag()


def _skip_value_type(reader: Reader) -> None:
    byte = reader.byte()
    if byte in _WITH_HEAP_TYPE:
        reader.s33()
    elif byte not in _PLAIN:
        raise reader.unknown(byte, "a core value type")


def skip_core_value_type(reader: Reader) -> None:
    """Pass over a ``core:valtype``."""
    _skip_value_type(reader)
