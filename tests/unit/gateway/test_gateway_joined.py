"""What is written to a connection in one go leaves in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from obelisk.gateway.protocol import Joined


class Wire(asyncio.Transport):
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio."""
        self.told.append(bytes(data))

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
