"""Parts of lists of records, bounded in entries and in bytes: a record may have megabytes, a list of them gigabytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, overload

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
SLICE_BYTES: Final = 8 << 20
"""What the records of one slice have together, as they are stored; a single one may have more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Sequence[T_co]):
    """Entries of a list that follow one another; `has_more`: others followed them when they were read.

    It may have fewer entries than were asked for, but not none while there are some.
    """

    items: tuple[T_co, ...] = ()
    has_more: bool = False

    @overload
    def __getitem__(self, index: int) -> T_co: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...

    def __getitem__(self, index: int | slice) -> T_co | Sequence[T_co]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


def sliced(entries: Iterable[T], limit: int, size: Callable[[T], int], made: Callable[[T], T_co]) -> Slice[T_co]:
    """The first of `entries`, each as `made` of it: at most `limit`, and of `SLICE_BYTES` by their `size`, but one at
    least. No more than one entry is taken beyond those, and that one is not made."""
    items, room = list[T_co](), SLICE_BYTES
    for entry in entries:
        room -= size(entry)
        if len(items) >= limit or (items and room < 0):
            return Slice(items=tuple(items), has_more=True)
        items.append(made(entry))
    return Slice(items=tuple(items))
