"""One function per language: from sources and a world to the bytes of a component.

Each takes the same `Task` and gives up with CommandError ``build_failed``, whose message is the tool's own, made
readable (`tool_errors`), or with ``tool_missing``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from obelisk.cli.building import prelude, tool_errors, toolchains
from obelisk.cli.building.worlds import BuildWorld
from obelisk.cli.errors import CommandError
from obelisk.cli.generating import tree as generated_tree
from obelisk.codegen.emit.c import bindings
from obelisk.codegen.emit.c.types import Unsupported
from obelisk.codegen.emit.guest.layout import of_world
from obelisk.codegen.emit.guest.package import guest_package
from obelisk.codegen.emit.rust import bindings as rust_bindings

_COMPONENTIZE: Final = """
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';
import { _setPreopens } from '@bytecodealliance/preview2-shim/filesystem';
_setPreopens({ '/': '/' });
const [sourcePath, witPath, worldName, output, ...disableFeatures] = process.argv.slice(2);
const { component } = await componentize({ sourcePath, witPath, worldName, disableFeatures });
await writeFile(output, component);
"""
"""componentize-js as a program: the command that comes with it reads no WIT that stands in one file. Without the
preopens its parser of WIT finds no file at all."""
_PREVIEW_1: Final = re.compile(rb"\x16wasi_snapshot_preview1[\x01-\x7f]([a-z][a-z0-9_]+)\x00")
"""An import of the core module: module, name (each after its length), then 0 for a function."""
_FEATURES: Final = ("stdio", "random", "clocks", "http", "fetch-event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One component to build: `source` is the file to begin with, `folder` the project's, `scratch` one to work in.

    `bindings` is where generated sources go that an author wants to look at, `flags` what componentize-py is told of a
    world that follows from the code, `prelude` the Python that it begins with, `library` more modules of it, by path.
    """

    name: str
    source: Path
    folder: Path
    world: BuildWorld
    flags: tuple[str, ...] = ()
    prelude: str = ""
    library: Mapping[str, str] = field(default_factory=dict[str, str])
    wasi: bool
    scratch: Path
    bindings: Path
    say: Callable[[str], None]

    @property
    def wit(self) -> Path:
        """The world's WIT as a file."""
        path = self.scratch / "world.wit"
        path.write_text(self.world.text, encoding="utf-8")
        return path

    @property
    def output(self) -> Path:
        """Where a tool is to write the component."""
        return self.scratch / "component.wasm"

    def run(
        self,
        command: Sequence[str | Path],
        readable: Callable[[str], str],
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run a tool in the project's folder; CommandError ``build_failed``."""
        ran = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", **(environment or {})},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if ran.returncode != 0:
            said = readable(f"{ran.stdout}\n{ran.stderr}") or f"{command[0]} ended with status {ran.returncode}"
            raise CommandError("build_failed", f"{self.name} cannot be built:\n{said}")


def python(task: Task) -> bytes:
    """With componentize-py; the module's folder is the Python path.

    Of a world that the project declares, the package that the code imports is written for editors and type checkers;
    what runs is componentize-py's own. Where worlds follow from the code, the project has one for all components.
    """
    if not task.flags:
        stamp = f"# {generated_tree.STAMP}the world {task.world.name}. Do not edit."
        files = guest_package(of_world(task.world.world), stamp)
        generated_tree.apply(task.bindings, files, generated_tree.compare(task.bindings, files, lambda path: True))
    tools = toolchains.from_pypi(toolchains.PYTHON, task.say)
    command: list[str | Path] = [
        tools.programs / "componentize-py",
        "--quiet",
        "--wit-path",
        task.wit,
        "--world",
        task.world.name,
        *task.flags,
    ]
    command += ["componentize", *([] if task.wasi else ["--stub-wasi"])]
    command += ["--python-path", task.source.parent, "--output", task.output]
    if task.prelude:
        (task.scratch / "prelude").mkdir()
        for file, content in prelude.files(task.prelude).items():
            (task.scratch / "prelude" / file).write_bytes(content)
        command += ["--python-path", task.scratch / "prelude"]
    for path, text in task.library.items():
        place = task.scratch / "library" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    if task.library:
        command += ["--python-path", task.scratch / "library"]
    command.append(prelude.NAME if task.prelude else task.source.stem)
    # The tool adds what is installed on this machine to the path, or what is in an environment: an empty one.
    nothing = task.scratch / "environment"
    (nothing / "lib/site-packages").mkdir(parents=True)
    task.say(f"building {task.name} with componentize-py")
    folder = as_shown(task.source.parent, task.folder)
    environment = {"VIRTUAL_ENV": str(nothing), "PYTHONPATH": "", "PYTHONHOME": ""}
    task.run(command, lambda said: tool_errors.componentize_py(said, folder), environment=environment)
    return task.output.read_bytes()


def c(task: Task) -> bytes:
    """With zig's clang and wasm-tools, from every ``.c`` file in the source's folder and generated bindings.

    wasi-libc is linked. Code that uses what it takes from the system (streams, clocks, files) needs WASI, and gets an
    adapter to it; other code makes a component without WASI.
    """
    try:
        made = bindings.bindings(task.world.world)
    except Unsupported as error:
        raise CommandError("build_failed", f"{task.name} cannot be built in C: {error}") from None
    task.bindings.mkdir(parents=True, exist_ok=True)
    (task.bindings / "world.h").write_text(made.header)
    (task.scratch / "world.c").write_text(made.source)
    return _linked(task, [task.scratch / "world.c", *sorted(task.source.parent.glob("*.c"))])


def rust(task: Task) -> bytes:
    """With rustc, from the crate that begins with the source and a generated crate `world`, without crates of others.

    The two are compiled to a library, which is linked as C is. Without WASI the target is the one that has no system:
    what the standard library would ask one for fails there.
    """
    try:
        made = rust_bindings.bindings(task.world.world)
    except Unsupported as error:
        raise CommandError("build_failed", f"{task.name} cannot be built in Rust: {error}") from None
    compiler = toolchains.rust(wasi=task.wasi)
    task.bindings.mkdir(parents=True, exist_ok=True)
    crate = task.bindings / "world.rs"
    crate.write_text(made.crate)
    for name, text in (("world.h", made.c_bindings.header), ("world.c", made.c_bindings.source), ("glue.c", made.glue)):
        (task.scratch / name).write_text(text)
    shown = as_shown(task.source.parent, task.folder)
    task.say(f"building {task.name} with rustc")
    for name, kind, source in (("world", "rlib", crate), ("guest", "staticlib", task.source)):
        command: list[str | Path] = [compiler.program, "--edition=2021", f"--target={compiler.target}"]
        command += ["--crate-type", kind, "--crate-name", name, "-Copt-level=s", "-Cpanic=abort", "-Awarnings"]
        command += ["--out-dir", task.scratch, f"-L{task.scratch}", *(["--extern=world"] if name == "guest" else [])]
        task.run([*command, source], lambda said: tool_errors.rustc(said, str(task.source.parent), shown))
    return _linked(task, [task.scratch / "world.c", task.scratch / "glue.c", task.scratch / "libguest.a"])


def _linked(task: Task, sources: Sequence[Path]) -> bytes:
    """The component of C sources and libraries, with zig's clang, wasi-libc and wasm-tools."""
    tools = toolchains.from_pypi(toolchains.C, task.say)
    module, embedded = task.scratch / "core.wasm", task.scratch / "embedded.wasm"
    compiler: list[str | Path] = [tools.python, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"]
    compiler += ["-std=gnu17", "-Os", "-Wall", "-Wextra", f"-I{task.bindings}", "-Wl,--strip-all"]
    cache = {"ZIG_GLOBAL_CACHE_DIR": str(toolchains.root() / "zig-cache"), "ZIG_LOCAL_CACHE_DIR": str(task.scratch)}
    task.say(f"building {task.name} with zig")
    shown = as_shown(task.source.parent, task.folder)
    task.run(
        [*compiler, "-o", module, *sources],
        lambda said: tool_errors.linker(said) or tool_errors.clang(said, str(task.source.parent), shown),
        environment=cache,
    )
    wasm_tools = tools.programs / "wasm-tools"
    embed: list[str | Path] = [
        wasm_tools,
        "component",
        "embed",
        task.wit,
        "--world",
        task.world.name,
        module,
        "-o",
        embedded,
    ]
    task.run(embed, tool_errors.plain)
    adapt = _adapter(task, module.read_bytes())
    task.run([wasm_tools, "component", "new", embedded, *adapt, "-o", task.output], tool_errors.plain)
    return task.output.read_bytes()


def _adapter(task: Task, module: bytes) -> Sequence[str]:
    """What a core module that calls WASI of old needs; CommandError for one that is to have no WASI."""
    used = sorted({name.decode() for name in _PREVIEW_1.findall(module)})
    if not used:
        return ()
    if not task.wasi:
        raise CommandError(
            "build_failed",
            f"{task.name} is to have no WASI, and its code needs it: {', '.join(used)}",
            hint="leave `wasi = false` away, or write to obelisk:log and ask obelisk:workflow for the rest",
        )
    tools = toolchains.from_npm(toolchains.ADAPTER, task.say)
    adapter = tools.folder / "node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.reactor.wasm"
    return ("--adapt", f"wasi_snapshot_preview1={adapter}")


def quickjs(task: Task) -> bytes:
    """With componentize-qjs; imports of packages are found in the project's ``node_modules``."""
    if "wasi:http" in {f"{name.package.namespace}:{name.package.name}" for name in task.world.imports}:
        raise CommandError(
            "build_failed",
            f"{task.name} cannot be built: componentize-qjs makes no component that imports wasi:http",
            hint='set engine = "starlingmonkey", which has fetch without an import',
        )
    tools = toolchains.from_npm(toolchains.QUICKJS, task.say)
    command: list[str | Path] = [
        tools.programs / "componentize-qjs",
        "--sync",
        "--wit",
        task.wit,
        "--world",
        task.world.name,
    ]
    command += ["--js", task.source, "--module-root", task.folder, "--output", task.output]
    task.say(f"building {task.name} with componentize-qjs")
    task.run(
        [*command, *([] if task.wasi else ["--stub-wasi"])],
        lambda said: tool_errors.componentize_qjs(said, as_shown(task.folder, task.folder)),
    )
    return task.output.read_bytes()


def starlingmonkey(task: Task) -> bytes:
    """With componentize-js."""
    tools = toolchains.from_npm(toolchains.STARLINGMONKEY, task.say)
    node = shutil.which("node") or "node"
    checked = task.scratch / "source.mjs"
    shutil.copyfile(task.source, checked)
    shown = as_shown(task.source, task.folder)
    task.run(
        [node, "--check", checked],
        lambda said: tool_errors.plain(said.partition("\n    at ")[0]).replace(str(checked), shown),
    )
    program = tools.folder / "componentize.mjs"
    program.write_text(_COMPONENTIZE)
    task.say(f"building {task.name} with componentize-js")
    command: list[str | Path] = [node, program, task.source, task.wit, task.world.name, task.output]
    task.run([*command, *(() if task.wasi else _FEATURES)], tool_errors.componentize_js)
    return task.output.read_bytes()


def as_shown(path: Path, folder: Path) -> str:
    """A path as the author knows it, from the folder where `obelisk` was called."""
    try:
        return os.path.relpath(path) if path.is_relative_to(folder) else str(path)
    except ValueError:
        return str(path)
