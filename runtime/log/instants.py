"""Instants as they are recorded: microseconds since 1970, none past the last that a store and a date can hold. Pure."""

from __future__ import annotations

from typing import Final

MAX_INSTANT_US: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z: what is asked for later is due then."""


def later(instant_us: int, wait_us: int) -> int:
    """The instant that long after another one, at most `MAX_INSTANT_US`."""
    return min(instant_us + wait_us, MAX_INSTANT_US)
