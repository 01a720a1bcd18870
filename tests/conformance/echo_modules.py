"""Core modules in C and Rust whose every function hands its argument to the import of the same name, over bindings."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from obelisk.cli.building import toolchains
from obelisk.codegen.emit.c import bindings
from obelisk.codegen.emit.rust import bindings as rust_bindings
from obelisk.codegen.model.items import World

_LENT = {
    "Option<&str>": "value.as_deref()",
    "(u8, &str)": "(value.0, &value.1)",
    "Result<(), &str>": "value.as_ref().map(|()| ()).map_err(String::as_str)",
    "Result<&crate::types::Point, &crate::types::Shape>": "value.as_ref()",
    "Result<Option<u8>, &[u8]>": "value.as_ref().map(|ok| *ok).map_err(Vec::as_slice)",
    "Result<&[(char, f64)], crate::types::Rights>": "value.as_ref().map(Vec::as_slice).map_err(|err| *err)",
}
"""How a value is lent as a parameter of that type, where it is neither itself nor a reference to it."""


def in_c(folder: Path, world: World, count: int) -> None:
    """`m.wasm` in the folder, from bindings of the world and one line for each of its `count` functions."""
    made = bindings.bindings(world)
    (folder / "world.h").write_text(made.header)
    (folder / "world.c").write_text(made.source)
    declared = re.findall(r"^(\w+) exports_guest_(echo\d+)\((\w+) value\);$", made.header, re.MULTILINE)
    assert len(declared) == count
    lines = [
        f"{result} exports_guest_{name}({param} value) {{ return host_{name}(value); }}\n"
        for result, name, param in declared
    ]
    (folder / "echo.c").write_text('#include "world.h"\n' + "".join(lines))
    _link(folder, ["world.c", "echo.c"])


def in_rust(folder: Path, world: World, count: int) -> None:
    """The same in Rust."""
    made = rust_bindings.bindings(world)
    texts = {"world.h": made.c_bindings.header, "world.c": made.c_bindings.source, "glue.c": made.glue}
    for name, text in {**texts, "world.rs": made.crate}.items():
        (folder / name).write_text(text)
    declared = re.findall(r"^        fn (echo\d+)\(value: (.*)\) -> .*;$", made.crate, re.MULTILINE)
    assert len(declared) == count
    lent = dict(re.findall(r"^    pub fn (echo\d+)\(value: (.*)\) -> .* \{$", made.crate, re.MULTILINE))
    lines = [
        f"fn {name}(value: {type_}) -> {type_} {{ world::host::{name}({_argument(lent[name])}) }}\n"
        for name, type_ in declared
    ]
    body = "".join(lines).replace("crate::", "world::")
    (folder / "echo.rs").write_text(
        f"struct Echo;\nimpl world::exports::Guest for Echo {{\n{body}}}\nworld::export!(Echo);\n"
    )
    compiler = toolchains.rust(wasi=False)
    for name, kind, more in (("world", "rlib", []), ("echo", "staticlib", ["--extern=world", "-Dwarnings"])):
        command = [compiler.program, "--edition=2021", f"--target={compiler.target}", "--crate-type", kind]
        built = subprocess.run(
            [*command, "-L.", *more, f"{name}.rs"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert built.returncode == 0, built.stderr
    _link(folder, ["world.c", "glue.c", "libecho.a"])


def _link(folder: Path, sources: list[str]) -> None:
    tools = toolchains.from_pypi(toolchains.C, lambda text: None)
    command = [tools.python, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-O1", "-Wall"]
    command += ["-Wextra", "-Werror", "-I.", "-o", "m.wasm", *sources]
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(toolchains.root() / "zig-cache"), "ZIG_LOCAL_CACHE_DIR": str(folder)}
    built = subprocess.run(
        command, cwd=folder, env={**os.environ, **caches}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr


def _argument(type_: str) -> str:
    return _LENT.get(type_, "&value" if type_.startswith("&") else "value")
