"""What is there is read without a timer, and what is not there within its time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from obelisk.gateway.http.incoming import CallHeaders, within


async def value(*waits: float) -> int:
    """Waits so often, then gives a number."""
    for seconds in waits:
        await asyncio.sleep(seconds)
    return len(waits)


def test_what_need_not_be_waited_for_takes_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("a timer was started")

    async def scenario() -> None:
        monkeypatch.setattr(asyncio, "timeout", refused)
        assert await within(60, value()) == 0
        with pytest.raises(AssertionError, match="a timer"):
            await within(60, value(0))

    asyncio.run(scenario())


def test_what_takes_several_waits_comes_whole() -> None:
    assert asyncio.run(within(60, value(0, 0.001, 0, 0.001))) == 4


@pytest.mark.parametrize("waits", [(60.0,), (0.001, 60.0)])
def test_what_takes_too_long_is_given_up(waits: tuple[float, ...]) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(within(0.02, value(*waits)))


def test_errors_come_through_from_before_and_behind_a_wait() -> None:
    async def fails(*waits: float) -> None:
        await value(*waits)
        raise ValueError("told")

    for waits in ((), (0.0,), (0.001, 0.001)):
        with pytest.raises(ValueError, match="told"):
            asyncio.run(within(60, fails(*waits)))


def test_who_is_cancelled_while_it_waits_may_still_tidy_up() -> None:
    tidied: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.001)
            tidied.append("yes")

    async def scenario() -> None:
        task = asyncio.ensure_future(within(60, tidy()))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert tidied == ["yes"]


def test_headers_are_found_as_starlette_finds_them() -> None:
    headers = CallHeaders([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert "A" in headers
    assert "c" not in headers
    assert headers["a"] == "1"
    assert headers.get("c", "none") == "none"
    assert (headers.getlist("a"), headers.getlist("c")) == (["1", "3"], [])
    with pytest.raises(KeyError):
        headers["c"]
