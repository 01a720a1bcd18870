"""A worker in an environment without the engine and wasmtime: the distribution alone, and what is generated."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from obelisk.cli.generating import shell as generating

acceptance = importlib.import_module("server")
ROOT = Path(__file__).parents[2]
GUARD_S = 300
CONFIG = '[component.payments]\nkind = "external"\nwit = "pay.wit"\n'
WIT = """package shop:pay;
interface payments { charge: func(card: string, cents: u32) -> result<string, string>; }
"""
MODULE = '''
"""Charges cards."""

from made.shop_pay.worker import PaymentsWorker
from obelisk.worker import Err, current


class Payments(PaymentsWorker):
    async def charge(self, card: str, cents: int) -> str:
        if card == "stolen":
            raise Err("stolen")
        return f"{cents} in attempt {current().attempt}"
'''
ABSENT = (
    "wasmtime",
    "starlette",
    "uvicorn",
    "click",
    "jinja2",
    "rich",
    "sqlite_utils",
    "obelisk.cli",
    "obelisk.gateway",
)


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment that has the distribution with its extra, and with a worker's module."""
    folder = tmp_path_factory.mktemp("worker")
    run(
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        "dist",
        ROOT / "packages/client",
        cwd=folder,
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "environment", with_pip=True)
    run(folder / "environment/bin/python", "-m", "pip", "install", "--quiet", f"{wheel}[worker]", cwd=folder)
    (folder / "pay.wit").write_text(WIT)
    (folder / "payments.py").write_text(MODULE)
    made = generating.run([folder / "pay.wit"], folder / "made", only={"worker"})
    assert made.is_good, made.messages
    return folder


def test_nothing_of_the_engine_is_there(folder: Path) -> None:
    python = folder / "environment/bin/python"
    listed = json.loads(run(python, "-m", "pip", "list", "--format", "json", cwd=folder))
    assert {"obelisk-client", "httpx", "msgspec"} <= {package["name"] for package in listed}
    program = f"from importlib.util import find_spec; print([name for name in {ABSENT!r} if find_spec(name)])"
    assert run(python, "-c", program, cwd=folder) == "[]\n"


def test_a_worker_serves(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "pay.wit").write_text(WIT)
    server = acceptance.Server(tmp_path, CONFIG)
    server.start()
    environment = {**os.environ, "OBELISK_URL": server.url}
    environment.pop("PYTHONPATH", None)
    command = [str(folder / "environment/bin/python"), "-m", "obelisk.worker", "payments"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)
    try:
        path = "/v1/functions/shop:pay/payments/charge"
        assert server.http.post(path, json={"card": "4242", "cents": 5}).json() == "5 in attempt 1"
        assert server.http.post(path, json={"card": "stolen", "cents": 5}).json()["error"] == "stolen"
        worker.terminate()
        assert worker.wait(GUARD_S) == 0
        assert not server.http.get("/v1/workers").json()["items"]
    finally:
        worker.kill()
        worker.wait()
        server.close()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["no_such_module"], 3, "error: no module no_such_module\nhint: modules are found from the current folder on"),
        (["payments:Nothing"], 3, "error: payments has no Nothing\nhint: it has Payments"),
        (["json"], 3, "found nothing of that kind"),
        (["payments", "--concurrency", "0"], 1, "error: concurrency: expected 1 or more, got 0"),
        ([], 2, "usage: python -m obelisk.worker"),
    ],
)
def test_what_cannot_be_served_is_told(folder: Path, arguments: list[str], status: int, said: str) -> None:
    command = [str(folder / "environment/bin/python"), "-m", "obelisk.worker", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
