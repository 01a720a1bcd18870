"""The frame of every generated Python module: stamp, docstring, imports, exported names, body."""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.codegen.emit.writer import Block, docstring, literal, render


def module(stamp: str, summary: str, imports: Sequence[str], body: str, exported: Sequence[str] = ()) -> str:
    """The source of a module; `stamp` is its first line, a comment."""
    names = Block()
    if exported:
        names.listed("__all__ = [", [literal(name) for name in sorted(exported)], "]")
    return render(
        "module.py.j2",
        stamp=stamp,
        docstring="\n".join(docstring(summary)),
        imports="\n".join(imports),
        exported="\n".join(names.lines),
        body=body.rstrip("\n"),
    )
