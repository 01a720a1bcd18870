"""Bodies that take long to parse and to check do so on threads: the event loop is left to the others."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from gateway_world import world
from obelisk.gateway.http import strict_json
from obelisk.runtime.catalog.registry import DeployedFunction

RESERVE = "/v1/functions/demo:shop/cart@1.2.0/reserve"
ITEM: dict[str, Any] = {"item_name": "a", "price": 1, "size": "small", "extras": [], "note": None, "place": ["a", True]}


def threads_of(monkeypatch: pytest.MonkeyPatch, tags: dict[str, Any]) -> tuple[int, list[bool]]:
    """The status of a submission, and of parsing and checking whether that was beside the event loop."""
    here, beside = threading.get_ident(), list[bool]()
    decode, check = strict_json.decode, DeployedFunction.check_params

    def decoded(body: bytes) -> object:
        beside.append(threading.get_ident() != here)
        return decode(body)

    def checked(function: DeployedFunction, value: object) -> Any:
        beside.append(threading.get_ident() != here)
        return check(function, value)

    monkeypatch.setattr(strict_json, "decode", decoded)
    monkeypatch.setattr(DeployedFunction, "check_params", checked)
    with world().client() as http:
        body = json.dumps({"item": {**ITEM, "tags": tags}}).encode()
        answer = http.post(RESERVE, content=body, headers=[("Content-Type", "application/json")])
    return answer.status_code, beside


def test_a_long_body_is_parsed_and_checked_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_of(monkeypatch, {"t": [1] * 40_000}) == (200, [True, True])


def test_a_long_body_that_is_wrong_is_refused_as_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_of(monkeypatch, {"t": ["x"] * 40_000}) == (400, [True, True])


def test_a_short_body_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_of(monkeypatch, {"t": [1]}) == (200, [False, False])
