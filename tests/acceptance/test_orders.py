"""The orders example, as a user builds and runs it, with a bank that fails and a person who approves."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kept

acceptance = importlib.import_module("server")
obelisk: Callable[..., Any] = importlib.import_module("command_line").obelisk

EXAMPLE = Path(__file__).parents[2] / "examples/orders"
KEPT = kept.CACHE / "projects/orders"
LINES = 150
FULFIL = "/v1/functions/shop:orders/fulfilment/fulfil"
ITEMS = [{"sku": "tea", "count": 2, "cents": 450}, {"sku": "cake", "count": 1, "cents": 1200}]


def order(**changed: object) -> dict[str, object]:
    whole = {"customer": "ada@example.com", "items": ITEMS, "payment": {"card": "4111"}, "note": None}
    return {"order": {**whole, "approve_within_s": 60, "hold_s": 1, **changed}}


@pytest.fixture(scope="module")
def bank() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("orders_bank", EXAMPLE / "bank.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.Bank(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built; what was built before is kept."""
    folder = tmp_path_factory.mktemp("orders") / "orders"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "generated", "__pycache__"))
    with pytest.MonkeyPatch.context() as patch, kept.alone("project-orders"):
        patch.setenv("OBELISK_TOOLS", str(kept.TOOLS))
        if KEPT.exists():
            shutil.copytree(KEPT, folder / "build")
        built = obelisk("build", str(folder))
        assert built.status == 0, built.err
        shutil.rmtree(KEPT, ignore_errors=True)
        shutil.copytree(folder / "build", KEPT)
    return folder


@pytest.fixture(scope="module")
def server(project: Path, bank: Any) -> Iterator[Any]:
    text = (project / "obelisk.toml").read_text().replace("8099", str(bank.server_address[1]))
    made = acceptance.Server(project, f'{text}\n[cache]\npath = "{kept.COMPILED}"\n')
    made.start()
    yield made
    made.close()


def lines(server: Any, execution_id: str) -> list[str]:
    """What the execution and its children logged, in order."""
    children = server.http.get("/v1/executions", params={"parent": execution_id}).json()["items"]
    ids = [execution_id, *(child["execution_id"] for child in reversed(children))]
    logs = [server.http.get(f"/v1/executions/{one}/logs").json()["items"] for one in ids]
    return [line["text"] for log in logs for line in log]


def child_of(server: Any, execution_id: str, status: str) -> str:
    """The child of an execution that has this status, once there is one."""
    while True:
        children = server.http.get("/v1/executions", params={"parent": execution_id}).json()["items"]
        found = [child["execution_id"] for child in children if child["status"] == status]
        if found:
            return str(found[0])
        time.sleep(0.05)


def test_the_example_is_short() -> None:
    files = [EXAMPLE / "obelisk.toml", *EXAMPLE.glob("wit/*/*.wit"), *EXAMPLE.glob("src/*.py")]
    assert sum(len(path.read_text().splitlines()) for path in files) <= LINES


def test_an_order_is_reserved_paid_and_delivered(server: Any, bank: Any) -> None:
    answer = server.http.post(FULFIL, json=order(note="ring twice"))
    assert answer.status_code == 200, answer.text + server.log()
    key = answer.headers["Obelisk-Execution-Id"]
    assert answer.json() == {"cents": 2100, "charge": f"{key}-charge", "parcels": [f"{key}/shelf c", f"{key}/shelf t"]}
    assert bank.charges[f"{key}-charge"] == 2100
    assert bank.asked >= 2  # it fails every other time, and the engine asks again
    assert "mail to ada@example.com: 2 parcels for 21.00 are on their way (ring twice)" in lines(server, key)


def test_what_was_done_is_undone_when_the_card_is_declined(server: Any) -> None:
    answer = server.http.post(FULFIL, json=order(payment={"card": "0000"}))
    assert (answer.status_code, answer.json()["error"]) == (422, {"permanent_declined": "no such card"})
    told = lines(server, answer.headers["Obelisk-Execution-Id"])
    assert [line for line in told if line.startswith("released")] == ["released 1 cake", "released 2 tea"]
    assert not [line for line in told if line.startswith("mail")]


def test_what_is_sold_out_ends_the_order(server: Any) -> None:
    items = [*ITEMS, {"sku": "pie", "count": 11, "cents": 1}]
    answer = server.http.post(FULFIL, json=order(items=items, payment="invoice"))
    assert (answer.status_code, answer.json()["error"]) == (422, {"permanent_sold_out": "pie"})
    told = lines(server, answer.headers["Obelisk-Execution-Id"])
    assert [line for line in told if line.startswith("released")] == [
        "released 11 pie",
        "released 1 cake",
        "released 2 tea",
    ]


def test_a_large_order_waits_for_a_person(server: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated client answers the stub, which has no component: its WIT is enough."""
    big = order(items=[{"sku": "oven", "count": 1, "cents": 100_000}], payment="invoice", hold_s=0)
    generated = obelisk("gen", str(project / "wit"), "--out", str(project / "clients"))
    assert generated.status == 0, generated.err
    monkeypatch.setattr(sys, "path", [str(project / "clients"), *sys.path])
    client, types = (importlib.import_module(f"shop_approval.{name}") for name in ("client", "types.approval"))
    library = importlib.import_module("obelisk.client")
    verdicts = {types.Verdict_Approved(): 200, types.Verdict_Rejected("too dear"): 422}
    ended: Any = None
    with library.Client(server.url) as connection:
        for verdict, status in verdicts.items():
            begun = server.http.post(FULFIL, json=big, headers={"Prefer": "respond-async"})
            parent = begun.headers["Obelisk-Execution-Id"]
            asked = child_of(server, parent, "awaiting_result")
            client.ApprovalClient(connection).ask.handle(asked).give(verdict)
            ended = server.http.get(f"/v1/executions/{parent}/result", params={"wait": 60})
            assert ended.status_code == status, ended.text
    assert ended.json()["error"] == {"rejected": "too dear"}


def test_an_approval_that_does_not_come_in_time_is_none(server: Any) -> None:
    big = order(items=[{"sku": "oven", "count": 1, "cents": 100_000}], approve_within_s=0)
    answer = server.http.post(FULFIL, json=big)
    assert (answer.status_code, answer.json()["error"]) == (422, {"rejected": "approved by no one in time"})


def test_functions_that_are_not_deployed_are_named(project: Path, tmp_path: Path) -> None:
    """The workflow alone: who answers its calls is missing, and each function is told."""
    text = f'[store]\npath = "{tmp_path}/alone.sqlite"\n[cache]\npath = "{kept.COMPILED}"\n'
    (tmp_path / "alone.toml").write_text(text)
    config = str(tmp_path / "alone.toml")
    refused = obelisk("component", "add", str(project / "build/fulfilment.wasm"), "--config", config)
    assert refused.status != 0
    assert "'fulfilment' imports what nothing here answers:" in refused.err
    for function in ("stock.reserve", "payments.charge", "mail.send"):
        assert f"shop:orders/{function}: no deployed component exports it" in refused.err
    assert "shop:orders/delivery.deliver" not in refused.err  # it is its own
    assert "hint: deploy what exports these first, or together with it" in refused.err
