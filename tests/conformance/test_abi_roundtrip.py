"""The ABI against real components: every type, in both directions, through a guest that knows nothing but its WIT.

The guest is made for all types at once, as core WebAssembly and in C and Rust over generated bindings: each export
passes its argument on to an imported host function and returns what that gives back. So one call lowers an argument,
lifts it in the host function, lowers that one's result and lifts the result of the call: four conversions, compared
with what went in.
"""

from __future__ import annotations

import base64
import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import wasmtime
from hypothesis import HealthCheck, given, settings
from wasmtime import wat2wasm
from wasmtime.component import Record, Variant

import echo_modules
import kept
import needs
from obelisk.codegen.model import json_form
from obelisk.codegen.model.items import Function, Interface, Resolution
from obelisk.codegen.model.types import (
    EnumType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
    unalias,
)
from obelisk.codegen.resolve.load import load
from obelisk.runtime.host.abi.crossing import WHOLE, Crossing
from obelisk.runtime.host.abi.handles import Resources
from obelisk.runtime.host.abi.lifting import LiftCompiler
from obelisk.runtime.host.abi.lowering import LowerCompiler
from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.instance import Prepared, prepare
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.host.wasmtime.engine import Engine, workflow_settings
from obelisk.runtime.ports.guest import PENDING, ExportFunction, ImportFunction, JsonValue, Returned, Waiting, Yielded
from wit_values import values

