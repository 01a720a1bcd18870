"""Room for guests in this process: `vm.max_map_count` bounds memory maps, `ulimit -v` or 47 bits the address space.

A process that runs out of either cannot even allocate memory for itself, and ends. So some of both is kept back, and a
guest that would need that is refused. Counting maps takes a microsecond for each of them. So most starts only compare
how many guests live with how many surely fit. One look at the size of the address space lets in `_STEP` guests at most,
for `_FRESH_S`. Maps are counted once in that time at most, and for a hundredth of the time. Between two counts, what
guests took is found from their number and from the growth of the address space.

What is promised: no guest is let in that could end the process, as long as all else in it takes at most
`OTHERS_MAPS_PER_S`. What is kept back, 4,096 maps of 65,530, covers the errors of the bookkeeping:

- The guests let in by one look may have the most memories that a guest may have, 36 maps each, not the 8 that are
  reckoned with: 64 * 28 = 1,792 maps.
- Guests that ended may have given back fewer maps than those that began instead take, by 2 as a rule. Near the end of
  the maps, they are counted again after 256 starts: 512 maps.
- Others may take maps unseen until the next count. Counting 65,530 maps takes 66 ms, and 6.6 s later, at the next look,
  they are counted again: 1,520 maps at that rate.

Where there may be more maps, or fewer down to 8,192, the shares are larger or smaller with them. What others take when
no guest is let in any more is not bounded here: `look` says then that guests should end.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import resource
import threading
import time
from collections.abc import Callable, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from obelisk.runtime.errors import NoRoom
from obelisk.runtime.host.wasmtime.contexts import guests

_log = logging.getLogger(__name__)
OTHERS_MAPS_PER_S: Final = 200
"""Maps that all but guests may take each second: see the module's text."""
_STEP: Final = 64
"""So many guests are let in before the address space is looked at again, whether others ended meanwhile or not, or a
64th of the maps that are kept back, if that is less."""
_FRESH_S: Final = 1.0
"""So long guests are let in before the address space is looked at again."""
_GUEST_MAPS: Final = 4
"""Maps that a guest may take beyond those of its memories: the stack and its guard page, tables, what it allocates."""
_MEMORY_MAPS: Final = 4
"""Maps that a memory may take."""
_MEMORY_BYTES: Final = 4 << 30
"""Address space that a memory takes at least."""
_GUEST_BYTES: Final = (4 << 30) + (128 << 20)
"""Address space of a guest that has one memory."""
_OTHER_MAPS: Final = 2
"""Maps by which guests without a memory of their own differ: those in the pool's slots and others."""
_FEW_MAPS: Final = 512
"""Maps are counted anew after a 16th as many starts as maps are kept back, if so few may be left."""
_GIVEN_BACK: Final = 4
"""Maps that go with a guest at least, as a rule."""
_KEPT_MAPS: Final = 4096
"""Maps kept back, for `_STEP` guests of many memories, threads and the allocator; a sixteenth of what there may be if
that is more, an eighth if that is less."""
_KEPT_BYTES: Final = 512 << 20
"""Address space kept back, or a sixteenth of what there may be if that is more."""
_REST: Final = 100
"""Counting maps is followed by so many times its duration without, or `_FRESH_S` if that is longer."""
_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0
_WARN_EVERY_S: Final = 60.0


class Measures(Protocol):
    """What the system says about this process."""

    def maps(self) -> int:
        """How many memory maps there are; takes up to tens of milliseconds."""
        ...

    def most_maps(self) -> int:
        """How many there may be."""
        ...

    def address_bytes(self) -> int:
        """How much address space is taken; takes microseconds."""
        ...

    def most_address_bytes(self) -> int:
        """How much may be."""
        ...


