"""Every call of WASI as its handler answers it, without a guest."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from obelisk.runtime.host.wasi.calls.offer import WITHOUT_HTTP
from obelisk.runtime.host.wasi.capabilities import WasiEnvironment
from obelisk.runtime.host.wasi.guests import ActivityGuest, GuestExit
from obelisk.runtime.host.wasi.io.pollables import READY, Pollable
from obelisk.runtime.host.wasi.io.streams import CHUNK, InputStream, OutputStream, StreamEnd, StreamError
from obelisk.runtime.host.wasi.system import BoundedOutput
from obelisk.runtime.ports.guest import PENDING, GuestTrap


class StillClock:
    """A loop clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_ns = 5_000

    def wall_ns(self) -> int:
        return 1_700_000_000_123_456_789

    def monotonic_ns(self) -> int:
        return self.now_ns

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        raise AssertionError("nothing is watched here")


class CountingRandomness:
    def random_bytes(self, count: int) -> bytes:
        return bytes(index % 256 for index in range(1, count + 1))

    def insecure_bytes(self, count: int) -> bytes:
        return bytes(200 + index % 50 for index in range(count))


class Switch(Pollable):
    """Ready when it is switched on."""

    def __init__(self) -> None:
        self.on = False

    def ready(self) -> bool:
        return self.on

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        raise AssertionError("nothing is watched here")


class Pipe(InputStream, OutputStream):
    """A stream of `room` bytes at most, that is closed or fails when told to."""

    def __init__(self, room: int = 8, data: bytes = b"") -> None:
        self.data, self.size = bytearray(data), room
        self.end: StreamEnd | None = None
        self.readable, self.writable, self.empty = Switch(), Switch(), Switch()

    def pollable(self, count: int = 1) -> Pollable:
        if self.end is not None:
            return READY
        self.readable.on, self.writable.on = bool(self.data), self.size - len(self.data) >= count
        return self.readable if count == 1 and not self.writable.on else self.writable

    def flushed(self) -> Pollable:
        return self.empty

    def read(self, limit: int) -> bytes:
        taken, self.data = bytes(self.data[:limit]), self.data[limit:]
        if not taken and self.end is not None:
            raise self.end
        return taken

    def room(self) -> int:
        if self.end is not None:
            raise self.end
        return self.size - len(self.data)

    def write(self, data: bytes) -> None:
        assert len(data) <= self.room()
        self.data += data


@pytest.fixture
def output() -> BoundedOutput:
    return BoundedOutput(100)


@pytest.fixture
def guest(output: BoundedOutput) -> ActivityGuest:
    environment = WasiEnvironment(variables=(("A", "1"), ("B", "")), arguments=("prog", "x"))
    return ActivityGuest(None, StillClock(), randomness=CountingRandomness(), output=output, environment=environment)


def call(guest: ActivityGuest, name: str, *args: object) -> Any:
    interface, _, function = name.partition(".")
    return WITHOUT_HTTP[f"wasi:{interface}"][function].handler(guest, list(args))


def data(text: bytes) -> str:
    return base64.b64encode(text).decode()


def stream(guest: ActivityGuest, name: str, rep: int, *args: object) -> Any:
    return call(guest, f"io/streams.[method]{name}", rep, *args)


def test_what_a_guest_finds_around_it(guest: ActivityGuest) -> None:
    assert call(guest, "cli/environment.get-environment") == [["A", "1"], ["B", ""]]
    assert call(guest, "cli/environment.get-arguments") == ["prog", "x"]
    assert call(guest, "cli/environment.initial-cwd") is None
    for stream_name in ("stdin", "stdout", "stderr"):
        assert call(guest, f"cli/terminal-{stream_name}.get-terminal-{stream_name}") is None


@pytest.mark.parametrize(
    ("name", "argument", "status"),
    [("exit", {"ok": None}, 0), ("exit", {"err": None}, 1), ("exit-with-code", 200, 200)],
)
def test_exits(guest: ActivityGuest, name: str, argument: object, status: int) -> None:
    with pytest.raises(GuestExit) as caught:
        call(guest, f"cli/exit.{name}", argument)
    assert caught.value.status == status