TOOL = Path(__file__).parents[2] / ".venv" / "bin" / "wasm-tools"
DECLARATIONS = """
  record point { x-axis: s32, label: string, far: option<u8> }
  record nested { first: point, rest: list<point>, tag: option<option<string>> }
  variant shape { nothing, round-one(f64), poly-gon(list<point>), named(string), one-of(result<u8, string>) }
  enum color { red, dark-green, blue }
  flags rights { can-read, can-write, admin }
  type points = list<point>;
"""
TYPES = [
    *("bool", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f32", "f64", "char", "string"),
    *(f"list<{name}>" for name in ("bool", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f32", "f64")),
    *("list<char>", "list<string>", "list<list<u8>>", "list<option<u32>>", "points", "list<shape>", "list<rights>"),
    *("point", "nested", "shape", "color", "rights", "tuple<u8, string>", "tuple<f32>", "list<tuple<u64, color>>"),
    *("option<u32>", "option<string>", "option<option<u32>>", "option<option<option<color>>>", "option<result>"),
    *("result", "result<u32>", "result<_, string>", "result<point, shape>", "result<option<u8>, list<u8>>"),
    *("map<string, u32>", "map<u32, point>", "list<map<string, list<u8>>>", "result<map<char, f64>, rights>"),
    "tuple<u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8>",
    "list<list<list<s16>>>",
]
CORE = {Primitive.S64: "i64", Primitive.U64: "i64", Primitive.F32: "f32", Primitive.F64: "f64"}
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
HOST, GUEST = "test:abi/host@1.0.0", "test:abi/guest@1.0.0"


def wit() -> str:
    echoes = "\n".join(f"  echo{i}: func(value: {type_}) -> {type_};" for i, type_ in enumerate(TYPES))
    use = "use types.{point, nested, shape, color, rights, points};"
    both = "\n".join(f"interface {name} {{ {use}\n{echoes} }}" for name in ("host", "guest"))
    return (
        f"package test:abi@1.0.0;\ninterface types {{{DECLARATIONS}}}\n{both}\nworld w {{ import host; export guest; }}"
    )


def flatten(type_: Type | None) -> list[str]:
    """The core types that a value is passed as (CanonicalABI.md "Flattening")."""
    match unalias(type_) if type_ is not None else None:
        case None:
            return []
        case Primitive.STRING | ListType() | MapType():
            return ["i32", "i32"]
        case Primitive() as primitive:
            return [CORE.get(primitive, "i32")]
        case EnumType() | FlagsType():
            return ["i32"]
        case RecordType(fields):
            return [core for field in fields for core in flatten(field.type)]
        case TupleType(items):
            return [core for item in items for core in flatten(item)]
        case VariantType(cases):
            return flatten_cases([case.payload for case in cases])
        case OptionType(payload):
            return flatten_cases([None, payload])
        case ResultType(ok, err):
            return flatten_cases([ok, err])
        case other:
            raise AssertionError(other)


def flatten_cases(payloads: list[Type | None]) -> list[str]:
    joined: list[str] = []
    for payload in payloads:
        for index, core in enumerate(flatten(payload)):
            if index == len(joined):
                joined.append(core)
            elif joined[index] != core:
                joined[index] = "i32" if {joined[index], core} == {"i32", "f32"} else "i64"
    return ["i32", *joined]


def core_module(functions: tuple[Function, ...]) -> str:
    """Each export hands its flat arguments to the import; a result that is not one core value goes through memory."""
    imports: list[str] = []
    bodies: list[str] = []
    for function in functions:
        flat = flatten(function.params[0].type)
        params = flat if len(flat) <= 16 else ["i32"]
        arguments = " ".join(f"(local.get {index})" for index in range(len(params)))
        host = f'(import "{HOST}" "{function.name}" (func ${function.name} (param {" ".join(params)}'
        guest = f'(func (export "{GUEST}#{function.name}") (param {" ".join(params)})'
        if len(flat) == 1:
            imports.append(f"{host}) (result {flat[0]})))")
            bodies.append(f"{guest} (result {flat[0]}) (call ${function.name} {arguments}))")
        else:
            imports.append(f"{host} i32)))")
            call = f"(call ${function.name} {arguments} (i32.const 1024))"
            bodies.append(f"{guest} (result i32) {call} (i32.const 1024))")
    return f"""(module {" ".join(imports)}
      (memory (export "memory") 512)
      (global $top (mut i32) (i32.const 65536))
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
        (global.set $top (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
      {" ".join(bodies)})"""


def resolved(folder: Path) -> Resolution:
    loaded = load([folder])
    assert loaded.resolution is not None, loaded.diagnostics
    return loaded.resolution


def interface(resolution: Resolution) -> Interface:
    (found,) = (i for p in resolution.packages for i in p.interfaces if str(i.name) == GUEST)
    return found


@pytest.fixture(scope="module", params=["core", "c", "rust"])
def echoes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prepared, dict[str, ExportFunction]]]:
    folder = tmp_path_factory.mktemp("abi")
    (folder / "abi.wit").write_text(wit())
    resolution = resolved(folder)
    functions = interface(resolution).functions
    if request.param == "rust":
        needs.require("rustc")
    if request.param != "core":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OBELISK_TOOLS", str(kept.TOOLS))
            (world,) = (world for package in resolution.packages for world in package.worlds)
            (echo_modules.in_c if request.param == "c" else echo_modules.in_rust)(folder, world, len(TYPES))
    else:
        (folder / "m.wasm").write_bytes(wat2wasm(core_module(functions)))
    embed = ["component", "embed", "--all-features", "abi.wit", "-w", "w", "m.wasm", "-o", "e.wasm"]
    for arguments in (embed, ["component", "new", "e.wasm", "-o", "c.wasm"]):
        subprocess.run([TOOL, *arguments], cwd=folder, check=True)

    def sync(_context: object, args: list[JsonValue]) -> JsonValue:
        return args[0]

    def late(context: object, args: list[JsonValue]) -> Any:
        seen = cast("list[JsonValue]", context)
        seen.append(args[0])
        return PENDING

    with Engine(workflow_settings()) as engine:
        exports = [ExportFunction(interface=GUEST, function=f) for f in functions]
        imports = [
            ImportFunction(interface=HOST, function=f, handler=late if i % 2 else sync, waits=bool(i % 2))
            for i, f in enumerate(functions)
        ]
        compiled = ComponentCache(engine, None).compile((folder / "c.wasm").read_bytes())
        yield prepare(compiled, exports=exports, imports=imports), {e.function.name: e for e in exports}


def call(prepared: Prepared, export: ExportFunction, value: JsonValue) -> JsonValue:
    seen: list[JsonValue] = []
    with prepared.start(export, [value], seen) as fiber:
        while True:
            match fiber.poll():
                case Returned(result):
                    return result
                case Waiting():
                    assert seen == [value]
                    fiber.resume(seen[0])
                case Yielded():
                    pass
                case trapped:
                    raise AssertionError(trapped)


@pytest.mark.parametrize("index", range(len(TYPES)), ids=TYPES)
def test_values_of_every_type_pass_in_and_out(index: int, echoes: tuple[Prepared, dict[str, ExportFunction]]) -> None:
    prepared, exports = echoes
    export = exports[f"echo{index}"]

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=SLOW)
    @given(values(export.function.params[0].type))
    def holds(value: JsonValue) -> None:
        result = call(prepared, export, value)
        assert repr(result) == repr(value)  # also tells -0.0 from 0.0, 1 from 1.0 and the order of keys

    holds()


