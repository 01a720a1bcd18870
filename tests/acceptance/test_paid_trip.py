"""The trip example with a payment in native Python: one command runs server and worker, and a card is charged once."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kept

acceptance = importlib.import_module("server")
obelisk: Callable[..., Any] = importlib.import_module("command_line").obelisk
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/trip/native"
CALL = "/v1/functions/demo:paid-trip/trips/book-and-pay"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The example in a folder of its own, built as its README says, and its server."""
    folder = tmp_path_factory.mktemp("trip") / "native"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("generated", "payments.sqlite*"))
    shutil.copytree(ROOT / "examples/trip/wit", folder.parent / "wit")
    with kept.alone("examples"):
        subprocess.run([sys.executable, "examples/build.py"], cwd=ROOT, check=True)
    text = (folder / "obelisk.toml").read_text().replace("../../../.cache", f"{ROOT}/.cache")
    (folder / "obelisk.toml").write_text(text)
    with kept.alone("paid-trip"):
        built = obelisk("build", str(folder))
    assert built.status == 0, built.err
    text = re.sub(r"^\[(server|store)\]\n.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\[cache\]\n.*$", f'[cache]\npath = "{kept.COMPILED}"', text, flags=re.MULTILINE)
    made = acceptance.Server(folder, text)
    try:
        made.start()
        yield made
    finally:
        made.close()


def request(card: str) -> Any:
    """The body of the README's call, for a card."""
    readme = (EXAMPLE / "README.md").read_text()
    (body,) = re.findall(r"trips/book-and-pay .*?-d '(.*?)'\n", readme, re.DOTALL)
    return {**json.loads(body), "card": card}


def rows(server: Any, card: str) -> list[Any]:
    database = sqlite3.connect(server.folder / "payments.sqlite")
    try:
        return database.execute("SELECT number, cents FROM charges WHERE card = ?", (card,)).fetchall()
    finally:
        database.close()


def charged(server: Any, card: str) -> int:
    answer = server.http.post("/v1/functions/demo:trip-payments/payments/charged", json={"card": card})
    assert answer.status_code == 200, answer.text
    cents: int = answer.json()
    return cents


def test_a_trip_is_booked_and_paid(server: Any) -> None:
    answer = server.http.post(CALL, json=request("4242"))
    assert answer.status_code == 200, answer.text + server.log()
    paid = answer.json()
    total = paid["itinerary"]["total_cents"]
    assert total == 120_00 + 3 * (95_00 + 15_00)
    ((number, cents),) = rows(server, "4242")
    assert (paid["receipt"], cents) == ({"number": f"R-{number}", "cents": total}, total)
    assert charged(server, "4242") == total


def test_a_declined_card_cancels_the_trip_and_is_asked_once(server: Any) -> None:
    answer = server.http.post(CALL, json=request("stolen"))
    assert answer.status_code == 422, answer.text
    unpaid = answer.json()["error"]["not_paid"]
    assert unpaid["reason"] == {"permanent_declined": "the card was reported as stolen"}
    assert [booking["service"] for booking in unpaid["cancelled"]] == ["hotel", "flight"]
    assert unpaid["stranded"] == []
    assert charged(server, "stolen") == 0


def test_a_worker_that_dies_after_it_has_charged_charges_once(server: Any) -> None:
    answer = server.http.post(CALL, json=request("unlucky"))
    assert answer.status_code == 200, answer.text + server.log()
    paid = answer.json()
    ((number, cents),) = rows(server, "unlucky")
    assert paid["receipt"] == {"number": f"R-{number}", "cents": cents}
    assert charged(server, "unlucky") == paid["itinerary"]["total_cents"]
    assert "payments: has ended with status 1; it is started again" in server.log()
    assert "charged by an earlier attempt" in server.log()


def test_the_curl_lines_of_the_readme_work(server: Any) -> None:
    lines = re.findall(r"^    (curl .*?)\n\n?(?=\S|\Z)", (EXAMPLE / "README.md").read_text() + "\n", re.M | re.DOTALL)
    assert len(lines) == 2
    for line in lines:
        shell = ["bash", "-c", line.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")]
        said = subprocess.run(shell, capture_output=True, check=True, text=True).stdout
        assert "code" not in json.loads(said) if said.startswith("{") else said.isdecimal(), said