def test_clocks(guest: ActivityGuest) -> None:
    assert call(guest, "clocks/monotonic-clock.now") == 5_000
    assert call(guest, "clocks/monotonic-clock.resolution") == 1
    assert call(guest, "clocks/wall-clock.now") == {"seconds": 1_700_000_000, "nanoseconds": 123_456_789}
    assert call(guest, "clocks/wall-clock.resolution") == {"seconds": 0, "nanoseconds": 1}
    assert call(guest, "clocks/timezone.utc-offset", {"seconds": 0, "nanoseconds": 0}) == 0
    assert call(guest, "clocks/timezone.display", {"seconds": 0, "nanoseconds": 0})["name"] == "UTC"


@pytest.mark.parametrize(("name", "argument"), [("subscribe-instant", 7_000), ("subscribe-duration", 2_000)])
def test_instants(guest: ActivityGuest, name: str, argument: int) -> None:
    rep = call(guest, f"clocks/monotonic-clock.{name}", argument)
    assert call(guest, "io/poll.[method]pollable.ready", rep) is False
    assert call(guest, "io/poll.[method]pollable.block", rep) is PENDING
    assert guest.take_answer() is PENDING
    assert isinstance(guest.clock, StillClock)
    guest.clock.now_ns = 7_000
    assert guest.take_answer() is None
    assert call(guest, "io/poll.[method]pollable.ready", rep) is True
    assert call(guest, "io/poll.[method]pollable.block", rep) is None


def test_the_longest_duration_does_not_overflow(guest: ActivityGuest) -> None:
    rep = call(guest, "clocks/monotonic-clock.subscribe-duration", (1 << 64) - 1)
    assert call(guest, "io/poll.[method]pollable.ready", rep) is False


def test_poll_tells_all_that_are_ready(guest: ActivityGuest) -> None:
    switches = [Switch() for _ in range(3)]
    reps = [guest.table.add(switch) for switch in switches]
    assert call(guest, "io/poll.poll", reps) is PENDING
    switches[2].on = switches[0].on = True
    assert guest.take_answer() == [0, 2]
    assert guest.take_answer() is PENDING
    assert call(guest, "io/poll.poll", [reps[2], reps[1], reps[2]]) == [0, 2]
    with pytest.raises(GuestTrap, match="empty"):
        call(guest, "io/poll.poll", [])


@pytest.mark.parametrize(
    ("name", "first"), [("random/random.get-random", 1), ("random/insecure.get-insecure-random", 200)]
)
def test_randomness(guest: ActivityGuest, name: str, first: int) -> None:
    assert call(guest, f"{name}-bytes", 3) == data(bytes(range(first, first + 3)))
    assert call(guest, f"{name}-bytes", 0) == ""
    assert call(guest, f"{name}-u64") == int.from_bytes(bytes(range(first, first + 8)), "little")
    assert len(base64.b64decode(call(guest, f"{name}-bytes", 1 << 20))) == 1 << 20
    with pytest.raises(GuestTrap, match="1048576 are allowed"):
        call(guest, f"{name}-bytes", (1 << 20) + 1)


def test_the_seed_of_hash_tables_may_be_foreseen(guest: ActivityGuest) -> None:
    assert call(guest, "random/insecure-seed.insecure-seed") == [0xCFCECDCCCBCAC9C8, 0xD7D6D5D4D3D2D1D0]


def test_standard_input_is_at_its_end(guest: ActivityGuest) -> None:
    rep = call(guest, "cli/stdin.get-stdin")
    for name in ("read", "blocking-read", "skip", "blocking-skip"):
        assert stream(guest, f"input-stream.{name}", rep, 10) == {"err": "closed"}
    assert call(guest, "io/poll.[method]pollable.ready", stream(guest, "input-stream.subscribe", rep)) is True


