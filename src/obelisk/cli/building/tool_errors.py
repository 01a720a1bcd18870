"""What build tools say when they fail, cut down to what an author needs: the error and its place in the author's file.

Pure; each function gets a tool's whole output and knows only that tool. Unknown output comes out as it is, without its
colours and cut to the last lines.
"""

from __future__ import annotations

import re
from typing import Final

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_MAX_LINES: Final = 25
_CAUSED: Final = "\n\n\nCaused by:"
_QUICKJS_STEPS: Final = (
    "Failed to evaluate user JavaScript module: ",
    "Failed to declare JavaScript module: ",
    "Failed to finish JavaScript module evaluation: ",
)
_DIAGNOSTIC: Final = re.compile(r"(?:: |^)(?:fatal error|error|warning): ")
_COUNT: Final = re.compile(r"\d+ (?:errors?|warnings?)\b.* generated\.")
_RUST_ERROR: Final = re.compile(r"error(?:\[E\d+\])?: (?!aborting due to)")
_NOT_EXPORTED: Final = "undefined symbol: wit_rust_export_"
_QUICKJS_HEAD: Final = "Error: : "
_NODE_FRAME: Final = re.compile(r"^    at (?:async )?(?:\S+ \()?(?:file://|node:)")


def plain(said: str) -> str:
    """Any output, without colours, its last lines."""
    lines = [line.rstrip() for line in _COLOURS.sub("", said).strip().splitlines()]
    return "\n".join(lines[-_MAX_LINES:])


def componentize_py(said: str, folder: str) -> str:
    """The guest's traceback; `folder` is the Python path, which the tool shows as ``/0``."""
    text = _COLOURS.sub("", said)
    _, found, rest = text.partition("AssertionError: ")
    if not found:
        return plain(text)
    error = _without_prelude(rest.partition("Caused by:")[0])
    return "\n".join(
        line.rstrip() for line in error.replace('File "/0/', f'File "{folder}/').strip("\n").splitlines()
    ).strip("\n")


def _without_prelude(error: str) -> str:
    """A traceback without the frames of the module that imports the author's."""
    head, found, _ = error.partition('  File "/1/')
    start = error.find('  File "/0/')
    return f"{head}{error[start:]}" if found and start > len(head) else error


def clang(said: str, folder: str, shown: str) -> str:
    """The first errors with their lines; `folder`, that of the sources, appears as `shown`. Warnings are left out."""
    text = _COLOURS.sub("", said).replace(f"{folder}/", f"{shown}/")
    kept: list[str] = []
    is_error = False
    for line in text.splitlines():
        if _DIAGNOSTIC.search(line):
            is_error = ": warning: " not in line
        if is_error and not _COUNT.match(line):
            kept.append(line.rstrip())
    return "\n".join(kept[:_MAX_LINES]) if kept else plain(text)


def linker(said: str) -> str:
    """What an author has left out that the generated Rust calls; empty for anything else."""
    if _NOT_EXPORTED not in said:
        return ""
    return "no type is said to implement what the world exports: end the source with `world::export!(TYPE);`"


def rustc(said: str, folder: str, shown: str) -> str:
    """The first errors with their lines, without what follows from them; `folder` and `shown` as in `clang`."""
    text = _COLOURS.sub("", said).replace(f"{folder}/", f"{shown}/").strip()
    found = [part for part in re.split(r"\n\n+", text) if _RUST_ERROR.match(part)]
    lines = [line.rstrip() for part in found for line in part.splitlines()]
    return "\n".join(lines[:_MAX_LINES]) if found else plain(text)


def componentize_qjs(said: str, root: str) -> str:
    """The error of the engine; `root` is the module root, which the tool shows as ``/``."""
    text = _COLOURS.sub("", said)
    _, found, error = text.partition(_QUICKJS_HEAD)
    if not found:
        return plain(text)
    for step in _QUICKJS_STEPS:
        error = error.removeprefix(step)
    return re.sub(r"(?<=[\s(])/(?=[^\s/][^\s]*:\d+:\d+)", f"{root}/", error.strip())


def componentize_js(said: str) -> str:
    """The message of the error that ended Node.js, without the frames of the tool."""
    text = _COLOURS.sub("", said)
    start = re.search(r"^(?:[A-Z]\w*)?Error: ", text, re.MULTILINE)
    if start is None:
        return plain(text)
    lines = [line for line in text[start.start() :].splitlines() if not _NODE_FRAME.match(line)]
    end = next((number for number, line in enumerate(lines) if line.startswith("Node.js v")), len(lines))
    return "\n".join(lines[:end]).strip()
