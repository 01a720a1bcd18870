"""Reading wasmtime's error texts."""

from __future__ import annotations

import pytest

from obelisk.runtime.host.output import Capture
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.host.wasmtime.traps import classify, split
from obelisk.runtime.ports.guest import Trapped, TrapReason

TRAP = """error while executing at wasm backtrace:
    0:    0x1e6 - m!f
    1: 0xaac668 - libc.so!exit_exit

Caused by:
    wasm trap: wasm `unreachable` instruction executed"""
LINKING = """component imports instance `a:b/c`, but a matching implementation was not found in the linker

Caused by:
    0: instance export `f` has the wrong type
    1: function implementation is missing"""


def test_a_backtrace_and_its_cause_are_split() -> None:
    assert split(TRAP) == ("wasm trap: wasm `unreachable` instruction executed", "m!f\nlibc.so!exit_exit")


def test_other_errors_keep_all_their_lines() -> None:
    message, backtrace = split(LINKING)
    assert backtrace == ""
    assert message.startswith("component imports instance `a:b/c`")
    assert message.endswith("instance export `f` has the wrong type: function implementation is missing")
    assert split("plain") == ("plain", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("wasm trap: call stack exhausted", TrapReason.STACK_OVERFLOW),
        ("wasm trap: all fuel consumed by WebAssembly", TrapReason.OUT_OF_FUEL),
        ("memory minimum size of 17 pages exceeds memory limits", TrapReason.OUT_OF_MEMORY),
        ("anything else", TrapReason.TRAPPED),
    ],
)
def test_reasons_are_told_by_text(text: str, reason: TrapReason) -> None:
    assert classify(native.error_new(text.encode()), instantiating=False) == Trapped(reason, text, "")
    trapped = classify(native.error_new(text.encode()), instantiating=True)
    assert trapped == Trapped(reason, f"the component could not be instantiated: {text}", "")


def test_output_beyond_the_limit_is_dropped() -> None:
    capture = Capture(10)
    capture.write(b"123456", to_stderr=False)
    capture.write(b"7890", to_stderr=False)
    assert not capture.truncated
    capture.write(b"x", to_stderr=True)
    capture.write(b"1", to_stderr=False)
    assert capture.truncated
    assert (bytes(capture.stdout), bytes(capture.stderr)) == (b"1234567890", b"x")
