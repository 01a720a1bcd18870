"""What a guest said of its end: the traceback that Python writes for an exception that nothing caught. Pure.

The exception itself ends as a trap of the guest's runtime, which says nothing of it. The traceback is the end of what
the guest wrote to its standard error stream; it is a stranger's text, so it is bounded and only ever shown.
"""

from __future__ import annotations

import re
from typing import Final

from obelisk.runtime.ports.guest import Trapped, TrapReason

MAX_SAID: Final = 16_384
"""Bytes of a guest's standard error that are looked at, the last."""
_HEAD: Final = "Traceback (most recent call last):\n"
_CHAINS: Final = (
    "\nDuring handling of the above exception, another exception occurred:\n\n",
    "\nThe above exception was the direct cause of the following exception:\n\n",
)
_FRAME: Final = re.compile(r'^  File "([^"\n]*)", line (\d+), in ([^\n]*)$', re.MULTILINE)
_PANIC: Final = re.compile(r"^\n?thread '[^'\n]*'[^\n]* panicked at ", re.MULTILINE)
_HANDED: Final = re.compile(r" value: PyErr \{ type: <class '([\w.]+)'>, value: \w+\((.*)\), traceback: None \}\Z")
_HANDED_END: Final = "), traceback: None }"
"""How componentize-py tells that a value cannot be handed over: a line with this end, which is looked at first, so that
a line of many beginnings takes no more time than its length."""
_SOURCES: Final = "/0/"
"""Where componentize-py puts the folder of a component's sources."""


def explained(trap: Trapped, said: str) -> Trapped:
    """The trap with the exception as its message and the traceback in its detail, if `said` ends with one."""
    if trap.reason not in (TrapReason.TRAPPED, TrapReason.EXITED):
        return trap
    lines = (line for line in said.split("\n") if line.endswith(_HANDED_END))
    handed = next(filter(None, map(_HANDED.search, lines)), None)
    if handed:
        what = f"{handed[1]}: {handed[2][1:-1]}"
        message = f"{what}: a value that is returned, or passed to an imported function, is not what the WIT says"
        return Trapped(trap.reason, message, f"{said.strip()}\n\n{trap.message}\n{trap.backtrace}".rstrip())
    text = _traceback(said)
    if not text:
        return trap
    frames = _FRAME.findall(text[text.rindex(_HEAD) :])
    own = [frame for frame in frames if frame[0].startswith(_SOURCES)] or frames
    error = _error(text)
    if not error:
        return trap
    place = f" ({own[-1][0].removeprefix(_SOURCES)}:{own[-1][1]}, in {own[-1][2]})" if own else ""
    shown = text.rstrip("\n").replace(f'  File "{_SOURCES}', '  File "')
    detail = f"{shown}\n\n{trap.message}\n{trap.backtrace}".rstrip()
    return Trapped(trap.reason, f"{error}{place}", detail)


def _traceback(said: str) -> str:
    """The last traceback, with those of the exceptions that led to its own; empty when there is none."""
    start = said.rfind(_HEAD)
    if start < 0 or (start > 0 and said[start - 1] != "\n"):
        return ""
    while said.endswith(_CHAINS, 0, start):
        before = said.rfind(_HEAD, 0, start)
        if before < 0:
            break
        start = before
    text = said[start:]
    panic = _PANIC.search(text)
    return text[: panic.start() if panic else len(text)]


def _error(text: str) -> str:
    """The first line of the exception itself: the first after the frames that is not indented."""
    lines = text[text.rindex(_HEAD) + len(_HEAD) :].splitlines()
    return next((line for line in lines if line and not line.startswith(" ")), "")
