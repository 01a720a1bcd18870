"""Schemathesis against a live gateway: the OpenAPI document is exactly what the server does.

All phases, every operation, seeded. `EXAMPLES=n` (examples an operation) makes a longer run, `SEED=n` another one;
`make contract` is the long run.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from obelisk.gateway import errors
from obelisk.gateway.auth import tokens
from obelisk.gateway.auth.access import Access

gateway_world = importlib.import_module("gateway_world")
acceptance = importlib.import_module("server")

ROOT = Path(__file__).parents[2]
COMPONENTS = f"""
default_wait_s = 0.3
max_wait_s = 0.3
max_follow_s = 0.3
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[component.trip-activities]
path = "{ROOT}/.cache/examples/trip/activities.wasm"
max_retries = 2
initial_backoff_ms = 1
[component.trip-workflow]
path = "{ROOT}/.cache/examples/trip/workflow.wasm"
[component.payments]
kind = "external"
wit = "{ROOT}/examples/typescript-worker/payments.wit"
[cache]
path = "{ROOT}/.cache/compiled"
"""
ANSWERED = re.compile(r'^obelisk_http_requests_total\{operation="([^"]+)",status="2\d\d"\} ', re.MULTILINE)
OF_WORKERS = frozenset({"register-worker", "exchange-with-worker", "claim-attempts", "give-heartbeats", "leave-worker"})

EXAMPLES = os.environ.get("EXAMPLES", "15")
REAL_EXAMPLES = os.environ.get("EXAMPLES", "6")
LONGEST_S = 6 * 3600
SEED = os.environ.get("SEED", "1")
CONFIG = Path(__file__).with_name("schemathesis.toml")
NOT_OURS = "object_level_authorization"
"""Whose executions they are makes no difference here: scopes are for a whole server."""
TOKEN = tokens.issue("contract", tokens.Scope.ADMIN, random=b"r" * tokens.RANDOM_BYTES, now_us=0)
GUARDED = Access(required=True, tokens=lambda: tokens.Tokens((TOKEN.token,)))


def schemathesis(url: str, folder: Path, examples: str = EXAMPLES, *more: str) -> subprocess.CompletedProcess[str]:
    """Run it over the whole document of the server at `url`."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run"]
    command += [f"{url}/openapi.json", "--phases", "examples,coverage,fuzzing,stateful", "--checks", "all"]
    command += ["--exclude-checks", NOT_OURS, "--max-examples", examples, "--seed", SEED, "--no-color"]
    command += ["--generation-database", "none", "--continue-on-failure", *more]
    hooks = {"SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    environment = {**os.environ, **hooks}
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False, env=environment
    )
    print(run.stdout.rpartition("= SUMMARY =")[2])
    return run


def test_the_gateway_does_what_its_document_says(tmp_path: Path) -> None:
    shop = gateway_world.component(gateway_world.WITHOUT_FAILURES)
    stubs = gateway_world.component(
        ("add",), interface=gateway_world.PLAIN, name="stubs", kind=gateway_world.ComponentKind.STUB
    )
    settings = gateway_world.GatewaySettings(default_wait_s=0.05, max_wait_s=0.05, max_follow_s=0.05)
    with gateway_world.served(gateway_world.world(shop, stubs, settings=settings, access=GUARDED).app) as url:
        run = schemathesis(url, tmp_path, EXAMPLES, "--header", f"Authorization: Bearer {TOKEN.secret}")
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert "Stateful" in run.stdout


def test_the_contract_test_notices_an_undocumented_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "STATUS", {**errors.STATUS, "parameter_invalid": 418})
    with gateway_world.served(gateway_world.world(gateway_world.component(("ping",))).app) as url:
        run = schemathesis(url, tmp_path, "4")
    assert run.returncode == 1
    assert "Undocumented status code" in run.stdout, run.stdout[-6000:]


def test_the_contract_test_notices_an_undocumented_status_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "STATUS", {**errors.STATUS, "not_ready": 418})  # that gateway serves no workers
    with gateway_world.served(gateway_world.world(gateway_world.component(("ping",))).app) as url:
        run = schemathesis(url, tmp_path, "4", "--include-path-regex", "^/v1/workers")
    assert run.returncode == 1
    assert "Undocumented status code" in run.stdout, run.stdout[-6000:]
    assert "/exchange" in run.stdout


def test_the_examples_on_the_real_runtime_do_what_their_document_says(tmp_path: Path) -> None:
    server = acceptance.Server(tmp_path, COMPONENTS)
    try:
        server.start()
        run = schemathesis(f"http://127.0.0.1:{server.port}", tmp_path, REAL_EXAMPLES)
        log, metrics = server.log(), server.http.get("/metrics").text
    finally:
        server.close()
    assert run.returncode == 0, run.stdout[-6000:] + log[-3000:]
    assert "Traceback" not in log
    answered = set(ANSWERED.findall(metrics))
    assert answered >= OF_WORKERS, "workers that were registered in the run are asked for, too"
