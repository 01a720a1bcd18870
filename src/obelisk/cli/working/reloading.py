"""``--reload``: a worker in a process of its own, started again when a source file changes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, TypeAlias

from obelisk.cli import console

EVERY_S: Final = 0.3
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "venv"})

Snapshot: TypeAlias = Mapping[str, tuple[int, int]]


def snapshot(folder: Path) -> Snapshot:
    """When each Python file below was last changed, and its size. Hidden folders and environments are left out."""
    return dict(_files(str(folder)))


def _files(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _LEFT_OUT]
        for name in names:
            if name.endswith(".py"):
                file = os.path.join(path, name)
                try:
                    state = os.stat(file)
                except OSError:
                    continue  # it has just gone
                yield file, (state.st_mtime_ns, state.st_size)


def run(command: Sequence[str], folder: Path) -> None:
    """Run the command until SIGTERM or SIGINT, and anew after every change below the folder.

    One that has ended by itself is started at the next change.
    """
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        seen = snapshot(folder)
        child = _started(command)
        told = False
        while not asked:
            time.sleep(EVERY_S)
            now = snapshot(folder)
            if now != seen:
                console.say("sources have changed: starting again", err=True)
                _stopped(child)
                seen, child, told = now, _started(command), False
            elif child.poll() is not None and not told:
                console.say(f"the worker has ended with status {child.returncode}; waiting for a change", err=True)
                told = True
        _stopped(child)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # A session of its own: a Ctrl-C reaches it once, through this process.
    return subprocess.Popen(command, start_new_session=True)


def _stopped(child: subprocess.Popen[bytes]) -> None:
    """Let it drain; it bounds the time for that itself."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        child.wait()
