"""Programs of npm that tests use, in exact versions that stand in ``contract/generators``.

They are installed into ``.cache`` when they are first needed, apart from the project's own packages.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import kept

ROOT: Final = Path(__file__).parents[1]
PINS: Final = ROOT / "tests/contract/generators"
STRICT: Final = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "noPropertyAccessFromIndexSignature": True,
    "noImplicitOverride": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "isolatedModules": True,
    "isolatedDeclarations": True,
    "declaration": True,
    "verbatimModuleSyntax": True,
    "erasableSyntaxOnly": True,
    "target": "es2022",
    "module": "nodenext",
    "lib": ["es2022", "dom"],
    "types": [],
}
"""All that the TypeScript compiler can be asked to refuse in generated code, for whatever project it is put into."""


def run(*command: str | Path, cwd: Path) -> str:
    """What a program says; it has to end well."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def folder(name: str, *pins: str) -> Path:
    """The folder for a tool, by what is pinned; a whole one has a file ``ready``."""
    digest = hashlib.sha256(b"\0".join((PINS / pin).read_bytes() for pin in pins)).hexdigest()[:12]
    return ROOT / ".cache" / "openapi-generators" / f"{name}-{sys.version_info.minor}-{digest}"


def typescript() -> Path:
    """The ``node_modules`` with openapi-typescript and the TypeScript compiler."""
    made = folder("typescript", "package.json", "package-lock.json")
    with kept.alone("openapi-generators-typescript"):
        if not (made / "ready").exists():
            made.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                (made / name).write_bytes((PINS / name).read_bytes())
            run("npm", "ci", "--no-audit", "--no-fund", cwd=made)
            (made / "ready").touch()
    return made / "node_modules"


def compiled(project: Path) -> Path:
    """Compile all TypeScript below a folder as strictly as can be; gives the folder of the JavaScript."""
    options = {**STRICT, "rootDir": ".", "outDir": "js"}
    (project / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["**/*.ts"]}))
    (project / "package.json").write_text('{"type": "module"}')
    run("node", typescript() / "typescript/bin/tsc", "-p", project, cwd=project)
    return project / "js"
