"""A process that comes near the end of its memory maps or its address space lets guests wait; it never ends."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from obelisk.runtime.host.wasmtime import room
from obelisk.runtime.host.wasmtime.contexts import guests
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Api, Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
GROWING = """(component
  (core module $m
    (memory (export "m") 1)
    (func (export "grow") (param $pages i32) (result i32) (memory.grow (local.get $pages))))
  (core instance $i (instantiate $m))
  (func $grow (param "pages" u32) (result u32) (canon lift (core func $i "grow")))
  (instance (export "test:growing/memory") (export "grow" (func $grow))))"""
LATER = Submission(ffqn="demo:fibo/workflow.fibo-later", params={"n": 10, "milliseconds": 3_000})
GROW = Submission(ffqn="test:growing/memory.grow", params={"pages": 1_000})


def config_of(folder: Path) -> configuration.Config:
    (folder / "growing.wat").write_text(GROWING)
    text = f"""
[executor]
poll_ms = 50
[component.activity]
path = "{FIBO}/activity.wat"
[component.workflow]
path = "{FIBO}/workflow.wat"
[component.growing]
path = "growing.wat"
"""
    return configuration.parse(text, file=folder / "obelisk.toml")


async def all_end_well(api: Api, workflows: int, activities: int) -> list[str]:
    """Run so many at once; why workflows were unloaded."""
    sleeping = [(await api.submit(LATER)).execution_id for _ in range(workflows)]
    growing = [(await api.submit(GROW)).execution_id for _ in range(activities)]
    for execution_id, value in [(e, b'{"ok":55}') for e in sleeping] + [(e, b"1") for e in growing]:
        outcome = await api.wait(execution_id, 200)
        assert isinstance(outcome, log.Returned), outcome
        assert bytes(outcome.value) == value
    events = [logged.event for e in (*sleeping, *growing) for logged in await api.events(e)]
    assert not [e for e in events if isinstance(e, log.TemporarilyFailed | log.TemporarilyTimedOut)]
    return [event.reason for event in events if isinstance(event, log.Unlocked)]


class Small:
    """A process with room for some twenty guests."""

    def __init__(self) -> None:
        self.most_guests = 0

    def maps(self) -> int:
        self.most_guests = max(self.most_guests, len(guests))
        return 840 + 6 * len(guests)

    def most_maps(self) -> int:
        return 1_120

    def address_bytes(self) -> int:
        self.most_guests = max(self.most_guests, len(guests))
        return 1 << 30

    def most_address_bytes(self) -> int:
        return 1 << 47


def test_hot_workflows_make_room_for_guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Small()
    monkeypatch.setattr(room, "PROCESS", room.Room(guests, small))

    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            reasons = await all_end_well(runtime.api, 100, 30)
            assert reasons.count("unloaded to make room") >= 20

    asyncio.run(asyncio.wait_for(work(), 250))
    assert 5 <= small.most_guests <= 25


PROGRAM = """
import asyncio, ctypes, logging, mmap, resource, sys
from pathlib import Path
from obelisk.runtime.wiring.bootstrap import open_runtime
from obelisk.runtime.host.wasmtime.room import SystemMeasures
from test_no_room_for_guests import all_end_well, config_of

def fill_maps(left):
    '''Memory maps until so many are left: pages of different protection cannot share one.'''
    measures, page = SystemMeasures(), mmap.PAGESIZE
    count = measures.most_maps() - measures.maps() - left
    area = mmap.mmap(-1, page * (count + 2), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    for number in range(count // 2):
        assert protect(start + (2 * number + 1) * page, page, mmap.PROT_READ) == 0
    return area

async def work(folder):
    async with open_runtime(config_of(folder), execute=True) as runtime:
        reasons = await all_end_well(runtime.api, 150, 50)
        print(reasons.count("unloaded to make room") > 0)

logging.basicConfig(level=logging.WARNING)
"""


def run_program(scarcity: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = f"{PROGRAM}\n{scarcity}\nasyncio.run(work(Path({str(folder)!r})))"
    here = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    return subprocess.run(
        [sys.executable, "-c", here + program], capture_output=True, text=True, timeout=280, check=False
    )


def test_a_process_with_few_maps_left_serves_all(tmp_path: Path) -> None:
    done = run_program("kept = fill_maps(4_096 + 400)", tmp_path)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert done.stderr.count("no pool of memory for guests (it takes 5323 memory maps") == 1


def test_a_process_with_little_address_space_serves_all(tmp_path: Path) -> None:
    size = 48 << 30
    assert resource.getrlimit(resource.RLIMIT_AS)[1] == resource.RLIM_INFINITY
    done = run_program(f"resource.setrlimit(resource.RLIMIT_AS, ({size}, {size}))", tmp_path)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert done.stderr.count("no pool of memory for guests") == 1


def test_what_the_system_refuses_waits(tmp_path: Path) -> None:
    """Room is found from what is known; where the system refuses a guest all the same, it waits, and nothing fails."""
    size = 24 << 30
    trusting = (
        "from obelisk.runtime.host.wasmtime import room\nroom.PROCESS.measures.most_address_bytes = lambda: 1 << 47"
    )
    limited = f"{trusting}\nresource.setrlimit(resource.RLIMIT_AS, ({size}, {size}))"
    done = run_program(limited, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mmap failed to reserve" in done.stderr
