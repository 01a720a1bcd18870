"""One function per language: from sources and a world to the bytes of a component.

Each takes the same `Task` and gives up with CommandError ``build_failed``, whose message is the tool's own, made
readable (`tool_errors`), or with ``tool_missing``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from obelisk.cli.building import tool_errors, toolchains
from obelisk.cli.building.worlds import BuildWorld
from obelisk.cli.errors import CommandError

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
_FEATURES: Final = ("stdio", "random", "clocks", "http", "fetch-event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One component to build: `source` is the file to begin with, `folder` the project's, `scratch` one to work in."""

    name: str
    source: Path
    folder: Path
    world: BuildWorld
    wasi: bool
    scratch: Path
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
    """With componentize-py; the module's folder is the Python path."""
    tools = toolchains.from_pypi(toolchains.PYTHON, task.say)
    command: list[str | Path] = [
        tools.programs / "componentize-py",
        "--quiet",
        "--wit-path",
        task.wit,
        "--world",
        task.world.name,
    ]
    command += ["componentize", *([] if task.wasi else ["--stub-wasi"])]
    command += ["--python-path", task.source.parent, "--output", task.output, task.source.stem]
    task.say(f"building {task.name} with componentize-py")
    shown = _shown(task.source.parent, task.folder)
    task.run(command, lambda said: tool_errors.componentize_py(said, shown))
    return task.output.read_bytes()


def quickjs(task: Task) -> bytes:
    """With componentize-qjs; imports of packages are found in the project's ``node_modules``."""
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
        lambda said: tool_errors.componentize_qjs(said, _shown(task.folder, task.folder)),
    )
    return task.output.read_bytes()


def starlingmonkey(task: Task) -> bytes:
    """With componentize-js."""
    tools = toolchains.from_npm(toolchains.STARLINGMONKEY, task.say)
    node = shutil.which("node") or "node"
    checked = task.scratch / "source.mjs"
    shutil.copyfile(task.source, checked)
    shown = _shown(task.source, task.folder)
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


def _shown(path: Path, folder: Path) -> str:
    """A path as the author knows it, from the folder where `obelisk` was called."""
    try:
        return os.path.relpath(path) if path.is_relative_to(folder) else str(path)
    except ValueError:
        return str(path)
