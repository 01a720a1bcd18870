"""The peers, at pinned versions, in folders of their own under ``.cache/bench``: their packages are none of ours.

Asks pip and npm with their own configuration. Installing takes some ten seconds each, once.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RESTATE_SERVER: Final = "@restatedev/restate-server@1.7.12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment with exactly these packages asked for."""

    name: str
    packages: tuple[str, ...]

    def python(self, cache: Path) -> Path:
        """Its interpreter."""
        return cache / self.name / "bin" / "python"

    def install(self, cache: Path) -> None:
        """Make it, unless it is there. CalledProcessError: pip says why."""
        stamp = cache / self.name / "installed"
        wanted = "\n".join(self.packages)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"installing {', '.join(self.packages)}", file=sys.stderr)
        venv.create(cache / self.name, with_pip=True, clear=True)
        command = [str(self.python(cache)), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*command, *self.packages], check=True)
        stamp.write_text(wanted)


DBOS: Final = Environment(
    name="dbos",
    packages=("dbos==3.4.0", "starlette==1.10.0", "uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.23.0"),
)
RESTATE_SDK: Final = Environment(name="restate-sdk", packages=("restate-sdk==1.3.0", "hypercorn==0.18.0"))


def restate_server(cache: Path) -> Path:
    """The server's executable."""
    return cache / "restate-server" / "node_modules" / ".bin" / "restate-server"


def install_dbos(cache: Path) -> None:
    """DBOS and the HTTP front it is given. CalledProcessError."""
    DBOS.install(cache)


def install_restate(cache: Path) -> None:
    """The SDK from PyPI and the server from npm. CalledProcessError."""
    RESTATE_SDK.install(cache)
    folder = cache / "restate-server"
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == RESTATE_SERVER:
        return
    print(f"installing {RESTATE_SERVER}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text("{}\n")
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", RESTATE_SERVER], cwd=folder, check=True
    )
    stamp.write_text(RESTATE_SERVER)


INSTALL: Final = {"DBOS": install_dbos, "Restate": install_restate}
