"""Guests that do their worst, and servers that do theirs: each is contained, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from wasi_runs import CACHE, GUESTS, python_guest
from wasi_server import Seen, serving

FIBO = Path(__file__).parents[2] / "examples" / "fibo" / "activity.wat"
CLIENT = "test:wasi/client@1.0.0"
TIMERS = "test:wasi/timers@1.0.0"
SPINNING = """(component
  (core module $m (func (export "spin") (result i32) (loop $again (br $again)) unreachable))
  (core instance $i (instantiate $m))
  (func $spin (result u32) (canon lift (core func $i "spin")))
  (instance (export "test:hostile/spin") (export "spin" (func $spin))))"""
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("client") / "client.wasm"
    path.write_bytes(python_guest("client", "calling"))
    return path


def config_of(folder: Path, client: Path, port: int) -> configuration.Config:
    """Short limits of the operator's: the guests ask for hours."""
    (folder / "spin.wat").write_text(SPINNING)
    rule = f'host = "127.0.0.1"\nschemes = ["http"]\nports = [{port}]\n'
    text = f"""
[cache]
path = "{CACHE / "compiled"}"
[[http.allow]]
host = "*"
schemes = ["http"]
ports = [80]
[[http.allow]]
{rule}
[component.fibo]
path = "{FIBO}"
[component.timers]
path = "{GUESTS / "timers.wat"}"
max_retries = 0
attempt_timeout_ms = 4000
[component.hoarders]
path = "{GUESTS / "hoarders.wat"}"
max_retries = 0
max_host_bytes = 65536
[component.spin]
path = "spin.wat"
max_retries = 0
attempt_timeout_ms = 500
[component.client]
path = "{client}"
max_retries = 0
[component.client.http]
first_byte_timeout_ms = 3000
between_bytes_timeout_ms = 3000
max_response_bytes = 1000000
[[component.client.http.allow]]
host = "*"
schemes = ["http"]
ports = [80]
[[component.client.http.allow]]
{rule}
"""
    return configuration.parse(text, file=folder / "obelisk.toml")


@asynccontextmanager
async def world(folder: Path, client: Path) -> AsyncGenerator[tuple[OpenRuntime, Seen], None]:
    async with serving() as seen, open_runtime(config_of(folder, client, seen.port), execute=True) as runtime:
        yield runtime, seen


async def outcome_of(runtime: OpenRuntime, ffqn: str, *params: Any) -> log.Outcome:
    submitted = await runtime.api.submit(Submission(ffqn=ffqn, params=list(params)))
    outcome = await runtime.api.wait(submitted.execution_id, 300)
    assert outcome is not None, ffqn
    return outcome


def call(seen: Seen, path: str, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "method": "GET",
        "scheme": "http",
        "authority": f"127.0.0.1:{seen.port}",
        "path": path,
        "headers": [],
    }
    return made | {"body": None, "first_byte_ms": 3_600_000, "between_bytes_ms": 3_600_000} | changes


async def told(runtime: OpenRuntime, function: str, *params: Any) -> str:
    """How a hostile call ended, in a word or two: the err that the guest saw, or why it failed."""
    outcome = await outcome_of(runtime, function, *params)
    if isinstance(outcome, log.Failed):
        return f"{outcome.kind.value}: {outcome.reason}"
    value: Any = json.loads(bytes(outcome.value))
    return str(value["err"]) if "err" in str(value) else f"returned {value}"


def test_each_is_contained_while_others_are_served(tmp_path: Path, client: Path) -> None:
    async def work() -> None:
        async with world(tmp_path, client) as (runtime, seen):
            fetch = f"{CLIENT}.fetch"
            line_end = [["x", "a\r\nx-injected: b"]]
            hostile: dict[str, tuple[Any, ...]] = {
                "a response a byte at a time": (fetch, call(seen, "/drip")),
                "a response that never begins": (fetch, call(seen, "/no-head")),
                "a body that stops in the middle": (fetch, call(seen, "/stall")),
                "a body without end": (fetch, call(seen, "/flood")),
                "the metadata service": (fetch, call(seen, "/latest", authority="169.254.169.254")),
                "the loopback by another name": (fetch, call(seen, "/", authority="2130706433")),
                "line ends in a header": (fetch, call(seen, "/echo", headers=line_end)),
                "line ends in a path": (fetch, call(seen, "/echo HTTP/1.1\r\nx-injected: b\r\n\r\n")),
                "handles without end": (f"{TIMERS}.hoard", 4_000_000_000),
                "headers without end": ("test:wasi/hoarders@1.0.0.headers", 4_000_000_000, 0),
                "a sleep without end": (f"{TIMERS}.nap", 4_000_000_000),
                "a loop without end": ("test:hostile/spin.spin",),
            }
            attacks = {
                name: asyncio.ensure_future(told(runtime, function, *params))
                for name, (function, *params) in hostile.items()
            }
            served = 0
            while not all(attack.done() for attack in attacks.values()):
                outcome = await outcome_of(runtime, "demo:fibo/fibo.fibo", 10)
                assert isinstance(outcome, log.Returned)
                served += 1
            ends = {name: await attack for name, attack in attacks.items()}
            assert served > len(hostile), "somebody was served all the time"
            assert not [request for request in seen.requests if "injected" in request]
            assert not [headers for headers in seen.headers if "x-injected" in headers]
        assert ends == {
            "a response a byte at a time": "HttpResponseTimeout",
            "a response that never begins": "HttpResponseTimeout",
            "a body that stops in the middle": "ConnectionReadTimeout",
            "a body without end": "HttpResponseBodySize",
            "the metadata service": "DestinationIpProhibited",
            "the loopback by another name": "DestinationIpProhibited",
            "line ends in a header": "InvalidSyntax",
            "line ends in a path": "HttpRequestUriInvalid",
            "handles without end": "trapped: memory limit: the guest holds 10000 resources and asks for another",
            "headers without end": "trapped: memory limit: the host keeps 65331 bytes for the guest and would need "
            "1024 more: 65536 are allowed (max_host_bytes)",
            "a sleep without end": "timed_out: the attempt ran longer than 4000 ms",
            "a loop without end": "timed_out: the attempt ran longer than 500 ms",
        }
        assert fibers.live_count() == 0

    run(work())


def test_redirects_lead_nowhere(tmp_path: Path, client: Path) -> None:
    """The server sends the guest to the metadata service; the guest goes, and does not arrive."""

    async def work() -> None:
        async with world(tmp_path, client) as (runtime, seen):
            outcome = await outcome_of(runtime, f"{CLIENT}.fetch", call(seen, "/redirect"))
            assert isinstance(outcome, log.Returned)
            found = json.loads(bytes(outcome.value))["ok"]
            (target,) = [value for name, value in found["headers"] if name == "Location"]
            assert (found["status"], target) == (302, "http://169.254.169.254/latest")
            _, _, authority, path = target.split("/", 3)
            sent = call(seen, f"/{path}", authority=authority)
            assert await told(runtime, f"{CLIENT}.fetch", sent) == "DestinationIpProhibited"

    run(work())
