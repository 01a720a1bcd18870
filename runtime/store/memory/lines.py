"""What guests say, in memory: the reference for `lines.LineStore`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from obelisk.runtime.log.lines import Line, Lines, NumberedLine, Said, kept_after_trim
from obelisk.runtime.ports.slices import sliced


@dataclass(slots=True, kw_only=True)
class Output:
    """What one execution said; `next` is the number of its next line."""

    next: int = 0
    dropped: int = 0
    place: int = -1
    kept: list[NumberedLine] = field(default_factory=list[NumberedLine])

    def add(self, said: Said, keep_bytes: int) -> None:
        """See `LineStore.add_lines`."""
        for line in said.lines:
            if line.place is not None:
                if line.place <= self.place:
                    continue
                self.place = line.place
            shown = Line(run=line.run, at_us=line.at_us, source=line.source, level=line.level, text=line.text)
            self.kept.append(NumberedLine(number=self.next, line=shown))
            self.next += 1
        self.dropped += said.lost
        size = sum(item.line.size for item in self.kept)
        if size > keep_bytes:
            gone = 0
            while size > kept_after_trim(keep_bytes):
                size -= self.kept[gone].line.size
                gone += 1
            del self.kept[:gone]
            self.dropped += gone


class MemoryLines:
    """Outputs by execution; `known` is asked which executions there are."""

    def __init__(self) -> None:
        self._all: dict[str, Output] = {}

    def forget(self, execution_id: str) -> None:
        """The execution is deleted."""
        self._all.pop(execution_id, None)

    def add(self, said: Sequence[Said], known: Sequence[str], keep_bytes: int) -> None:
        """See `LineStore.add_lines`; `known` are those of its executions that exist."""
        for one in said:
            if one.execution_id in known:
                self._all.setdefault(one.execution_id, Output()).add(one, keep_bytes)

    def page(self, execution_id: str, from_number: int, limit: int, level: int) -> Lines:
        """See `LineStore.lines`."""
        output = self._all.get(execution_id)
        if output is None:
            return Lines()
        found = (item for item in output.kept if item.number >= from_number and item.line.level >= level)
        part = sliced(found, limit, lambda line: line.line.size, lambda line: line)
        return Lines(items=part.items, dropped=output.dropped, has_more=part.has_more)
