"""What a workflow hands over as JSON text is parsed and checked on a thread when it is long."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import record_guests
from obelisk.runtime import json_text
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime

LONG = "[1" + " " * 70_000 + "]"


def asked(folder: Path, params: str) -> list[log.Event]:
    """The history of a workflow that calls a function by name with these parameters, until it sleeps after that."""
    (folder / "flow.wasm").write_bytes(record_guests.workflow(folder, params))
    (folder / "child.wasm").write_bytes(record_guests.child(folder))
    text = (
        '[component.flow]\npath = "flow.wasm"\nkind = "workflow"\n'
        '[component.child]\npath = "child.wasm"\nmax_retries = 0\nretry_on_err = false\n'
    )

    async def work() -> list[log.Event]:
        config = configuration.parse(text, file=folder / "obelisk.toml")
        async with open_runtime(config, execute=True) as runtime:
            flow = (await runtime.api.submit(Submission(ffqn=record_guests.FLOW, params=[]))).execution_id
            while (await runtime.api.get(flow)).status != "finished":
                found = [entry.event for entry in await runtime.api.events(flow)]
                if any(isinstance(event, log.DelayRequest) for event in found):
                    assert (await runtime.api.replay(flow)).ok
                    return found
                await asyncio.sleep(0.01)
            raise AssertionError(await runtime.api.outcome(flow))

    return asyncio.run(asyncio.wait_for(work(), 600))


@pytest.mark.parametrize(("params", "apart"), [("[1]", False), (LONG, True)])
def test_parameters_are_judged_on_a_thread_when_they_are_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: str, apart: bool
) -> None:
    decode, check = json_text.decode, DeployedFunction.check_params
    seen: list[tuple[str, bool]] = []

    def decoded(text: Any) -> Any:
        if text == params:
            seen.append(("decoded", threading.current_thread() is not threading.main_thread()))
        return decode(text)

    def checked(function: DeployedFunction, value: object) -> Any:
        if function.ffqn == record_guests.ASK and value == [1]:
            seen.append(("checked", threading.current_thread() is not threading.main_thread()))
        return check(function, value)

    larger = record_guests.WORKFLOW.replace('(export "memory") 1', '(export "memory") 4')
    monkeypatch.setattr(record_guests, "WORKFLOW", larger)
    monkeypatch.setattr(json_text, "decode", decoded)
    monkeypatch.setattr(DeployedFunction, "check_params", checked)
    history = asked(tmp_path, params)
    assert ("decoded", apart) in seen
    assert ("checked", apart) in seen
    assert ("decoded", not apart) not in seen
    (request,) = (event for event in history if isinstance(event, log.JoinSetRequest))
    assert bytes(request.params) == b"[1]"
    assert not any(isinstance(event, log.Finished) for event in history)
