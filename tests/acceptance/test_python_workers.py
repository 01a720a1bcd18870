"""Workers in Python against a server as a user starts it: results, logs, kills in mid-attempt, frozen processes."""

from __future__ import annotations

import importlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from obelisk.cli.generating import shell as generating
from obelisk.gateway.auth import token_file
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Scope, Tokens, issue

acceptance = importlib.import_module("server")
GUARD_S = 300
WIT = """package shop:pay;
/// Takes money.
interface payments {
  variant refusal { declined(string), broke }
  /// Charges a card.
  charge: func(card: string, cents: u32) -> result<string, refusal>;
}
"""
CONFIG = """
[component.payments]
kind = "external"
wit = "pay.wit"
initial_backoff_ms = 10
max_retries = 5
"""
PROGRAM = '''
"""Charges cards: one that is slow says so and waits."""

import asyncio
import logging
import sys

from made.shop_pay.types.payments import Refusal_Declined
from made.shop_pay.worker import PaymentsWorker
from obelisk.worker import Err, Worker, current


class Payments(PaymentsWorker):
    async def charge(self, card: str, cents: int) -> str:
        logging.getLogger("shop").info("charging %d", cents)
        if card == "stolen":
            raise Err(Refusal_Declined(card))
        if card == "flaky" and current().attempt == 1:
            raise ConnectionError("no line")
        if card == "large":
            return "x" * (3 << 20)
        if card == "slow":
            print("slow", flush=True)
            await asyncio.sleep(600 if sys.argv[2] == "first" else 0)
        return f"{sys.argv[2]} {current().attempt}" if card == "flaky" else sys.argv[2]


logging.basicConfig(level=logging.INFO, stream=sys.stderr)
worker = Worker(sys.argv[1], handlers=[Payments()], lease_s=1)
worker.run()
'''


class World:
    """A server, and workers of it that are processes."""

    def __init__(self, folder: Path, more: str = "", *, head: str = "") -> None:
        (folder / "pay.wit").write_text(WIT)
        (folder / "program.py").write_text(PROGRAM)
        outcome = generating.run([folder / "pay.wit"], folder / "made", only={"worker"})
        assert outcome.is_good, outcome.messages
        self.folder = folder
        self.server = acceptance.Server(folder, head + CONFIG + more)
        self.server.start()
        self.http: httpx.Client = self.server.http
        self.processes: list[subprocess.Popen[str]] = []

    def worker(self, name: str) -> subprocess.Popen[str]:
        """A worker that serves."""
        url = f"http://127.0.0.1:{self.server.port}"
        command = [sys.executable, "program.py", url, name]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
        self.processes.append(process)
        return process

    def submit(self, card: str, cents: int = 7) -> str:
        """The id of a new execution."""
        answer = self.http.post(
            "/v1/functions/shop:pay/payments/charge",
            json={"card": card, "cents": cents},
            headers={"Prefer": "respond-async"},
        )
        assert answer.status_code == 202, answer.text
        execution: str = answer.json()["execution_id"]
        return execution

    def result(self, execution: str) -> httpx.Response:
        """The result, waited for."""
        return self.http.get(f"/v1/executions/{execution}/result", params={"wait": 60})

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.kill()
            process.communicate()
        self.server.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_results_errors_retries_and_log_lines_arrive(world: World) -> None:
    world.worker("a")
    good, stolen, flaky = (world.submit(card) for card in ("good", "stolen", "flaky"))
    assert world.result(good).json() == "a"
    refused = world.result(stolen)
    assert (refused.status_code, refused.json()["error"]) == (422, {"declined": "stolen"})
    assert world.result(flaky).json() == "a 2"
    assert "charging 7" in world.http.get(f"/v1/executions/{good}/logs").text


def test_a_result_that_no_request_can_carry_is_a_failed_attempt_and_harms_no_other(world: World) -> None:
    world.worker("a")
    large, good = world.submit("large"), world.submit("good")
    failed = world.result(large)
    assert failed.status_code == 500
    assert "the result is too large for the server" in failed.text
    assert world.result(good).json() == "a"


def test_what_a_killed_worker_had_is_done_elsewhere(world: World) -> None:
    first = world.worker("first")
    execution = world.submit("slow")
    assert said(first) == "slow\n"
    first.send_signal(signal.SIGKILL)
    world.worker("second")
    assert world.result(execution).json() == "second"


