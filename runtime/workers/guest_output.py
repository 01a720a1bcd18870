"""What one run says: its messages and its standard streams, made into lines, counted and handed on.

One per run, made when the guest first says something. A guest that says more than it may traps; what it said until then
is kept. A workflow says everything again when it is replayed: that counts, so that it ends at the same place, but is
not handed on, and ends nothing: if it is more than the limit, that was higher, and what is new is counted anew. Used by
one thread at a time.
"""

from __future__ import annotations

from typing import Final, Protocol

from obelisk.runtime.log.lines import LEVEL_OF_STREAM, LOG, STDERR, STDOUT, Line
from obelisk.runtime.ports.guest import GuestTrap, Trapped
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.failures import shorten
from obelisk.runtime.workers.tracebacks import MAX_SAID, explained

MAX_LINE: Final = 8_192
"""Bytes of a line of a stream; a longer one is cut into several."""
_LINES_OF_ONE_PLACE: Final = 1 << 20


class Replayed(Protocol):
    """A workflow, as far as its lines are concerned."""

    @property
    def is_replaying(self) -> bool:
        """Whether recorded history is left: what is said now was said before."""
        ...

    @property
    def asked(self) -> int:
        """How many host calls it has made: the same at the same place of each of its runs."""
        ...


class GuestOutput:
    """See the module's text; a WASI `Output`, too. `replayed` None: nothing is ever said twice."""

    def __init__(
        self, execution_id: str, run: str, context: RunContext, *, limit: int, replayed: Replayed | None = None
    ) -> None:
        self._execution_id, self._run, self._context = execution_id, run, context
        self._limit, self._left = limit, limit
        self._replayed = replayed
        self._place, self._lines_there = -1, 0
        self._partial = {STDOUT: bytearray(), STDERR: bytearray()}
        self._errors = b""

    def message(self, level: int, text: str) -> None:
        """Through `obelisk:log`. GuestTrap beyond the limit."""
        self._count(len(text) if text.isascii() else len(text.encode()))
        self._say(LOG, level, shorten(text))

    def write(self, data: bytes, *, to_stderr: bool) -> None:
        """To a standard stream; whole lines are handed on. GuestTrap beyond the limit."""
        source = STDERR if to_stderr else STDOUT
        partial = self._partial[source]
        partial += data[: self._left]
        if to_stderr:
            self._errors = (self._errors + data[: self._left])[-MAX_SAID:]
        if b"\n" in data or len(partial) > MAX_LINE:
            *whole, rest = bytes(partial).split(b"\n")
            for line in whole:
                self._say_pieces(source, line, all_of_it=True)
            self._partial[source] = bytearray(self._say_pieces(source, rest, all_of_it=False))
        self._count(len(data))

    def explained(self, end: Trapped) -> Trapped:
        """The end of the guest, with what it said of it."""
        return explained(end, self._errors.decode(errors="replace")) if self._errors else end

    def close(self) -> None:
        """The guest has ended. That of a workflow may begin anew in another run: what has no end of line waits."""
        if self._replayed is None:
            self.end()

    def end(self) -> None:
        """The run is over for good: hand on what was written without a line's end."""
        for source, partial in self._partial.items():
            if partial:
                self._say_pieces(source, bytes(partial), all_of_it=True)
                partial.clear()

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            if self._replayed is not None and self._replayed.is_replaying:
                self._left = self._limit
                return
            self._left = 0
            raise GuestTrap(f"output limit: the guest said more than {self._limit} bytes in one attempt")

    def _say_pieces(self, source: int, line: bytes, *, all_of_it: bool) -> bytes:
        """Say a line that may be too long; what is left of it when not `all_of_it`."""
        level = LEVEL_OF_STREAM[source]
        while len(line) > MAX_LINE:
            self._say(source, level, line[:MAX_LINE].decode(errors="replace"))
            line = line[MAX_LINE:]
        if all_of_it:
            self._say(source, level, line.decode(errors="replace").removesuffix("\r"))
        return line

    def _say(self, source: int, level: int, text: str) -> None:
        place = None
        if self._replayed is not None:
            place = self._next_place(self._replayed.asked)
            if self._replayed.is_replaying:
                return
        line = Line(run=self._run, at_us=self._context.now_us(), source=source, level=level, text=text, place=place)
        self._context.guest_line(self._execution_id, line)

    def _next_place(self, place: int) -> int:
        self._lines_there = self._lines_there + 1 if place == self._place else 0
        self._place = place
        return place * _LINES_OF_ONE_PLACE + self._lines_there
