"""Watching input files, for `obelisk gen --watch`: asks the file system again and again, without another package."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

EVERY_S: Final = 0.3
_SETTLE_S: Final = 0.05
_KINDS: Final = frozenset({".wit", ".wasm", ".wat"})

Snapshot: TypeAlias = Mapping[Path, tuple[int, int]]


def snapshot(paths: Sequence[Path]) -> Snapshot:
    """When each input file was last changed, and its size. What cannot be read is not there."""
    found: dict[Path, tuple[int, int]] = {}
    for root in paths:
        for path in [root, *root.rglob("*")] if root.is_dir() else [root]:
            if path.suffix in _KINDS:
                try:
                    state = path.stat()
                except OSError:
                    continue
                found[path] = (state.st_mtime_ns, state.st_size)
    return found


def changes(paths: Sequence[Path], pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Once at the start, then after every change, when the files have been still for one look. Endless."""
    seen: Snapshot | None = None
    while True:
        now = snapshot(paths)
        if now != seen:
            pause(_SETTLE_S)
            if snapshot(paths) == now:
                seen = now
                yield
        else:
            pause(EVERY_S)
