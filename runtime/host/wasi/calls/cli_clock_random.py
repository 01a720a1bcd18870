"""The calls of `wasi:cli`, `wasi:clocks` and `wasi:random`.

Standard input is at its end, there is no terminal and no working directory. The time zone is UTC.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from obelisk.runtime.host.wasi.calls.call import Call, Calls
from obelisk.runtime.host.wasi.guests import GuestExit, WasiGuest
from obelisk.runtime.host.wasi.io.streams import ClosedInput, SinkOutput
from obelisk.runtime.ports.guest import GuestTrap, JsonValue

MAX_RANDOM: Final = 1 << 20
"""The most random bytes that one call gives."""
_SECOND: Final = 1_000_000_000
_LAST_INSTANT: Final = (1 << 64) - 1


# --- cli ------------------------------------------------------------------------------------------------------------
def _environment(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return [[name, value] for name, value in guest.environment.variables]


def _arguments(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return list(guest.environment.arguments)


def _none(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return None


def _exit(guest: WasiGuest, args: list[Any]) -> JsonValue:
    raise GuestExit(0 if "ok" in args[0] else 1)


def _exit_with_code(guest: WasiGuest, args: list[Any]) -> JsonValue:
    raise GuestExit(args[0])


def _stdin(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(ClosedInput())


def _stdout(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(SinkOutput(guest.output, to_stderr=False))


def _stderr(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(SinkOutput(guest.output, to_stderr=True))


# --- clocks ---------------------------------------------------------------------------------------------------------
def _now(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.clock.monotonic_ns()


def _resolution(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return 1


def _wall_now(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return _datetime(guest.clock.wall_ns())


def _wall_resolution(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return _datetime(1)


def _datetime(instant_ns: int) -> JsonValue:
    seconds, nanoseconds = divmod(instant_ns, _SECOND)
    return {"seconds": seconds, "nanoseconds": nanoseconds}


def _subscribe_instant(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.deadline(args[0]))


def _subscribe_duration(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.deadline(min(guest.clock.monotonic_ns() + args[0], _LAST_INSTANT)))


def _zone(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return {"utc_offset": 0, "name": "UTC", "in_daylight_saving_time": False}


def _utc_offset(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return 0


# --- random ---------------------------------------------------------------------------------------------------------
def _encoded(count: int, source: Callable[[int], bytes]) -> JsonValue:
    if count > MAX_RANDOM:
        raise GuestTrap(f"{count} random bytes in one call: {MAX_RANDOM} are allowed")
    return base64.b64encode(source(count)).decode()


def _random_bytes(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return _encoded(args[0], guest.randomness.random_bytes)


def _random_u64(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return int.from_bytes(guest.randomness.random_bytes(8), "little")


def _insecure_bytes(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return _encoded(args[0], guest.randomness.insecure_bytes)


def _insecure_u64(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return int.from_bytes(guest.randomness.insecure_bytes(8), "little")


def _seed(guest: WasiGuest, args: list[Any]) -> JsonValue:
    seed = guest.randomness.insecure_bytes(16)
    return [int.from_bytes(seed[:8], "little"), int.from_bytes(seed[8:], "little")]


WORLD_CALLS: Final[Calls] = {
    "wasi:cli/environment": {
        "get-environment": Call("() -> list<tuple<string, string>>", _environment),
        "get-arguments": Call("() -> list<string>", _arguments),
        "initial-cwd": Call("() -> option<string>", _none),
    },
    "wasi:cli/exit": {
        "exit": Call("(result)", _exit),
        "exit-with-code": Call("(u8)", _exit_with_code),
    },
    "wasi:cli/stdin": {"get-stdin": Call("() -> input-stream", _stdin)},
    "wasi:cli/stdout": {"get-stdout": Call("() -> output-stream", _stdout)},
    "wasi:cli/stderr": {"get-stderr": Call("() -> output-stream", _stderr)},
    "wasi:cli/terminal-input": {},
    "wasi:cli/terminal-output": {},
    "wasi:cli/terminal-stdin": {"get-terminal-stdin": Call("() -> option<terminal-input>", _none)},
    "wasi:cli/terminal-stdout": {"get-terminal-stdout": Call("() -> option<terminal-output>", _none)},
    "wasi:cli/terminal-stderr": {"get-terminal-stderr": Call("() -> option<terminal-output>", _none)},
    "wasi:clocks/monotonic-clock": {
        "now": Call("() -> u64", _now),
        "resolution": Call("() -> u64", _resolution),
        "subscribe-instant": Call("(u64) -> pollable", _subscribe_instant),
        "subscribe-duration": Call("(u64) -> pollable", _subscribe_duration),
    },
    "wasi:clocks/wall-clock": {
        "now": Call("() -> datetime", _wall_now),
        "resolution": Call("() -> datetime", _wall_resolution),
    },
    "wasi:clocks/timezone": {
        "display": Call("(datetime) -> timezone-display", _zone),
        "utc-offset": Call("(datetime) -> s32", _utc_offset),
    },
    "wasi:random/random": {
        "get-random-bytes": Call("(u64) -> list<u8>", _random_bytes),
        "get-random-u64": Call("() -> u64", _random_u64),
    },
    "wasi:random/insecure": {
        "get-insecure-random-bytes": Call("(u64) -> list<u8>", _insecure_bytes),
        "get-insecure-random-u64": Call("() -> u64", _insecure_u64),
    },
    "wasi:random/insecure-seed": {"insecure-seed": Call("() -> tuple<u64, u64>", _seed)},
}
"""What this module offers."""
