"""What is written to a connection in one go leaves in one go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from obelisk.gateway.http.joined import Joined


class Wire(asyncio.Transport):
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio."""
        self.told.append(bytes(data))

    def is_closing(self) -> bool:
        """See asyncio."""
        return "close" in self.told

    def write_eof(self) -> None:
        """See asyncio."""
        self.told.append("eof")

    def close(self) -> None:
        """See asyncio."""
        self.told.append("close")

    def abort(self) -> None:
        """See asyncio."""
        self.told.append("abort")


def told(act: Callable[[Joined], None]) -> list[bytes | str]:
    async def scenario() -> list[bytes | str]:
        wire = Wire()
        act(Joined(wire, asyncio.get_running_loop()))
        await asyncio.sleep(0)
        return wire.told

    return asyncio.run(scenario())


def head_and_body(joined: Joined) -> None:
    joined.write(b"head ")
    joined.write(b"body")


def test_head_and_body_are_one_write() -> None:
    assert told(head_and_body) == [b"head body"]


def test_a_head_alone_does_not_wait_for_a_body() -> None:
    async def scenario() -> None:
        wire = Wire()
        joined = Joined(wire, asyncio.get_running_loop())
        joined.write(b"head")
        await asyncio.sleep(0)
        assert wire.told == [b"head"]
        joined.write(b"event")
        await asyncio.sleep(0)
        assert wire.told == [b"head", b"event"]

    asyncio.run(scenario())


def test_what_was_written_leaves_before_the_end_and_not_after_an_abort() -> None:
    def ends(joined: Joined) -> None:
        head_and_body(joined)
        joined.write_eof()
        joined.close()

    def aborted(joined: Joined) -> None:
        head_and_body(joined)
        joined.abort()

    assert told(ends) == [b"head body", "eof", "close"]
    assert told(aborted) == ["abort"]


USES: tuple[Callable[[Joined], None], ...] = (
    head_and_body,
    Joined.flush,
    Joined.pause_reading,
    Joined.resume_reading,
    Joined.write_eof,
    Joined.close,
    Joined.abort,
)


@pytest.mark.parametrize("make_loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_client_that_leaves_causes_no_error(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """It may leave between a write and its flush, and before anything else that is done with its connection."""

    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
            joined = Joined(transport, loop)
            joined.write(b"event")
            transport.abort()
            await asyncio.sleep(0.01)
            for use in USES:
                use(joined)
                await asyncio.sleep(0.001)
            theirs.setblocking(True)
            assert theirs.recv(100) == b""

    loop = make_loop()
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    try:
        loop.run_until_complete(scenario(loop))
    finally:
        loop.close()
    assert errors == []


def test_what_was_written_is_dropped_once_the_other_side_has_gone() -> None:
    async def scenario() -> None:
        wire = Wire()
        joined = Joined(wire, asyncio.get_running_loop())
        head_and_body(joined)
        wire.close()
        await asyncio.sleep(0)
        joined.write_eof()
        assert (wire.told, joined.written) == (["close"], 0)

    asyncio.run(scenario())


def test_an_end_may_come_later() -> None:
    async def scenario() -> None:
        wire, ends = Wire(), 0

        def ending() -> None:
            nonlocal ends
            ends += 1

        joined = Joined(wire, asyncio.get_running_loop(), ending)
        head_and_body(joined)
        joined.close()
        joined.close()
        assert (wire.told, ends, joined.is_closing()) == ([b"head body"], 1, True)
        joined.finish()
        assert wire.told == [b"head body", "close"]

    asyncio.run(scenario())
