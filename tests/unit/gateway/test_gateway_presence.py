"""Work for a client that leaves is cancelled; what is quick never looks whether it does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from obelisk.gateway.http import presence
from obelisk.gateway.http.presence import while_present

GUARD_S = 60.0


class Client:
    """A client that stays until `leaves` is set. `asked`: how often it was looked for."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if self.asked == 1:
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}


def run(work: Coroutine[Any, Any, None]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(GUARD_S):
            await work

    asyncio.run(guarded())


def test_what_is_quick_does_not_look_for_its_client() -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 7

    async def scenario() -> None:
        client = Client()
        assert await while_present(answer(), client.receive) == 7
        assert client.asked == 0

    run(scenario())


def test_work_for_a_client_that_leaves_is_cancelled_and_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LOOK_AFTER_S", 0.0)
    tidied: list[str] = []

    async def waits() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append("tidied")
        return 7

    async def scenario() -> None:
        client = Client()
        working = asyncio.create_task(while_present(waits(), client.receive))
        while client.asked < 2:
            await asyncio.sleep(0)
        assert not working.done()
        client.leaves.set()
        assert await working is None
        assert tidied == ["tidied"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())


def test_who_else_cancels_it_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LOOK_AFTER_S", 0.0)

    async def scenario(leaves: bool) -> None:
        client = Client()
        working = asyncio.create_task(while_present(asyncio.Event().wait(), client.receive))
        while client.asked < 2:
            await asyncio.sleep(0)
        if leaves:
            client.leaves.set()
            while not working.cancelling():
                await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    run(scenario(leaves=False))
    run(scenario(leaves=True))


def test_the_error_of_the_work_comes_through_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LOOK_AFTER_S", 0.0)

    async def fails() -> int:
        await asyncio.sleep(0.01)
        raise ValueError("told")

    async def scenario() -> None:
        with pytest.raises(ValueError, match="told"):
            await while_present(fails(), Client().receive)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())
