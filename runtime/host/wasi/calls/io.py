"""The calls of `wasi:io`: streams, poll, error.

A guest that breaks the interface's rules (a write beyond what `check-write` allowed, an empty list to poll) traps.
"""

# mypy: disable-error-code="type-abstract"
# The table only compares with the kinds it is asked for.
from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from obelisk.runtime.host.wasi.calls.call import Call, Calls, err, ok
from obelisk.runtime.host.wasi.guests import WasiGuest
from obelisk.runtime.host.wasi.io.pollables import Pollable
from obelisk.runtime.host.wasi.io.streams import CHUNK, InputStream, OutputStream, StreamEnd, StreamError
from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending

T = TypeVar("T")
_BLOCKING_WRITE: Final = 4096
"""What a blocking write takes at most (wasi:io/streams)."""


# --- error ----------------------------------------------------------------------------------------------------------
def _debug_string(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.get(args[0], StreamError).text


# --- poll -----------------------------------------------------------------------------------------------------------
def _is_ready(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.get(args[0], Pollable).ready()


def _block(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
    return guest.wait([guest.table.get(args[0], Pollable)], lambda: None)


def _poll(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
    pollables = [guest.table.get(rep, Pollable) for rep in args[0]]
    if not pollables:
        raise GuestTrap("poll: the list is empty")
    return guest.wait(pollables, lambda: [index for index, one in enumerate(pollables) if one.ready()])


# --- streams --------------------------------------------------------------------------------------------------------
def ended(guest: WasiGuest, end: StreamEnd) -> JsonValue:
    """The err case of a stream that has ended."""
    return err("closed" if end.error is None else {"last_operation_failed": guest.table.add(end.error)})


def _subscribe_input(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.table.get(args[0], InputStream).pollable())


def _subscribe_output(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.table.get(args[0], OutputStream).pollable())


def _done(
    guest: WasiGuest,
    streams: Sequence[InputStream | OutputStream],
    work: Callable[[], T],
    then: Callable[[T], JsonValue | Pending],
) -> JsonValue | Pending:
    """What `then` makes of what `work` gives, which uses `streams`; the err case when one of them has ended."""

    def settle(get: Callable[[], T]) -> JsonValue | Pending:
        try:
            given = get()
        except StreamEnd as end:
            return ended(guest, end)
        return then(given)

    if not any(one.is_slow for one in streams):
        return settle(work)
    return guest.aside(work, settle, [used for one in streams if (used := one.uses) is not None])


def _take(
    guest: WasiGuest, stream: InputStream, count: int, convert: Callable[[bytes], JsonValue]
) -> JsonValue | Pending:
    def work() -> bytes:
        return stream.read(min(count, CHUNK)) if count else b""

    return _done(guest, (stream,), work, lambda data: ok(convert(data)))


def _encoded(data: bytes) -> JsonValue:
    return base64.b64encode(data).decode()


def _reading(convert: Callable[[bytes], JsonValue], *, blocks: bool) -> Callable[[Any, list[Any]], JsonValue | Pending]:
    """`read` or `skip`, which answers with what it took or how much that was."""

    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
        stream, count = guest.table.get(args[0], InputStream), args[1]
        answer = partial(_take, guest, stream, count, convert)
        return guest.wait([stream.pollable()], answer) if blocks and count else answer()

    return handler


def _check_write(guest: WasiGuest, args: list[Any]) -> JsonValue:
    try:
        return ok(guest.table.get(args[0], OutputStream).room())
    except StreamEnd as end:
        return ended(guest, end)


def _put(
    guest: WasiGuest, stream: OutputStream, data: bytes, then: Callable[[], JsonValue | Pending] = ok
) -> JsonValue | Pending:
    def work() -> None:
        if len(data) > stream.room():
            raise GuestTrap(f"a write of {len(data)} bytes where check-write allows {stream.room()}")
        stream.write(data)

    return _done(guest, (stream,), work, lambda _: then())


def _contents(data: str) -> bytes:
    return base64.b64decode(data)


def _zeroes(count: int) -> bytes:
    if count > CHUNK:
        raise GuestTrap(f"a write of {count} zeroes where check-write allows at most {CHUNK}")
    return bytes(count)


def _writing(data_of: Callable[[Any], bytes]) -> Callable[[Any, list[Any]], JsonValue | Pending]:
    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
        return _put(guest, guest.table.get(args[0], OutputStream), data_of(args[1]))

    return handler


def _write_and_flush(data_of: Callable[[Any], bytes]) -> Callable[[Any, list[Any]], JsonValue | Pending]:
    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
        stream, data = guest.table.get(args[0], OutputStream), data_of(args[1])
        if len(data) > _BLOCKING_WRITE:
            raise GuestTrap(f"a blocking write of {len(data)} bytes: {_BLOCKING_WRITE} are allowed")

        def write() -> JsonValue | Pending:
            return _put(guest, stream, data, lambda: _flushing(guest, stream))

        return guest.wait([stream.pollable(len(data))], write)

    return handler


def _flushing(guest: WasiGuest, stream: OutputStream) -> JsonValue | Pending:
    return guest.wait([stream.flushed()], partial(_flush_state, guest, stream))


def _flush_state(guest: WasiGuest, stream: OutputStream) -> JsonValue:
    try:
        stream.room()
    except StreamEnd as end:
        return ended(guest, end)
    return ok()


def _flush(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return _flush_state(guest, guest.table.get(args[0], OutputStream))


def _blocking_flush(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
    return _flushing(guest, guest.table.get(args[0], OutputStream))


def _move(guest: WasiGuest, sink: OutputStream, source: InputStream, count: int) -> JsonValue | Pending:
    def work() -> int:
        most = min(count, CHUNK, sink.room())
        data = source.read(most) if most else b""
        sink.write(data)
        return len(data)

    return _done(guest, (sink, source), work, ok)


def _splice(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
    return _move(guest, guest.table.get(args[0], OutputStream), guest.table.get(args[1], InputStream), args[2])


def _blocking_splice(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
    sink, source = guest.table.get(args[0], OutputStream), guest.table.get(args[1], InputStream)

    def move() -> JsonValue | Pending:
        return _move(guest, sink, source, args[2])

    return guest.wait([sink.pollable()], lambda: guest.wait([source.pollable()], move)) if args[2] else move()


_READ: Final = "(borrow<input-stream>, u64) -> result<list<u8>, stream-error>"
_SKIP: Final = "(borrow<input-stream>, u64) -> result<u64, stream-error>"
_WRITE: Final = "(borrow<output-stream>, list<u8>) -> result<_, stream-error>"
_ZEROES: Final = "(borrow<output-stream>, u64) -> result<_, stream-error>"
_FLUSH: Final = "(borrow<output-stream>) -> result<_, stream-error>"
_SPLICE: Final = "(borrow<output-stream>, borrow<input-stream>, u64) -> result<u64, stream-error>"
IO_CALLS: Final[Calls] = {
    "wasi:io/error": {"[method]error.to-debug-string": Call("(borrow<error>) -> string", _debug_string)},
    "wasi:io/poll": {
        "[method]pollable.ready": Call("(borrow<pollable>) -> bool", _is_ready),
        "[method]pollable.block": Call("(borrow<pollable>)", _block, waits=True),
        "poll": Call("(list<borrow<pollable>>) -> list<u32>", _poll, waits=True),
    },
    "wasi:io/streams": {
        "[method]input-stream.read": Call(_READ, _reading(_encoded, blocks=False), waits=True),
        "[method]input-stream.blocking-read": Call(_READ, _reading(_encoded, blocks=True), waits=True),
        "[method]input-stream.skip": Call(_SKIP, _reading(len, blocks=False), waits=True),
        "[method]input-stream.blocking-skip": Call(_SKIP, _reading(len, blocks=True), waits=True),
        "[method]input-stream.subscribe": Call("(borrow<input-stream>) -> pollable", _subscribe_input),
        "[method]output-stream.check-write": Call("(borrow<output-stream>) -> result<u64, stream-error>", _check_write),
        "[method]output-stream.write": Call(_WRITE, _writing(_contents), waits=True),
        "[method]output-stream.blocking-write-and-flush": Call(_WRITE, _write_and_flush(_contents), waits=True),
        "[method]output-stream.write-zeroes": Call(_ZEROES, _writing(_zeroes), waits=True),
        "[method]output-stream.blocking-write-zeroes-and-flush": Call(_ZEROES, _write_and_flush(_zeroes), waits=True),
        "[method]output-stream.flush": Call(_FLUSH, _flush),
        "[method]output-stream.blocking-flush": Call(_FLUSH, _blocking_flush, waits=True),
        "[method]output-stream.subscribe": Call("(borrow<output-stream>) -> pollable", _subscribe_output),
        "[method]output-stream.splice": Call(_SPLICE, _splice, waits=True),
        "[method]output-stream.blocking-splice": Call(_SPLICE, _blocking_splice, waits=True),
    },
}
"""What this module offers."""
