"""Memory of the process that it holds for nothing.

glibc keeps what was freed below something that is still in use. After ten thousand workflows were hot at once that is a
third of the process, and a server that goes on with a hundred of them would keep it.
"""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Give what the allocator holds free back to the system, if it can be asked to. Takes tens of milliseconds."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return
    trim(0)
