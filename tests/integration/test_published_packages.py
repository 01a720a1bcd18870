"""A team publishes a generated package: its wheel and the client's, in an empty environment, call a server."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from obelisk.cli.generating import shell as generating

acceptance = importlib.import_module("server")
ROOT = Path(__file__).parents[2]
FIBO = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""
USER = """
from __future__ import annotations

import sys
from typing import assert_type

from demo_fibo.client import FiboClient, WorkflowClient
from obelisk.client import Client, InvalidParams
from obelisk.runtime.values import Err, Ok


def main(url: str) -> None:
    with Client(url) as server:
        fibo = FiboClient(server).fibo
        assert_type(fibo(n=10), Ok[int] | Err[str])
        assert fibo(n=10) == Ok(55)
        handle = WorkflowClient(server).fiboa.submit(10, iterations=3)
        print([entry.event["type"] for entry in handle.events()][-1], handle.result(timeout=300))
        try:
            fibo(n=300)
        except InvalidParams as refused:
            print(refused.problems[0].pointer, refused.status)


if __name__ == "__main__":
    main(sys.argv[1])
"""


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment that has the client and the generated package, and with a program of a user."""
    folder = tmp_path_factory.mktemp("published")
    made = generating.run([ROOT / "examples/fibo/wit"], folder / "tree", package="fibo-client")
    assert made.is_good, made.messages
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist")
    run(*build, ROOT / "packages/client", cwd=folder)
    run(*build, folder / "tree", cwd=folder)
    venv.create(folder / "environment", with_pip=True)
    install = (python(folder), "-m", "pip", "install", "--quiet", "--find-links", folder / "dist", "fibo-client")
    run(*install, cwd=folder)
    (folder / "user.py").write_text(USER.lstrip())
    return folder


def python(folder: Path) -> Path:
    return folder / "environment/bin/python"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = acceptance.Server(tmp_path_factory.mktemp("server"), FIBO)
    try:
        server.start()
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


def test_the_client_brings_nothing_but_httpx(folder: Path) -> None:
    listed = json.loads(run(python(folder), "-m", "pip", "list", "--format", "json", cwd=folder))
    names = {package["name"].lower() for package in listed} - {"pip", "setuptools", "wheel"}
    needed = {
        "httpx",
        "httpcore",
        "anyio",
        "certifi",
        "idna",
        "h11",
        "typing_extensions",
        "typing-extensions",
        "sniffio",
    }
    assert {"obelisk-client", "fibo-client", "httpx"} <= names <= needed | {"obelisk-client", "fibo-client"}


def test_an_installed_package_calls_a_server(folder: Path, url: str) -> None:
    assert run(python(folder), "user.py", url, cwd=folder) == "finished Ok(value=55)\n/n 0\n"


def test_code_against_it_is_checked_strictly(folder: Path) -> None:
    mypy = (
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--python-executable",
        python(folder),
        "user.py",
    )
    assert "no issues found" in run(*mypy, cwd=folder)
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "include": ["user.py"]}')
    pyright = (sys.executable, "-m", "pyright", "--pythonpath", python(folder), "--project", "pyrightconfig.json")
    assert "0 errors, 0 warnings" in run(*pyright, cwd=folder)
    (folder / "wrong.py").write_text(USER.replace("fibo(n=300)", 'fibo(n="300")'))
    wrong = run(*mypy[:-1], "wrong.py", cwd=folder, status=1)
    assert 'has incompatible type "str"' in wrong