class SystemMeasures:
    """From Linux's `/proc`; where there is none, nothing is ever scarce."""

    def maps(self) -> int:
        """See `Measures`."""
        with contextlib.suppress(OSError), open("/proc/self/maps", "rb", buffering=0) as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 16), b""))
        return 0

    def most_maps(self) -> int:
        """See `Measures`."""
        return self._most_maps

    def address_bytes(self) -> int:
        """See `Measures`."""
        with contextlib.suppress(OSError), open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read(32).split()[0]) * resource.getpagesize()
        return 0

    def most_address_bytes(self) -> int:
        """See `Measures`: what the machine's pointers reach, or `ulimit -v` if that is less."""
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        return self._reach if limit == resource.RLIM_INFINITY else min(limit, self._reach)

    @cached_property
    def _most_maps(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int(Path("/proc/sys/vm/max_map_count").read_text())
        return 1 << 62

    @cached_property
    def _reach(self) -> int:
        """The stack of the main thread lies at the end of it."""
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/maps").read_text().splitlines():
                if line.endswith("[stack]"):
                    return 1 << int(line.partition("-")[0], 16).bit_length()
        return 1 << 47


@dataclass(frozen=True, slots=True)
class _Seen:
    """Maps that were counted, while so many guests lived, of so many that were to start, and so much address space was
    taken."""

    maps: int
    starts: int
    guests: int
    address_bytes: int


class Room:
    """How many guests fit into this process. Safe from any thread.

    `live` are the guests that have not ended; `now_s` is a clock that never goes back.
    """

    def __init__(self, live: Sized, measures: Measures, now_s: Callable[[], float] = time.monotonic) -> None:
        self.measures = measures
        self._live, self._now_s = live, now_s
        self._most = 0
        """So many guests surely fit; whether more do, `require` finds."""
        self._starts, self._until, self._until_s = itertools.count(), 0, -1e9
        """Guests that were to start, and at which of them, or when, the next look is due: those that ended meanwhile
        may have given back less."""
        self._bound = 1 << 62
        self._cap = 0
        self._seen: _Seen | None = None
        self._count_at_s = self._capped_until_s = self._refused_at_s = self._warn_at_s = -1e9
        self._pause_s = _FIRST_PAUSE_S
        self._scarce = ""
        self._lock = threading.Lock()

    def fits(self) -> bool:
        """Whether another guest does."""
        return len(self._live) < self._most or self._look()

    def fits_instead(self) -> bool:
        """Whether another guest fits once one has ended."""
        return self._bound > 0

    def is_over(self) -> bool:
        """Whether there are more guests than fit, as far as is known: some should go."""
        return len(self._live) > self._bound

    def require(self) -> None:
        """NoRoom unless another guest fits. To be called once for each guest, right before it is made."""
        is_due = next(self._starts) >= self._until or self._now_s() >= self._until_s
        if (is_due or len(self._live) >= self._most) and not self._look():
            raise self.refusal()

    def refusal(self, *, begun: bool = False) -> NoRoom:
        """The error for a guest that does not fit; `begun`: it was found when it ran."""
        message = f"this process has no room for another guest: it has {len(self._live)}: {self._scarce}"
        return NoRoom(message, begun=begun)

    def look(self) -> bool:
        """Find anew how many fit, and whether some should end; to be called every second or so, on any thread."""
        with self._lock:
            self._find()
        return self.is_over()

    def refused(self, why: str) -> None:
        """The system refused what a guest needs, and that guest is gone: let in no more than there are, for a while."""
        with self._lock:
            now_s = self._now_s()
            again = now_s - self._refused_at_s < 2 * self._pause_s
            self._pause_s = min(2 * self._pause_s, _LAST_PAUSE_S) if again else _FIRST_PAUSE_S
            self._refused_at_s, self._capped_until_s = now_s, now_s + self._pause_s
            self._most = self._bound = self._cap = len(self._live)
            self._scarce = why
            self._warn()

    def maps_left(self) -> int:
        """How many maps may still be made. They are counted."""
        with self._lock:
            return self._count() - self._kept_maps

    # --- inside, with the lock ---------------------------------------------------------------------------------------
    def _look(self) -> bool:
        with self._lock:
            self._find()
            return len(self._live) < self._most

    def _find(self) -> None:
        """Find how many guests fit."""
        live, taken, most = len(self._live), self.measures.address_bytes(), self.measures.most_address_bytes()
        by_address = (most - max(_KEPT_BYTES, most >> 4) - taken) // _GUEST_BYTES
        starts = next(self._starts)
        left = self._left(live, taken, starts)
        by_maps = left // (_GUEST_MAPS + _MEMORY_MAPS) if left > 0 else left // _GIVEN_BACK
        step = min(_STEP, max(1, self._kept_maps >> 6))
        self._until, self._until_s = starts + step, self._now_s() + _FRESH_S
        self._most = live + min(by_address, by_maps, step)
        if self._now_s() < self._capped_until_s and self._cap <= self._most:
            self._most = self._bound = self._cap
            return
        self._bound = self._most
        if self._most <= live:
            self._scarce = (
                f"{taken >> 20} MiB of address space are taken of {most >> 20} (see ulimit -v)"
                if by_address < by_maps
                else f"all but {self._kept_maps} of {self.measures.most_maps()} memory maps are taken"
                " (see sysctl vm.max_map_count)"
            )
            self._warn()

    def _left(self, live: int, taken: int, starts: int) -> int:
        """How many maps are left: at least, as far as guests go, or counted."""
        seen = self._seen
        if seen is not None and self._now_s() < self._count_at_s:
            memories = max(0, taken - seen.address_bytes) // _MEMORY_BYTES
            used = seen.maps + _GUEST_MAPS * max(0, live - seen.guests) + _MEMORY_MAPS * memories
            left = self.measures.most_maps() - used - self._kept_maps
            begun = starts - seen.starts
            if begun < self._kept_maps >> 4 or left - _OTHER_MAPS * min(begun, live) >= _FEW_MAPS:
                return left
        return self._count() - self._kept_maps

    def _count(self) -> int:
        """How many maps the system would still make."""
        begin_s, starts, guests = self._now_s(), next(self._starts), len(self._live)
        self._seen = _Seen(self.measures.maps(), starts, guests, self.measures.address_bytes())
        now_s = self._now_s()
        self._count_at_s = now_s + max(_FRESH_S, _REST * (now_s - begin_s))
        return self.measures.most_maps() - self._seen.maps

    @property
    def _kept_maps(self) -> int:
        most = self.measures.most_maps()
        return max(min(_KEPT_MAPS, most >> 3), most >> 4)

    def _warn(self) -> None:
        if (now_s := self._now_s()) >= self._warn_at_s:
            self._warn_at_s = now_s + _WARN_EVERY_S
            _log.warning("%d guests live and no other is started: %s", len(self._live), self._scarce)


PROCESS = Room(guests, SystemMeasures())
"""That of this process; tests have others."""