def test_a_frozen_worker_loses_its_attempt_and_goes_on_with_a_new_lease(world: World) -> None:
    first = world.worker("first")
    execution = world.submit("slow")
    assert said(first) == "slow\n"
    first.send_signal(signal.SIGSTOP)
    second = world.worker("second")
    assert world.result(execution).json() == "second"
    second.send_signal(signal.SIGTERM)
    assert second.wait(GUARD_S) == 0
    first.send_signal(signal.SIGCONT)
    assert world.result(world.submit("good")).json() == "first"
    assert "the lease has run out" in (world.folder / "first.log").read_text()


def test_a_drained_worker_gives_what_runs_to_others_and_ends_well(world: World) -> None:
    first = world.worker("first")
    execution = world.submit("slow")
    assert said(first) == "slow\n"
    first.send_signal(signal.SIGTERM)
    world.worker("second")
    while world.result(world.submit("good")).json() != "second":
        pass  # the last claim of the first one may be answered before the server hears that it drains
    assert world.result(world.submit("good")).json() == "second"
    first.send_signal(signal.SIGTERM)
    assert first.wait(GUARD_S) == 0
    assert world.result(execution).json() == "second"


@pytest.mark.parametrize("off_s", [3600, -3600])
def test_a_worker_whose_clock_is_an_hour_off_works_like_any_other(world: World, off_s: int) -> None:
    """Deadlines are durations to a worker, and the log has the server's instants."""
    skew = f"import time\nclock = time.time\ntime.time = lambda: clock() + {off_s}\n"
    (world.folder / "program.py").write_text(skew + PROGRAM)
    world.worker("a")
    good, flaky = world.submit("good"), world.submit("flaky")
    assert world.result(good).json() == "a"
    assert world.result(flaky).json() == "a 2"
    (line,) = world.http.get(f"/v1/executions/{good}/logs").json()["items"]
    created = datetime.fromisoformat(world.http.get(f"/v1/executions/{good}").json()["created_at"])
    assert line["text"] == "charging 7"
    assert timedelta(0) <= datetime.fromisoformat(line["at"]) - created < timedelta(seconds=abs(off_s) / 2)


SUPERVISED = """
[worker.payments]
module = "payments"
"""
MODULE = '''
"""Charges cards, as a worker that the server starts."""

import os

from made.shop_pay.worker import PaymentsWorker


class Payments(PaymentsWorker):
    def charge(self, card: str, cents: int) -> str:
        if card == "deadly":
            os._exit(3)
        return f"charged {cents}"
'''


def test_a_server_runs_its_own_worker_and_starts_it_again_and_takes_it_along(tmp_path: Path) -> None:
    (tmp_path / "payments.py").write_text(MODULE)
    world = World(tmp_path, SUPERVISED)
    try:
        assert world.result(world.submit("good")).json() == "charged 7"
        deadly = world.submit("deadly")
        while "has ended with status 3; it is started again" not in world.server.log():
            assert world.http.get(f"/v1/executions/{deadly}").status_code == 200
        assert world.result(world.submit("good", 8)).json() == "charged 8"
        world.server.kill()
        pid = int(re.findall(r"payments: started as process (\d+)", world.server.log())[-1])
        end_s = time.monotonic() + GUARD_S
        while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
            assert time.monotonic() < end_s, "the worker outlives its server"
            time.sleep(0.05)
    finally:
        world.close()


NOSY = '''
"""Takes attempts, and tries what else its token may do."""

import os

import httpx

from made.shop_pay.worker import PaymentsWorker


class Payments(PaymentsWorker):
    def charge(self, card: str, cents: int) -> str:
        headers = {"Authorization": f"Bearer {os.environ['OBELISK_TOKEN']}"}
        paths = ("/v1/executions", "/v1/functions", "/openapi.json")
        return " ".join(str(httpx.get(os.environ["OBELISK_URL"] + path, headers=headers).status_code) for path in paths)
'''


@pytest.mark.parametrize("has_file", [False, True])
def test_a_supervised_worker_gets_a_token_that_may_work_and_nothing_else(tmp_path: Path, has_file: bool) -> None:
    (tmp_path / "payments.py").write_text(NOSY)
    admin = issue("admin", Scope.ADMIN, random=b"a" * RANDOM_BYTES, now_us=1)
    if has_file:
        token_file.write(tmp_path / ".obelisk/tokens.json", Tokens((admin.token,)))
    world = World(tmp_path, SUPERVISED, head="" if has_file else 'auth = "required"\n')
    try:
        secret = admin.secret if has_file else re.findall(r"  token +(\S+)", world.server.log())[0]
        world.http.headers["Authorization"] = f"Bearer {secret}"
        assert world.result(world.submit("good")).json() == "403 403 403"
    finally:
        world.close()