def test_large_lists_pass(echoes: tuple[Prepared, dict[str, ExportFunction]]) -> None:
    prepared, exports = echoes
    data = base64.b64encode(bytes(range(256)) * 4000).decode()
    assert call(prepared, exports[f"echo{TYPES.index('list<u8>')}"], data) == data
    numbers: list[JsonValue] = list(range(100_000))
    assert call(prepared, exports[f"echo{TYPES.index('list<u64>')}"], numbers) == numbers


# --- against the public API of wasmtime-py ----------------------------------------------------------------------------
def to_public(public: Any, type_: Type, value: Any) -> Any:
    """A JSON form as the public API takes and gives it; `public` is its own type object."""
    match unalias(type_):
        case Primitive.F32 | Primitive.F64:
            return float(value)
        case ListType(element) as list_:
            if json_form.is_bytes(list_):
                return base64.b64decode(value)
            return [to_public(public.element, element, item) for item in value]
        case TupleType(items):
            return tuple(to_public(*triple) for triple in zip(public.elements, items, value, strict=True))
        case RecordType(fields):
            record = Record()
            for (name, inner), field in zip(public.fields, fields, strict=True):
                setattr(record, name, to_public(inner, field.type, value[json_form.json_name(name)]))
            return record
        case EnumType():
            return value.replace("_", "-")
        case FlagsType():
            return {name.replace("_", "-") for name in value}
        case OptionType(payload):
            unwrapped = value["some"] if value is not None and json_form.is_nullable(payload) else value
            case = ("none", None) if value is None else ("some", to_public(public.payload, payload, unwrapped))
            return Variant(*case) if public._tagged() else case[1]
        case VariantType(cases):
            label, carried = (value, None) if isinstance(value, str) else next(iter(value.items()))
            types = {json_form.json_name(c.name): (c.name, c.payload) for c in cases}
            name, inner = types[label]
            return tagged(public, name, inner, carried)
        case ResultType(ok, err):
            ((name, carried),) = value.items()
            return tagged(public, name, ok if name == "ok" else err, carried)
        case _:
            return value


def tagged(public: Any, name: str, type_: Type | None, payload: Any) -> Any:
    inner = None if type_ is None else to_public(dict(public._cases())[name], type_, payload)
    return Variant(name, inner) if public._tagged() else inner


# The public API knows no maps, and takes the bytes in the last of these for the option.
PUBLIC = [i for i, t in enumerate(TYPES) if "map" not in t and t != "result<option<u8>, list<u8>>"]


@pytest.mark.parametrize("index", PUBLIC, ids=[TYPES[i] for i in PUBLIC])
def test_values_are_laid_out_as_the_public_api_does(
    index: int, echoes: tuple[Prepared, dict[str, ExportFunction]]
) -> None:
    prepared, exports = echoes
    type_ = exports[f"echo{index}"].function.params[0].type
    component, engine = prepared.compiled.raw, prepared.compiled.engine.raw
    guest: Any = component.type.exports(engine)[GUEST].ty
    public: Any = guest.exports(engine)[f"echo{index}"].ty.params[0][1]
    store = wasmtime.Store(engine)
    crossing = Crossing(0)
    crossing.begin("a value", 1 << 20, WHOLE)
    lift, lower = LiftCompiler(Resources())(type_), LowerCompiler(Resources())(type_)

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=SLOW)
    @given(values(type_).filter(lambda value: "NaN" not in repr(value)))
    def holds(value: Any) -> None:
        theirs = native.Value()
        public.convert_to_c(store, to_public(public, type_, value), ctypes.pointer(theirs))
        assert repr(lift(bytes(theirs), 0, crossing)) == repr(value)
        native.value_delete(ctypes.addressof(theirs))
        image = bytearray(native.VAL_SIZE)
        lower(value, image, 0, 0)
        ours = native.Value.from_buffer_copy(image)
        assert public.convert_from_c(ours) == to_public(public, type_, value)

    holds()
