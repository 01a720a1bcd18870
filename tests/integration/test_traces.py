"""One trace from the HTTP call to the requests of its guests, exported to a collector over the wire."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from obelisk.gateway.app import create_app
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.log.events import Created
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime
from wasi_runs import CACHE, python_guest
from wasi_server import serving

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
COMPONENTS = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALL = "/v1/functions/demo:fibo/workflow/fiboa"
T = TypeVar("T")


class Collector:
    """Takes spans by OTLP over HTTP; each is shown by name, ids, kind and attributes."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            """One export."""

            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                spans.extend(_shown(span) for r in request.resource_spans for s in r.scope_spans for span in s.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def named(self, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["name"] == name]


def _shown(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "kind": span.kind,
        "us": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "error": span.status.message,
        "attributes": {a.key: a.value.string_value or a.value.int_value for a in span.attributes},
    }


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, collector: Collector, more: str = COMPONENTS, ratio: str = "") -> configuration.Config:
    text = f'[tracing]\nendpoint = "{collector.endpoint}"\n{ratio}\n[cache]\npath = "{CACHE / "compiled"}"\n{more}'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def call(config: configuration.Config, path: str, params: object, **headers: str) -> tuple[httpx.Response, str]:
    """A call over HTTP, and the context that its execution was recorded with."""
    async with open_runtime(config, execute=True) as runtime:
        transport = httpx.ASGITransport(app=create_app(runtime.api, GatewaySettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://obelisk") as http:
            response = await http.post(path, json=params, headers=headers)
        execution_id = response.headers["obelisk-execution-id"]
        created = (await runtime.api.events(execution_id, limit=1))[0].event
        assert isinstance(created, Created)
        return response, created.trace


def test_a_call_its_children_and_their_attempts_are_one_trace(tmp_path: Path, collector: Collector) -> None:
    given = f"00-{TRACE}-{CALLER}-01"
    params = {"n": 10, "iterations": 3}
    response, recorded = run(call(config_of(tmp_path, collector), CALL, params, traceparent=given))
    assert response.json() == 55
    assert {span["trace"] for span in collector.spans} == {TRACE}
    (served,) = collector.named(f"POST {CALL}")
    assert (served["parent"], served["kind"]) == (CALLER, 2)
    assert served["attributes"]["http.response.status_code"] == 200
    assert recorded == f"00-{TRACE}-{served['id']}-01"
    (workflow,) = collector.named("demo:fibo/workflow.fiboa")
    assert workflow["parent"] == served["id"]
    execution_id = response.headers["obelisk-execution-id"]
    assert workflow["attributes"] == {"obelisk.execution_id": execution_id, "obelisk.outcome": "ok"}
    children = collector.named("demo:fibo/fibo.fibo")
    assert [child["parent"] for child in children] == [workflow["id"]] * 3
    attempts = collector.named("attempt demo:fibo/fibo.fibo")
    assert {attempt["parent"] for attempt in attempts} == {child["id"] for child in children}
    assert len({span["id"] for span in collector.spans}) == len(collector.spans) == 8
    assert all(0 <= span["us"] <= served["us"] for span in children)


def test_what_the_caller_does_not_sample_leaves_nothing(tmp_path: Path, collector: Collector) -> None:
    given = f"00-{TRACE}-{CALLER}-00"
    config = config_of(tmp_path, collector)
    response, recorded = run(call(config, CALL, {"n": 10, "iterations": 1}, traceparent=given))
    assert (response.json(), recorded, collector.spans) == (55, "", [])


@pytest.mark.parametrize(("ratio", "spans"), [("ratio = 0.0", 0), ("ratio = 1.0", 4)])
def test_a_new_trace_begins_as_often_as_asked(tmp_path: Path, collector: Collector, ratio: str, spans: int) -> None:
    config = config_of(tmp_path, collector, ratio=ratio)
    response, _ = run(call(config, CALL, {"n": 10, "iterations": 1}, traceparent="nonsense"))
    assert response.json() == 55
    assert len(collector.spans) == spans
    assert [span["parent"] for span in collector.named(f"POST {CALL}")] == [""] * (spans > 0)


@pytest.mark.parametrize(
    ("server", "component", "own"),
    [(False, False, ""), (True, False, ""), (False, True, ""), (True, True, ""), (True, True, "00-the-guest's-own-01")],
)
def test_requests_of_guests_are_below_their_attempt(
    tmp_path: Path, collector: Collector, server: bool, component: bool, own: str
) -> None:
    """Where both sides let them they carry their context, unless the guest has one of its own."""
    path = tmp_path / "client.wasm"
    path.write_bytes(python_guest("client", "calling"))

    async def work() -> None:
        async with serving() as seen:
            rule = f'host = "127.0.0.1"\nschemes = ["http"]\nports = [{seen.port}]\n'
            more = (
                f'[[http.allow]]\n{rule}trace = {str(server).lower()}\n[component.client]\npath = "{path}"\n'
                f"[[component.client.http.allow]]\n{rule}trace = {str(component).lower()}\n"
            )
            request: dict[str, Any] = {
                "method": "GET",
                "scheme": "http",
                "authority": f"127.0.0.1:{seen.port}",
                "path": "/echo?key=hidden",
                "headers": [["Traceparent", own]] if own else [],
                "body": None,
                "first_byte_ms": 5_000,
                "between_bytes_ms": 5_000,
            }
            config = config_of(tmp_path, collector, more)
            response, _ = await call(config, "/v1/functions/test:wasi/client@1.0.0/fetch", {"call": request})
            assert response.status_code == 200, response.text
            (sent,) = collector.named(f"GET 127.0.0.1:{seen.port}")
            (attempt,) = collector.named("attempt test:wasi/client@1.0.0.fetch")
            assert (sent["parent"], sent["trace"], sent["kind"]) == (attempt["id"], attempt["trace"], 3)
            assert sent["attributes"]["http.response.status_code"] == 200
            assert sent["attributes"]["url.path"] == "/echo"
            context = own or (f"00-{sent['trace']}-{sent['id']}-01" if server and component else None)
            assert seen.headers[-1].get("traceparent") == context

    run(work())


def test_what_ends_without_a_run_has_a_span(tmp_path: Path, collector: Collector) -> None:
    more = f'[component.person]\nkind = "stub"\npath = "{FIBO}/activity.wat"\n'

    async def work() -> str:
        async with open_runtime(config_of(tmp_path, collector, more), execute=True) as runtime:
            submission = Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 1}, trace=f"00-{TRACE}-{CALLER}-01")
            execution_id = (await runtime.api.submit(submission)).execution_id
            await runtime.api.cancel(execution_id)
            assert await runtime.api.wait(execution_id, 300) is not None
            while not (await runtime.api.metrics())[1].samples:
                await asyncio.sleep(0.005)
            return execution_id

    execution_id = run(work())
    (span,) = collector.spans
    assert (span["name"], span["trace"], span["parent"]) == ("demo:fibo/fibo.fibo", TRACE, CALLER)
    assert span["attributes"] == {"obelisk.execution_id": execution_id, "obelisk.outcome": "cancelled"}
    assert span["error"] == "the execution was cancelled"


def test_nothing_of_the_library_is_loaded_unless_something_is_traced(tmp_path: Path) -> None:
    (tmp_path / "obelisk.toml").write_text(COMPONENTS)
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from obelisk.runtime.wiring import config; from obelisk.runtime.wiring.bootstrap import open_runtime\n"
        "import obelisk.gateway.app\n"
        "file = Path(sys.argv[1])\n"
        "async def main():\n"
        "    async with open_runtime(config.parse(file.read_text(), file=file), execute=True): pass\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "obelisk.toml")]
    assert subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout == "[]\n"


def test_without_the_library_the_error_says_what_to_install(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)

    async def work() -> None:
        with pytest.raises(ConfigError, match=r"pip install \"obelisk-engine\[tracing\]\""):
            async with open_runtime(config_of(tmp_path, collector), execute=True):
                raise AssertionError("it opened")

    run(work())
