"""Ids as text, built and taken apart by pure functions.

``E_<ULID>`` names a top-level execution; a child extends its parent's id with the join set it was submitted to and its
number there, from 1: ``E_<ULID>.o:3_1``. A delay's id is that of a child with the prefix ``Delay_``. Join sets: ``o:``
one-off, ``g:`` generated, ``n:`` named. Executors are ``Exr_<ULID>``, workers outside the
engine ``Wrk_<ULID>``, runs (one lock of one execution) ``Run_<ULID>``.
ULIDs take their time and randomness from the caller, so that a recorded one can be reproduced.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
"""Two digits at once: an id is made for every child."""
_ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"
_PART = r"\.(?:o:[0-9]+(?:_[A-Za-z0-9/-]+)?|g:[0-9]+|n:[A-Za-z0-9/-]+)_[1-9][0-9]*"
_EXECUTION = re.compile(rf"E_{_ULID}(?:{_PART})*\Z")
_JOIN_SET_NAME = re.compile(r"[A-Za-z0-9/-]{1,128}\Z")

EXECUTION = "E_"
EXECUTOR = "Exr_"
WORKER = "Wrk_"
RUN = "Run_"
DELAY = "Delay_"
MAX_EXECUTION_ID = 2048
"""Characters of an id that the engine makes: ids stand in paths of HTTP requests."""


def ulid(time_ms: int, randomness: int) -> str:
    """The 26-character ULID of a time in milliseconds since 1970 and 80 bits of randomness."""
    return (
        _of_second(time_ms >> 10)
        + _PAIRS[time_ms & 1023]
        + _PAIRS[randomness >> 70 & 1023]
        + _PAIRS[randomness >> 60 & 1023]
        + _PAIRS[randomness >> 50 & 1023]
        + _PAIRS[randomness >> 40 & 1023]
        + _PAIRS[randomness >> 30 & 1023]
        + _PAIRS[randomness >> 20 & 1023]
        + _PAIRS[randomness >> 10 & 1023]
        + _PAIRS[randomness & 1023]
    )


@lru_cache(maxsize=16)
def _of_second(second: int) -> str:
    """The digits that the ULIDs of 1,024 milliseconds share."""
    return "".join(_PAIRS[second >> shift & 1023] for shift in (30, 20, 10, 0))


def is_execution_id(text: str) -> bool:
    """Whether `text` is the id of a top-level or a child execution."""
    return _EXECUTION.match(text) is not None


def is_join_set_name(text: str) -> bool:
    """Whether a guest may give this name to a join set: letters, digits, ``-`` and ``/``, from 1 to 128."""
    return _JOIN_SET_NAME.match(text) is not None


def child(parent: str, join_set: str, number: int) -> str:
    """The id of the `number`-th child (from 1) submitted to `join_set` of `parent`."""
    return f"{parent}.{join_set}_{number}"


def delay(parent: str, join_set: str, number: int) -> str:
    """The id of the `number`-th request (from 1) of `join_set` when it is a delay."""
    return f"{DELAY}{parent.removeprefix(EXECUTION)}.{join_set}_{number}"


def delays_of(execution_id: str) -> str:
    """What the ids of all delays of an execution, and of its children, begin with; no other delay's does."""
    return f"{DELAY}{execution_id.removeprefix(EXECUTION)}."


def parent_of(execution_id: str) -> str | None:
    """The id of the execution that created this one as a child, or None at the top level."""
    head, dot, _ = execution_id.rpartition(".")
    return head if dot else None


def root_of(execution_id: str) -> str:
    """The execution at the top of the tree that this one is in, perhaps itself."""
    return execution_id.partition(".")[0]


def depth(execution_id: str) -> int:
    """How many ancestors an execution has: 0 at the top level."""
    return execution_id.count(".")


def join_set_of(execution_id: str) -> str | None:
    """The join set that a child was submitted to, or None at the top level."""
    _, dot, tail = execution_id.rpartition(".")
    return tail.rpartition("_")[0] if dot else None
