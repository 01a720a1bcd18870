"""`obelisk execution` against a live gateway: what it prints, and its exit statuses."""

from __future__ import annotations

import http.server
import importlib
import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeAlias

import pytest

from command_line import Ran, obelisk, on_terminal
from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.ports import slices

Call: TypeAlias = Callable[..., Ran]
CART = "demo:shop/cart@1.2.0"


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def shop() -> Generator[str]:
    gateway_world = importlib.import_module("gateway_world")
    with gateway_world.served(gateway_world.world().app) as url:
        yield url


@pytest.fixture
def call(shop: str) -> Call:
    return lambda *args: obelisk("execution", *args, "--url", shop)


@pytest.mark.parametrize(
    "params", [("a=1", "the-other=2"), ('{"a": 1, "the_other": 2}',), ("[1, 2]",), ("@params.json",)]
)
def test_run_prints_the_value(call: Call, params: tuple[str, ...]) -> None:
    Path("params.json").write_text('{"a": 1, "the_other": 2}')
    ran = call("run", f"{CART}.add", *params)
    assert (ran.status, ran.out) == (ExitStatus.OK, "3\n")
    assert ran.err.startswith("execution E_")


def test_run_as_json_has_the_id_too(call: Call) -> None:
    ran = call("run", f"{CART}.add", "[1, 2]", "--json")
    assert (ran.status, ran.json["ok"], ran.err) == (ExitStatus.OK, 3, "")
    assert call("get", ran.json["execution_id"], "--json").json["status"] == "finished"
    assert call("result", ran.json["execution_id"]).out == "3\n"


def test_a_business_error_is_printed_and_told_by_the_status(call: Call) -> None:
    ran = call("run", f"{CART}.check", "good=false")
    assert (ran.status, ran.out) == (ExitStatus.RETURNED_ERR, "null\n")
    assert "the function returned err" in ran.err
    assert call("run", f"{CART}.check", "good=false", "--json").json["err"] is None


@pytest.mark.parametrize("function", ["trap", "late"])
def test_a_failed_execution_is_an_error_with_the_next_step(call: Call, function: str) -> None:
    ran = call("run", f"{CART}.{function}")
    assert (ran.status, ran.out) == (ExitStatus.FAILED, "")
    assert "error: it was t" in ran.err
    assert "hint: `obelisk execution events E_" in ran.err


def test_what_does_not_finish_in_time_goes_on(call: Call) -> None:
    ran = call("run", f"{CART}.never", "--wait", "0")
    assert (ran.status, ran.out) == (ExitStatus.UNFINISHED, "")
    assert "obelisk execution result --wait 60 E_" in ran.err


def test_submit_prints_the_id(call: Call) -> None:
    ran = call("submit", f"{CART}.never")
    assert ran.status == ExitStatus.OK
    shown = call("get", ran.out.strip())
    assert f"ffqn\t{CART}.never\n" in shown.out
    assert call("result", ran.out.strip(), "--json").status == ExitStatus.UNFINISHED


def test_a_key_is_one_execution(call: Call) -> None:
    first, again = (call("run", f"{CART}.add", "[1, 2]", "--key", "k", "--json").json for _ in range(2))
    assert first == again
    other = call("run", f"{CART}.add", "[1, 3]", "--key", "k", "--json")
    assert (other.status, other.error["code"]) == (ExitStatus.REFUSED, "idempotency_conflict")
    told = call("run", f"{CART}.add", "[1, 3]", "--key", "k").err
    assert f"used for another call: {first['execution_id']} of {CART}.add\n" in told
    assert "hint: `obelisk execution get ID` shows that execution; another call needs another key\n" in told


def test_tags_are_given_shown_and_looked_for(call: Call) -> None:
    both = ("--tag", "order=7", "--tag", "tenant=acme")
    first = call("run", f"{CART}.add", "[1, 2]", "--json", *both).json["execution_id"]
    second = call("submit", f"{CART}.never", "--tag", "tenant=acme").out.strip()
    assert call("get", first, "--json").json["tags"] == ["order=7", "tenant=acme"]
    assert "tags\torder=7, tenant=acme\n" in call("get", first).out
    listed = call("list", "--tag", "tenant=acme").out.splitlines()
    assert [(line.split("\t")[0], line.split("\t")[-1]) for line in listed] == [
        ("execution_id", "tags"),
        (second, "tenant=acme"),
        (first, "order=7,tenant=acme"),
    ]
    assert [item["execution_id"] for item in call("list", *both, "--json").json["items"]] == [first]


@pytest.mark.parametrize("given", [("order",), ("a=b,c=d",), tuple(f"k{number}=v" for number in range(17))])
@pytest.mark.parametrize("command", [("run", f"{CART}.ping"), ("submit", f"{CART}.ping"), ("list",)])
def test_wrong_tags_are_a_fault_of_the_command_line(
    call: Call, given: tuple[str, ...], command: tuple[str, ...]
) -> None:
    ran = call(*command, *(f"--tag={tag}" for tag in given))
    assert ran.status == ExitStatus.USAGE
    assert "invalid value for '--tag': expected" in ran.err


