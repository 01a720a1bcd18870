"""Why a guest stopped: wasmtime's errors, told apart by their text since the C API gives no code for components.

OUT_OF_MEMORY means that a component could not be instantiated within its limits, or holds too many handles, NO_ROOM
that the system refused what it needs; a guest whose memory cannot grow any more decides itself what to do, and usually
traps.
"""

from __future__ import annotations

import re
from typing import Final

from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.ports.guest import Trapped, TrapReason

_TEXTS: Final = (
    ("call stack exhausted", TrapReason.STACK_OVERFLOW),
    ("all fuel consumed", TrapReason.OUT_OF_FUEL),
    ("exceeds memory limit", TrapReason.OUT_OF_MEMORY),
    ("exceeds table limit", TrapReason.OUT_OF_MEMORY),
    ("resource limit exceeded", TrapReason.OUT_OF_MEMORY),
    ("memory allocation failed", TrapReason.OUT_OF_MEMORY),
    ("cannot allocate another handle", TrapReason.OUT_OF_MEMORY),
    ("Cannot allocate memory", TrapReason.NO_ROOM),  # the system to wasmtime: a guest's own limits have other words
    ("too much data is being copied", TrapReason.TOO_LARGE),
)
_FRAME: Final = re.compile(r"^\s+\d+:\s+(?:0x[0-9a-f]+ - )?(.*)$")
_CAUSE: Final = re.compile(r"^\s+(?:\d+: )?(.*)$")


def classify(error: int, *, instantiating: bool) -> Trapped:
    """What a `wasmtime_error_t` (freed here; 0 for none) means."""
    if not error:
        return Trapped(TrapReason.TRAPPED, "", "")
    status = native.error_exit_status(error)
    message, backtrace = split(native.take_error(error))
    if status is not None:
        return Trapped(TrapReason.EXITED, f"the guest exited with status {status}", backtrace)
    if instantiating:
        message = f"the component could not be instantiated: {message}"
    reason = next((reason for text, reason in _TEXTS if text in message), TrapReason.TRAPPED)
    return Trapped(reason, message, backtrace)


def split(text: str) -> tuple[str, str]:
    """The root causes on one line, and the guest's frames, of an error's text."""
    head, _, causes = text.partition("\n\nCaused by:\n")
    lines = head.splitlines()
    frames = [match[1] for line in lines if (match := _FRAME.match(line))]
    reasons = [match[1] for line in causes.splitlines() if line.strip() and (match := _CAUSE.match(line))]
    if not reasons or not frames:
        reasons = [line for line in lines if not _FRAME.match(line)] + reasons
    return ": ".join(reason.strip() for reason in reasons if reason.strip()), "\n".join(frames)
