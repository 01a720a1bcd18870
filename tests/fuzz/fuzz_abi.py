"""What guests return: a component with results of every kind of type, for which the fuzzed bytes are its memory.

Promises: a call returns a value that the validator of its type takes as it is, or it traps; nothing else comes of it.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzzing import Target

SIZE = 512
AT = 0x10000 - SIZE
"""Where the bytes are: at the end of the guest's one page, so that few pointers lead to long lists."""
TYPES = (
    "bool",
    "s8",
    "u16",
    "s64",
    "f32",
    "f64",
    "char",
    "string",
    "color",
    "rights",
    "wide",
    "point",
    "shape",
    "option<u8>",
    "option<option<string>>",
    "result<u8, string>",
    "result",
    "list<bool>",
    "list<u8>",
    "list<s16>",
    "list<u64>",
    "list<f32>",
    "list<f64>",
    "list<char>",
    "list<string>",
    "list<point>",
    "list<shape>",
    "list<list<u8>>",
    "list<option<u32>>",
    "list<color>",
    "list<rights>",
    "list<tuple<u8, f64>>",
    "tuple<char, string, bool>",
    "map<string, u32>",
    "map<u32, point>",
)
WIT = """package fuzz:abi;
interface kinds {
  record point { x-axis: s32, label: string, far: option<u8> }
  variant shape { nothing, round(f64), poly(list<point>), one-of(result<u8, string>), letter(char) }
  enum color { red, dark-green, blue }
  flags rights { can-read, can-write, admin }
  flags wide { f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17 }
%s
}
world w { export kinds; }
"""
DIRECT = {"s64": "i64", "f32": "f32", "f64": "f64"}
FLAT = ("bool", "s8", "u16", "s64", "f32", "f64", "char", "color", "rights", "wide", "result")
"""Results of one core value, which are no memory: the first bytes are taken for it."""


def _word(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def _core(types: Sequence[str]) -> str:
    bodies: list[str] = []
    for index, type_ in enumerate(types):
        core = DIRECT.get(type_, "i32")
        load = f"({core}.load (local.get 0))" if type_ in FLAT else "(local.get 0)"
        result = core if type_ in FLAT else "i32"
        name = f"fuzz:abi/kinds#fn{index}"
        bodies.append(f'(func (export "{name}") (param i32 i32) (result {result}) {load})')
    return f"""(module (memory (export "memory") 1)
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const {AT}))
      {" ".join(bodies)})"""


def _component(folder: Path) -> bytes:
    from wasmtime import wat2wasm

    functions = "\n".join(f"  fn{index}: func(data: list<u8>) -> {type_};" for index, type_ in enumerate(TYPES))
    (folder / "abi.wit").write_text(WIT % functions)
    (folder / "m.wasm").write_bytes(wat2wasm(_core(TYPES)))
    tool = Path(sys.executable).parent / "wasm-tools"
    embed = ["component", "embed", "--all-features", "abi.wit", "-w", "w", "m.wasm", "-o", "e.wasm"]
    for arguments in (embed, ["component", "new", "e.wasm", "-o", "c.wasm"]):
        subprocess.run([tool, *arguments], cwd=folder, check=True)
    return (folder / "c.wasm").read_bytes()


def _load() -> Callable[[bytes], object]:
    from obelisk.codegen.emit.validators import compile_value
    from obelisk.codegen.resolve.load import load
    from obelisk.runtime.host.component import ComponentCache
    from obelisk.runtime.host.instance import prepare
    from obelisk.runtime.host.wasmtime.engine import Engine, workflow_settings
    from obelisk.runtime.ports.guest import ExportFunction, Returned, Trapped, Yielded

    with TemporaryDirectory() as text:
        data = _component(Path(text))
        loaded = load([Path(text) / "abi.wit"])
    assert loaded.resolution is not None, loaded.diagnostics
    (interface,) = loaded.resolution.packages[0].interfaces
    exports = [ExportFunction(interface=str(interface.name), function=function) for function in interface.functions]
    validators = [compile_value(function.result) for function in interface.functions]
    engine = Engine(workflow_settings())  # as long as the process
    prepared = prepare(ComponentCache(engine, None).compile(data), exports=exports)

    def feed(data: bytes) -> object:
        index = data[0] % len(TYPES) if data else 0
        memory = base64.b64encode(data[1 : SIZE + 1].ljust(64, b"\0")).decode()
        with prepared.start(exports[index], [memory], None) as fiber:
            polled = fiber.poll()
            while isinstance(polled, Yielded):
                polled = fiber.poll()
        if isinstance(polled, Trapped):
            return False
        assert isinstance(polled, Returned), polled
        value, problems = validators[index](polled.value)
        assert not problems, (TYPES[index], polled.value, problems)
        assert repr(value) == repr(polled.value), (TYPES[index], value, polled.value)
        return True

    return feed


def _seeds() -> Sequence[bytes]:
    memory = (
        bytes(64),
        _word(AT + 32, 3) + bytes(24) + b"abc" + bytes(29),
        _word(1, AT + 32, 3, 1, 7) + bytes(12) + b"abc",
        _word(AT + 8, 2) + _word(AT + 40, 2, AT + 42, 1) + bytes(16) + "äb".encode(),
        _word(AT + 8, 2) + _word(5, AT + 48, 2, 1, 6, AT + 50, 1, 0) + bytes(8) + b"xyz",
        _word(2, 0, AT + 24, 1, 0, 0) + _word(5, AT + 48, 2, 1) + bytes(8) + b"xyz",
        b"\x00\x00\xc0\x7f" * 16,
        b"\xff" * 64,
    )
    return [bytes([index]) + one for index in range(len(TYPES)) for one in memory]


LIFTING = Target(
    name="abi",
    load=_load,
    seeds=_seeds,
    tokens=(
        *(_word(AT + offset) for offset in (0, 4, 8, 16, 32, 48, 62, SIZE - 1, SIZE)),
        *(
            _word(number)
            for number in (0, 1, 2, 3, 4, 5, 100, 0xFFFF, 0x10FFFF, 0xD800, 0x110000, 0x7FFFFFFF, 0xFFFFFFFF)
        ),
        b"\xc3\xa4",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x00\x00\xc0\x7f",
        b"\x00\x00\x00\x00\x00\x00\xf8\x7f",
        b"\x01\x00",
    ),
)
