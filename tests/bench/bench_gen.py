"""Measures the code generator: whole trees of 100 interfaces, validators beside Pydantic, import of a package.

Run it: ``python tests/bench/bench_gen.py``. Processor time, the best of several runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from obelisk.cli import at_hand
from obelisk.codegen.emit.package import ALL_PARTS, Part
from obelisk.codegen.emit.validators import compile_params, compile_value
from obelisk.codegen.model.items import Function, Param, Resolution
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import Field as WitField
from obelisk.codegen.model.types import ListType, OptionType, Primitive, RecordType, Type, TypeDef
from obelisk.codegen.pipeline import generate
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile

ROOT = Path(__file__).parents[2]


def best(work: Callable[[], object], repeat: int, number: int = 1) -> float:
    """Seconds of processor time of one call, the best of `repeat` rounds of `number` calls."""
    rounds: list[float] = []
    for _ in range(repeat):
        start = time.process_time()
        for _ in range(number):
            work()
        rounds.append((time.process_time() - start) / number)
    return min(rounds)


def large() -> Resolution:
    """100 interfaces with 2 types and 10 functions each."""
    lines = ["package bench:large;"]
    for i in range(100):
        lines += [
            f"interface i{i} {{",
            "  record item { id: u64, name: string, tags: list<string>, price: option<f64>, colour: colour }",
            "  enum colour { red, green, blue }",
            *(
                f"  f{f}: func(item: item, count: u32, note: option<string>) -> result<item, string>;"
                for f in range(10)
            ),
            "}",
        ]
    loaded = resolve_sources([SourceFile("large.wit", "\n".join(lines))])
    assert loaded.resolution is not None
    return loaded.resolution


def wide() -> tuple[Type, dict[str, Any], type[BaseModel]]:
    """A record of 50 fields, some nested, a value of it, and the Pydantic model for the same."""
    owner = InterfaceName.parse("bench:wide/types")
    point = TypeDef(
        name="point",
        owner=owner,
        body=RecordType((WitField("x", Primitive.S32), WitField("names", ListType(Primitive.STRING)))),
    )
    forbid = ConfigDict(extra="forbid")
    s32, u64 = Field(ge=-(2**31), le=2**31 - 1), Field(ge=0, le=2**64 - 1)
    model = create_model("Point", __config__=forbid, x=(int, s32), names=(list[str], ...))
    kinds: list[tuple[Type, Any, Any, Any]] = [
        (Primitive.S32, 7, int, s32),
        (Primitive.STRING, "text", str, ...),
        (point, {"x": 1, "names": ["a", "b"]}, model, ...),
        (OptionType(Primitive.U64), None, int | None, u64),
        (Primitive.F64, 1.5, float, ...),
    ]
    chosen = {f"f{n}": kinds[n % 5] for n in range(50)}
    record = RecordType(tuple(WitField(name, kind[0]) for name, kind in chosen.items()))
    fields: dict[str, Any] = {name: (kind[2], kind[3]) for name, kind in chosen.items()}
    return record, {name: kind[1] for name, kind in chosen.items()}, create_model("Wide", __config__=forbid, **fields)


def main() -> None:
    """Print the figures."""
    resolution, engine = large(), at_hand.engine_types()
    without = best(lambda: generate(resolution, engine, ALL_PARTS - {Part.MODELS}), 3)
    whole = best(lambda: generate(resolution, engine), 1)
    print(f"100 interfaces, 1000 functions, 200 types: {without:.2f} s without models, {whole:.2f} s with")

    check = compile_params(Function(name="fibo", params=(Param("n", Primitive.U8),)))
    params = create_model("Params", __config__=ConfigDict(extra="forbid"), n=(int, Field(ge=0, le=255)))
    small = {"n": 10}
    ours, theirs = best(lambda: check(small), 7, 50_000), best(lambda: params.model_validate(small), 7, 50_000)
    print(f'{{"n": 10}}: {ours * 1e6:.2f} us, Pydantic {theirs * 1e6:.2f} us')

    record, value, model = wide()
    validate = compile_value(record)
    assert validate(value)[1] == ()
    ours, theirs = best(lambda: validate(value), 7, 5_000), best(lambda: model.model_validate(value), 7, 5_000)
    print(f"record of 50 fields, 10 of them records: {ours * 1e6:.1f} us, Pydantic {theirs * 1e6:.1f} us")

    for modules in (
        "generated.demo_fibo.bindings.workflow",
        "generated.demo_trip.bindings.workflow, generated.demo_trip.validators",
        "generated.demo_trip.client",
    ):
        compiled, source = import_ms(modules, compiled=True), import_ms(modules, compiled=False)
        print(f"import of {modules}: {compiled:.0f} ms beside the standard library, {source:.0f} ms without bytecode")


def import_ms(modules: str, *, compiled: bool) -> float:
    """Milliseconds of processor time that modules take to import when all they need of the library is there.

    `compiled`: their bytecode stands beside them, as it does from the second import on.
    """
    ours = "('obelisk', 'generated')"
    script = f"import sys, {modules}; print(*[m for m in sys.modules if m.partition('.')[0] not in {ours}])"
    library = python(script, "-B").replace("__main__", "sys").split()
    script = (
        "import contextlib, importlib, time\n"
        f"for name in {library}:\n"
        "    with contextlib.suppress(ImportError):\n"
        "        importlib.import_module(name)\n"
        f"t = time.process_time(); import {modules}; print(time.process_time() - t)"
    )
    with tempfile.TemporaryDirectory() as folder:
        options = ["-X", f"pycache_prefix={folder}", *([] if compiled else ["-B"])]
        return min(float(python(script, *options)) for _ in range(9)) * 1e3


def python(script: str, *options: str) -> str:
    """What a fresh interpreter prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = [sys.executable, *options, "-c", script]
    return subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
