"""The worker in TypeScript: checked by the compiler against the server's own document, and run against that server."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from npm_tools import run, typescript

acceptance = importlib.import_module("server")
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/typescript-worker"
CALL = "/v1/functions/demo:payments/payments/charge"
GUARD_S = 300


class World:
    """The example, built in a folder of its own, and its server."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        shutil.copytree(EXAMPLE, self.project, ignore=shutil.ignore_patterns("js", "node_modules", "schema.d.ts"))
        text = (self.project / "obelisk.toml").read_text()
        self.server = acceptance.Server(folder, text.replace('wit = "', 'wit = "project/'))
        self.server.start()
        self.http = self.server.http
        self.build()

    def build(self) -> None:
        """What `npm run types` and `npm run build` do."""
        (self.project / "openapi.json").write_text(self.http.get("/openapi.json").text)
        tools = typescript()
        command = ("openapi.json", "--default-non-nullable", "false", "--output", "src/schema.d.ts")
        run("node", tools / "openapi-typescript/bin/cli.js", *command, cwd=self.project)
        run("node", tools / "typescript/bin/tsc", "-p", ".", cwd=self.project)

    def start(self) -> subprocess.Popen[str]:
        """The worker, as a process."""
        command = ["env", f"OBELISK_URL={self.server.url}", "node", "js/payments.js"]
        # `node` may be a script that starts another program, which signals have to reach: so it is replaced.
        return subprocess.Popen(command, cwd=self.project, stdout=subprocess.PIPE, text=True)

    def submit(self, card: str, cents: int = 7) -> str:
        answer = self.http.post(CALL, json={"card": card, "cents": cents}, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202, answer.text
        execution: str = answer.json()["execution_id"]
        return execution

    def result(self, execution: str) -> Any:
        return self.http.get(f"/v1/executions/{execution}/result", params={"wait": 60})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("typescript-worker"))
    yield made
    made.server.close()


@pytest.fixture
def worker(world: World) -> Iterator[subprocess.Popen[str]]:
    process = world.start()
    yield process
    process.kill()
    process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def drained(process: subprocess.Popen[str]) -> str:
    process.terminate()
    output, _ = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, output
    return output


def test_results_errors_and_retries(world: World, worker: subprocess.Popen[str]) -> None:
    good, stolen, flaky = (world.submit(card) for card in ("4242", "stolen", "flaky"))
    assert world.result(good).json() == f"receipt of {good}"
    refused = world.result(stolen)
    assert (refused.status_code, refused.json()["error"]) == (
        422,
        {"permanent_declined": "the card was reported"},
    )
    assert world.result(flaky).json() == f"receipt of {flaky}"
    events = world.http.get(f"/v1/executions/{flaky}/events").json()["items"]
    assert "the terminal hung up" in str(events)
    lines = world.http.get(f"/v1/executions/{flaky}/logs").json()["items"]
    assert [item["text"] for item in lines] == [f"charging 7 cents, attempt {number}" for number in (1, 2)]
    assert {item["level"] for item in lines} == {"info"}
    assert drained(worker) == "drained\n"


def test_many_at_once(world: World, worker: subprocess.Popen[str]) -> None:
    executions = [world.submit("4242", cents) for cents in range(150)]
    assert [world.result(one).json() for one in executions] == [f"receipt of {one}" for one in executions]
    drained(worker)


def test_a_cancelled_attempt_is_told(world: World, worker: subprocess.Popen[str]) -> None:
    execution = world.submit("slow", 10**8)
    assert line(worker) == f"{execution} waits"
    world.http.post(f"/v1/executions/{execution}/cancel")
    assert line(worker) == f"{execution} ends: cancelled"
    assert world.result(execution).json()["kind"] == "cancelled"
    assert drained(worker) == "drained\n"


def test_a_drain_lets_what_runs_end(world: World, worker: subprocess.Popen[str]) -> None:
    execution = world.submit("slow", 3000)
    assert line(worker) == f"{execution} waits"
    assert drained(worker) == "drained\n"
    assert world.result(execution).json() == f"receipt of {execution}"
    assert not world.http.get("/v1/workers").json()["items"]


def test_a_worker_outlives_its_server(world: World, worker: subprocess.Popen[str]) -> None:
    execution = world.submit("slow", 3000)
    assert line(worker) == f"{execution} waits"
    world.server.kill()
    world.server.start()
    assert world.result(execution).json() == f"receipt of {execution}"
    assert world.result(world.submit("4242")).status_code == 200
    drained(worker)


def test_a_changed_interface_is_an_error_of_the_compiler(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(world.project, copy)
    schema = copy / "src/schema.d.ts"
    text = schema.read_text()
    assert "cents: number" in text
    schema.write_text(text.replace("cents: number", "total: number"))
    command = ["node", str(typescript() / "typescript/bin/tsc"), "-p", "."]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Property 'cents' does not exist" in done.stdout
