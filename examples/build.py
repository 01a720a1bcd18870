"""Build the example components that are not component text: `python examples/build.py`.

Writes ``.cache/examples/<example>/<component>.wasm``, each only when one of its sources or the toolchain changed since.
A component appears under its name when it is complete, so an interrupted build leaves nothing half-written.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / ".cache" / "examples"
ENGINE_WIT = ("wit/obelisk_types@5.0.0", "wit/obelisk_workflow@6.0.0", "wit/obelisk_log@1.0.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonComponent:
    """One component in Python. `wit` lists WIT folders, a folder after those it uses."""

    target: str
    source: str
    module: str
    wit: tuple[str, ...]
    world: str


COMPONENTS = (
    PythonComponent(
        target="trip/activities",
        source="examples/trip/activities",
        module="trip_activities",
        wit=(*ENGINE_WIT, "examples/trip/wit", "examples/trip/worlds"),
        world="demo:trip-worlds/activities",
    ),
    PythonComponent(
        target="trip/workflow",
        source="examples/trip/workflow",
        module="trip_workflow",
        wit=(*ENGINE_WIT, "examples/trip/wit", "examples/trip/worlds"),
        world="demo:trip-worlds/workflow",
    ),
)


def stamp(component: PythonComponent) -> str:
    """A digest of everything the component is made from, this recipe too."""
    digest = hashlib.sha256(f"{component!r} componentize-py {importlib.metadata.version('componentize-py')}".encode())
    digest.update(Path(__file__).read_bytes())
    for folder in (component.source, *component.wit):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".wit"}:
                digest.update(f"\n{path.relative_to(ROOT).as_posix()}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def build(component: PythonComponent) -> bool:
    """Build the component unless it is up to date; whether it was built. CalledProcessError when the build fails."""
    target = OUT / f"{component.target}.wasm"
    made_from = target.with_suffix(".stamp")
    wanted = stamp(component)
    if target.exists() and made_from.exists() and made_from.read_text() == wanted:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".partial")
    command = [str(Path(sys.executable).with_name("componentize-py")), "--quiet"]
    for folder in component.wit:
        command += ["--wit-path", folder]
    command += ["--world", component.world, "componentize"]
    command += ["--python-path", component.source, "--output", str(unfinished), component.module]
    subprocess.run(command, cwd=ROOT, check=True)
    made_from.unlink(missing_ok=True)
    unfinished.replace(target)
    made_from.write_text(wanted)
    return True


def main() -> int:
    """Build all; exit status 1 when a build fails (its own messages say why)."""
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            for component, built in zip(COMPONENTS, pool.map(build, COMPONENTS), strict=True):
                if built:
                    print(f"built {(OUT / component.target).relative_to(ROOT)}.wasm")
    except subprocess.CalledProcessError as error:
        print(f"build failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
