"""Builds the benchmark's guests in Python, each when one of its sources or the toolchain has changed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Final

from stage import CACHE, HERE, ROOT

GUESTS: Final = {"activity": "activities", "workflow": "workflows"}
"""Component → its world in `guests/wit`; the module is ``bench_<component>``."""
_WIT: Final = (ROOT / "examples/fibo/wit", HERE / "guests/wit")


def build() -> None:
    """Write ``.cache/bench/guests/<component>.wasm``. CalledProcessError: the toolchain says why."""
    for component, world in GUESTS.items():
        target = CACHE / "guests" / f"{component}.wasm"
        stamp, wanted = target.with_suffix(".stamp"), _sources()
        if target.exists() and stamp.exists() and stamp.read_text() == wanted:
            continue
        print(f"building the Python {component}", file=sys.stderr)
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.executable).with_name("componentize-py")), "--quiet"]
        for folder in _WIT:
            command += ["--wit-path", str(folder)]
        command += ["--world", f"bench:python/{world}", "componentize", "--stub-wasi"]
        command += ["--python-path", str(HERE / "guests/python"), "--output", str(target), f"bench_{component}"]
        subprocess.run(command, cwd=ROOT, check=True)
        stamp.write_text(wanted)


def _sources() -> str:
    digest = hashlib.sha256(importlib.metadata.version("componentize-py").encode())
    for folder in (*_WIT, HERE / "guests/python"):
        for path in sorted(folder.glob("*.*")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
