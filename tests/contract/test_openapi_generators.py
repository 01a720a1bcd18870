"""Independent generators take the documents as they are: openapi-python-client and openapi-typescript.

A third one, datamodel-code-generator, is part of `obelisk gen`. Their exact versions stand in ``generators/`` beside
this file; they are installed into ``.cache`` when these tests first need them, apart from the project's own packages.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import kept
from npm_tools import PINS, ROOT, folder, run, typescript

acceptance = importlib.import_module("server")

DOCUMENTS = sorted([*ROOT.glob("tests/golden/*/tree/*/openapi.json"), *ROOT.glob("generated/*/openapi.json")])
COMPONENTS = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[cache]
path = "{ROOT}/.cache/compiled"
"""


@pytest.fixture(scope="module")
def python_tool() -> Path:
    """The folder of programs with openapi-python-client in it."""
    made = folder("python", "requirements.txt")
    programs = made / ("Scripts" if os.name == "nt" else "bin")
    with kept.alone("openapi-generators-python"):
        if not (made / "ready").exists():
            run(sys.executable, "-m", "venv", "--clear", made, cwd=ROOT)
            install = ("install", "--quiet", "--require-hashes", "--requirement", PINS / "requirements.txt")
            run(programs / "python", "-m", "pip", *install, cwd=ROOT)
            (made / "ready").touch()
    return programs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = acceptance.Server(tmp_path_factory.mktemp("server"), COMPONENTS)
    try:
        made.start()
        yield f"http://127.0.0.1:{made.port}"
    finally:
        made.close()


@pytest.fixture(scope="module")
def documents(server: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All committed documents, and that of a live server with its control plane."""
    live = tmp_path_factory.mktemp("live") / "openapi.json"
    live.write_text(httpx.get(f"{server}/openapi.json").text)
    return [*DOCUMENTS, live]


def make_python_client(tool: Path, document: Path, out: Path) -> str:
    """What the generator says; the client is the package `out`."""
    command = [tool / "openapi-python-client", "generate", "--path", document, "--meta", "none", "--output-path", out]
    search = {**os.environ, "PATH": f"{tool}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=search, cwd=out.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_openapi_python_client_leaves_nothing_out(python_tool: Path, documents: list[Path], tmp_path: Path) -> None:
    assert len(documents) >= 5
    for number, document in enumerate(documents):
        said = make_python_client(python_tool, document, tmp_path / f"made{number}")
        assert "arning" not in said, said
        operations = [o for path in json.loads(document.read_text())["paths"].values() for o in path.values()]
        modules = [p for p in (tmp_path / f"made{number}/api").rglob("*.py") if p.name != "__init__.py"]
        assert len(modules) == len(operations)
    run(python_tool / "python", "-m", "compileall", "-q", tmp_path, cwd=tmp_path)


def test_the_python_client_calls_a_server(
    python_tool: Path, server: str, documents: list[Path], tmp_path: Path
) -> None:
    make_python_client(python_tool, documents[-1], tmp_path / "made")
    script = f"""
from made import Client, models
from made.api.demofibofibo import demo_fibo_fibo_fibo as fibo

client = Client(base_url={server!r})
good = fibo.sync_detailed(client=client, body=models.DemoFiboFiboFiboParams(n=10))
bad = fibo.sync_detailed(client=client, body=models.DemoFiboFiboFiboParams(n=94))
print(good.status_code, good.parsed, bad.status_code, bad.parsed.error)
"""
    said = run(python_tool / "python", "-c", script, cwd=tmp_path)
    assert said.startswith("200 55 422 "), said


def test_typescript_types_compile_strictly(documents: list[Path], tmp_path: Path) -> None:
    programs = typescript()
    made: list[Path] = []
    for number, document in enumerate(documents):
        made.append(tmp_path / f"made{number}.ts")
        cli = programs / "openapi-typescript/bin/cli.js"
        run("node", cli, document, "-o", made[-1], cwd=programs.parent)
    use = tmp_path / "use.ts"
    use.write_text(
        f'import type {{ components, operations }} from "./made{len(documents) - 1}";\n'
        'type Params = components["schemas"]["Demo_Fibo_Fibo_Fibo__Params"];\n'
        'type Body = operations["demo.fibo.fibo.fibo"]["requestBody"]["content"]["application/json"];\n'
        'type Answer = operations["demo.fibo.fibo.fibo"]["responses"][200]["content"]["application/json"];\n'
        "export const params: Params = { n: 10 };\n"
        "export const body: Body = params;\n"
        "export const answer: Answer = 55;\n"
        "// @ts-expect-error a string is no number\n"
        'export const wrong: Params = { n: "10" };\n'
    )
    compiler = programs / "typescript/bin/tsc"
    run("node", compiler, "--strict", "--noEmit", "--skipLibCheck", use, *made, cwd=tmp_path)


def test_pins_are_exact() -> None:
    lock: dict[str, Any] = json.loads((PINS / "package-lock.json").read_text())
    wanted: dict[str, str] = json.loads((PINS / "package.json").read_text())["dependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("integrity" in package for path, package in lock["packages"].items() if path)
    assert "openapi-python-client==" in (PINS / "requirements.txt").read_text()