def test_standard_output_goes_to_the_sink(guest: ActivityGuest, output: BoundedOutput) -> None:
    out, error = call(guest, "cli/stdout.get-stdout"), call(guest, "cli/stderr.get-stderr")
    assert stream(guest, "output-stream.check-write", out) == {"ok": CHUNK}
    assert stream(guest, "output-stream.write", out, data(b"a")) == {"ok": None}
    assert stream(guest, "output-stream.blocking-write-and-flush", out, data(b"b" * 4096)) == {"ok": None}
    assert stream(guest, "output-stream.write-zeroes", error, 2) == {"ok": None}
    assert stream(guest, "output-stream.blocking-write-zeroes-and-flush", error, 3) == {"ok": None}
    assert stream(guest, "output-stream.flush", out) == {"ok": None}
    assert stream(guest, "output-stream.blocking-flush", out) == {"ok": None}
    assert call(guest, "io/poll.[method]pollable.ready", stream(guest, "output-stream.subscribe", out)) is True
    assert (bytes(output.stdout), bytes(output.stderr), output.truncated) == (b"a" + b"b" * 99, bytes(5), True)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("write", data(bytes(CHUNK + 1))),
        ("write-zeroes", CHUNK + 1),
        ("write-zeroes", (1 << 64) - 1),
        ("blocking-write-and-flush", data(bytes(4097))),
        ("blocking-write-zeroes-and-flush", 4097),
    ],
)
def test_writing_more_than_is_allowed_traps(guest: ActivityGuest, name: str, argument: object) -> None:
    out = call(guest, "cli/stdout.get-stdout")
    with pytest.raises(GuestTrap, match=r"a (blocking )?write of"):
        stream(guest, f"output-stream.{name}", out, argument)


def test_reading(guest: ActivityGuest) -> None:
    pipe = Pipe(data=b"abcdefgh")
    rep = guest.table.add(pipe)
    assert stream(guest, "input-stream.read", rep, 3) == {"ok": data(b"abc")}
    assert stream(guest, "input-stream.skip", rep, 2) == {"ok": 2}
    assert stream(guest, "input-stream.blocking-read", rep, (1 << 64) - 1) == {"ok": data(b"fgh")}
    assert stream(guest, "input-stream.read", rep, 1) == {"ok": ""}
    assert stream(guest, "input-stream.blocking-read", rep, 0) == {"ok": ""}
    pipe.size = 0
    assert stream(guest, "input-stream.blocking-skip", rep, 4) is PENDING
    pipe.data += b"i"
    pipe.readable.on = True
    assert guest.take_answer() == {"ok": 1}


def test_a_stream_that_fails_says_why(guest: ActivityGuest) -> None:
    pipe = Pipe(data=b"a")
    rep = guest.table.add(pipe)
    pipe.end = StreamEnd(StreamError("the line is cut"))
    assert stream(guest, "input-stream.read", rep, 9) == {"ok": data(b"a")}
    failed = stream(guest, "input-stream.read", rep, 9)
    error = failed["err"]["last_operation_failed"]
    assert call(guest, "io/error.[method]error.to-debug-string", error) == "the line is cut"
    for name in ("check-write", "flush", "blocking-flush"):
        pipe.empty.on = True
        assert "last_operation_failed" in stream(guest, f"output-stream.{name}", rep)["err"]
    pipe.end = StreamEnd()
    assert stream(guest, "output-stream.write", rep, data(b"x")) == {"err": "closed"}


def test_a_blocking_write_waits_for_room_and_for_the_flush(guest: ActivityGuest) -> None:
    pipe = Pipe(room=4, data=b"abc")
    rep = guest.table.add(pipe)
    assert stream(guest, "output-stream.blocking-write-and-flush", rep, data(b"xyz")) is PENDING
    pipe.data.clear()
    pipe.writable.on = True
    assert guest.take_answer() is PENDING
    assert pipe.data == b"xyz"
    pipe.empty.on = True
    assert guest.take_answer() == {"ok": None}


def test_splicing(guest: ActivityGuest) -> None:
    source, sink = Pipe(data=b"abcdef"), Pipe(room=4)
    left, right = guest.table.add(source), guest.table.add(sink)
    assert stream(guest, "output-stream.splice", right, left, 3) == {"ok": 3}
    assert stream(guest, "output-stream.blocking-splice", right, left, 9) == {"ok": 1}
    assert (bytes(sink.data), bytes(source.data)) == (b"abcd", b"ef")
    assert stream(guest, "output-stream.splice", right, left, 9) == {"ok": 0}
    assert stream(guest, "output-stream.blocking-splice", right, left, 0) == {"ok": 0}
    sink.end = StreamEnd()
    assert stream(guest, "output-stream.splice", right, left, 1) == {"err": "closed"}


def test_a_handle_of_another_kind_traps(guest: ActivityGuest) -> None:
    rep = guest.table.add(READY)
    for name, args in [("input-stream.read", [1]), ("output-stream.check-write", [])]:
        with pytest.raises(GuestTrap, match=f"handle {rep} is of no"):
            stream(guest, name, rep, *args)
    with pytest.raises(GuestTrap, match="handle 999 is of no"):
        call(guest, "io/poll.[method]pollable.block", 999)
