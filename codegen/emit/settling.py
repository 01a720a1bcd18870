"""Names in one space that many things share: short where that is clear, qualified where it is not. Pure.

A name that two things would have belongs to neither of them, so the order of things never matters, and more things
never make a name stand for something else: it stays, or it goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

_Key = TypeVar("_Key")


def settled(wanted: Mapping[_Key, Sequence[str]]) -> dict[_Key, str]:
    """For each thing the first of its names that no other thing asked for.

    `wanted` has the names of each, from short to qualified; the last ones must all differ. A thing asks for its next
    name when another asked for the one before.
    """
    at = dict.fromkeys(wanted, 0)
    claims = Counter(names[0] for names in wanted.values())
    while True:
        moved = [key for key, names in wanted.items() if at[key] < len(names) - 1 and claims[names[at[key]]] > 1]
        if not moved:
            return {key: names[at[key]] for key, names in wanted.items()}
        for key in moved:
            at[key] += 1
            claims[wanted[key][at[key]]] += 1