def test_events_and_responses_are_printed_to_the_end(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    execution_id = call("run", f"{CART}.add", "[1, 2]", "--json").json["execution_id"]
    lines = call("events", execution_id).out.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["event", "created", "locked", "finished"]
    assert "params=[1,2]" in lines[1]
    assert [entry["version"] for entry in call("events", execution_id, "--from", "1", "--json").json] == [1, 2]
    assert call("responses", execution_id, "--json").json == []
    monkeypatch.setattr(slices, "SLICE_BYTES", 1)  # each slice has one entry
    assert [entry["version"] for entry in call("events", execution_id, "--json").json] == [0, 1, 2]


def test_list_filters_and_pages(call: Call) -> None:
    ids = [call("run", f"{CART}.blob", "data=AAE=", "--json").json["execution_id"] for _ in range(3)]
    first = call("list", "--function", f"{CART}.blob", "--limit", "2")
    assert [line.split("\t")[0] for line in first.out.splitlines()[1:]] == [ids[2], ids[1]]
    cursor = first.err.split()[-1]
    rest = call("list", "--function", f"{CART}.blob", "--limit", "2", "--cursor", cursor, "--json").json
    assert ([item["execution_id"] for item in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)


def test_on_a_terminal_tables_fit_and_ids_stay_whole(shop: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setenv("TERM", "xterm")
    execution_id = call("run", f"{CART}.add", "[1, 2]", "--json").json["execution_id"]
    listed = on_terminal("execution", "list", "--limit", "3", "--url", shop).splitlines()
    assert listed[0].split() == ["execution", "state", "age", "function"]
    assert listed[1].startswith(f"{execution_id}  ok     ")
    logged = on_terminal("execution", "events", execution_id, "--url", shop)
    assert logged.split("\n")[1].startswith("0        0 ms   created   ")
    assert all(len(line) <= 72 for line in (*listed, *logged.splitlines()))


def test_an_instant_bounds_a_list(call: Call) -> None:
    execution_id = call("run", f"{CART}.add", "[1, 2]", "--json").json["execution_id"]
    at = call("get", execution_id, "--json").json["created_at"]
    since = call("list", "--since", at, "--limit", "200", "--json").json["items"]
    before = call("list", "--before", at, "--limit", "200", "--json").json["items"]
    assert execution_id in {item["execution_id"] for item in since}
    assert execution_id not in {item["execution_id"] for item in before}


def test_a_fault_is_told_once(call: Call) -> None:
    execution_id = call("submit", f"{CART}.never").out.strip()
    ran = call("stub", execution_id, "{")
    assert (ran.status, ran.err.count("is not JSON")) == (ExitStatus.REFUSED, 1)


def test_nothing_to_list_is_told(call: Call) -> None:
    ran = call("list", "--parent", "E_1")
    assert (ran.status, ran.out, ran.err) == (ExitStatus.OK, "", "there is no such execution\n")
    assert call("list", "--parent", "E_1", "--json").json["items"] == []


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("run", f"{CART}.ad", "a=1"), ExitStatus.NOT_FOUND, f"hint: deployed: {CART}.add"),
        (("run", f"{CART}.ad"), ExitStatus.NOT_FOUND, f"hint: deployed: {CART}.add"),
        (("run", "add", "{}"), ExitStatus.NOT_FOUND, "no deployed component exports add"),
        (("run", f"{CART}.flow", "{}"), ExitStatus.NOT_FOUND, "has no endpoint"),
        (("run", f"{CART}.add", "a=1", "b=2"), ExitStatus.REFUSED, "hint: its parameters: a, the_other"),
        (("run", f"{CART}.add", "a=-1"), ExitStatus.REFUSED, "/a: expected u64"),
        (("run", f"{CART}.add", "{"), ExitStatus.REFUSED, "is not JSON"),
        (("run", f"{CART}.add", "@nowhere.json"), ExitStatus.NOT_FOUND, "nowhere.json: No such file"),
        (("get", "E_nope"), ExitStatus.NOT_FOUND, "no execution E_nope"),
        (("events", "a/b c"), ExitStatus.NOT_FOUND, "no execution a/b c"),
        (("list", "--status", "done"), ExitStatus.REFUSED, "expected one of open, pending_at"),
        (("list", "--cursor", "x"), ExitStatus.REFUSED, "cursor"),
        (("list", "--since", "monday"), ExitStatus.USAGE, "'--since': expected an instant as 2030-01-31T12:00:00Z"),
        (("list", "--before", "2030-01-31T12:00:00"), ExitStatus.USAGE, "'--before': expected an instant"),
    ],
)
def test_refusals_are_clear(call: Call, args: tuple[str, ...], status: ExitStatus, said: str) -> None:
    ran = call(*args)
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err


def test_no_server_is_told_with_the_next_step() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        ran = obelisk("execution", "list", "--url", url)
    assert ran.status == ExitStatus.UNREACHABLE
    assert f"no server answers at {url}" in ran.err
    assert "`obelisk server run`" in ran.err


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://x", "http://", "http://h:99999", "http://h/?a=1"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    ran = obelisk("execution", "list", "--url", url, "--json")
    assert (ran.status, ran.error["code"]) == (ExitStatus.CONFIG, "config_invalid")


def test_another_server_is_recognised() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        ran = obelisk("execution", "list", "--url", f"http://127.0.0.1:{server.server_port}")
        thread.join()
    assert ran.status == ExitStatus.INTERNAL
    assert "is no Obelisk server: it answered 501" in ran.err
