"""Reads the canon section for the one definition that makes a component function: ``canon lift``.

All others make core functions, of which types know nothing; they are passed over by a table of what follows each
opcode (Binary.md "Canonical Definitions").
"""

from __future__ import annotations

from typing import Final

from obelisk.codegen.binary.core_types import skip_core_value_type
from obelisk.codegen.binary.entities import Sort
from obelisk.codegen.binary.reader import Reader
from obelisk.codegen.binary.scope import Scope
from obelisk.codegen.binary.type_reader import read_result

# i index or number · o options · r result list · b flag · v core value type · z the byte 0
_OPERANDS: Final = {
    0x01: "zio",
    0x02: "i",
    0x03: "i",
    0x04: "i",
    0x05: "",
    0x06: "b",
    0x07: "i",
    0x09: "ro",
    0x0A: "vi",
    0x0B: "vi",
    0x0C: "b",
    0x0D: "",
    0x0E: "i",
    0x0F: "io",
    0x10: "io",
    0x11: "ib",
    0x12: "ib",
    0x13: "i",
    0x14: "i",
    0x15: "i",
    0x16: "io",
    0x17: "io",
    0x18: "ib",
    0x19: "ib",
    0x1A: "i",
    0x1B: "i",
    0x1C: "o",
    0x1D: "o",
    0x1E: "",
    0x1F: "",
    0x20: "bi",
    0x21: "bi",
    0x22: "",
    0x23: "",
    0x24: "",
    0x25: "",
    0x26: "",
    0x27: "ii",
    0x28: "",
    0x29: "b",
    0x2A: "b",
    0x2B: "b",
    0x2C: "b",
    0x2D: "b",
    0x40: "i",
    0x41: "ii",
    0x42: "",
}
_OPTIONS_WITH_INDEX: Final = (0x03, 0x04, 0x05, 0x07, 0x08)
_LAST_OPTION: Final = 0x09


def read_canonical(reader: Reader, scope: Scope) -> None:
    """A ``canon`` definition; a lifted function gets an index in `scope`."""
    code = reader.byte()
    if code == 0x00:
        _skip_operands(reader, scope, "zio")
        offset = reader.position
        scope.push(scope.func_type(reader.u32(), offset), Sort.FUNC)
        return
    operands = _OPERANDS.get(code)
    if operands is None:
        raise reader.unknown(code, "a canonical definition")
    _skip_operands(reader, scope, operands)


def _skip_operands(reader: Reader, scope: Scope, operands: str) -> None:
    for operand in operands:
        match operand:
            case "i":
                reader.u32()
            case "o":
                for _ in range(reader.count()):
                    _skip_option(reader)
            case "r":
                read_result(reader, scope)
            case "b":
                reader.flag()
            case "v":
                skip_core_value_type(reader)
            case _:
                byte = reader.byte()
                if byte != 0x00:
                    raise reader.unknown(byte, "the sort of a lifted or lowered function")


def _skip_option(reader: Reader) -> None:
    option = reader.byte()
    if option > _LAST_OPTION:
        raise reader.unknown(option, "a canonical option")
    if option in _OPTIONS_WITH_INDEX:
        reader.u32()
