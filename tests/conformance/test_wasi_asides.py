"""File calls that may wait for a disk: done beside the event loop, and never under a file that was closed meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.wasi.capabilities import Directory, WasiEnvironment
from obelisk.runtime.host.wasi.filesystem.files import Descriptor
from obelisk.runtime.host.wasi.folder_room import FolderRoom
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.io.asides import SLOW_CALL_S, Pace, pace
from obelisk.runtime.host.wasi.io.table import Closeable
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import PENDING, Returned
from test_wasi_reach import REACH, REACHING
from wasi_builds import built
from wasi_runs import CACHE, ended, prepared, run

LONG = ("fsync", "ftruncate", "unlink", "rename")
QUICK = ("pread", "pwrite", "mkdir")
QUICKJS = next(one for one in REACHING if one.name == "quickjs")
FOUND = "4,4,oNe\ntw,6,regular-file,regular-file,e\ntw,b.txt c.txt here,oNe\ntw,b.txt,true,symbolic-link,regular-file"


@pytest.fixture(scope="module")
def compiled() -> Iterator[ComponentCache]:
    with Engine(activity_settings()) as engine:
        cache = ComponentCache(engine, CACHE / "compiled")
        cache.compile(built(QUICKJS))  # so that no test sees it written
        yield cache


def with_folder(path: Path, room: FolderRoom | None = None) -> ActivityGuest:
    environment = WasiEnvironment(directories=(Directory(name="/data", path=str(path), write=True, room=room),))
    output = BoundedOutput(1000)
    return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=output, environment=environment)


def look(cache: ComponentCache, folder: Path, room: FolderRoom | None = None) -> None:
    """Run all that files can do; QuickJS goes through WASI's own calls."""
    ready = prepared(cache, built(QUICKJS), [REACH], lambda _: with_folder(folder, room))
    assert run(ready, REACH, "files") == Returned(FOUND)


def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bool]]:
    """For each call of the system, whether the thread of the event loop made it."""
    made: dict[str, list[bool]] = {name: [] for name in (*LONG, *QUICK, "scandir")}
    main = threading.get_ident()

    def watched(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def watch(*args: Any, **kwargs: Any) -> Any:
            made[name].append(threading.get_ident() == main)
            return call(*args, **kwargs)

        return watch

    for name in made:
        monkeypatch.setattr(os, name, watched(name))
    return made


def test_long_calls_are_made_on_threads_and_quick_ones_at_once(
    compiled: ComponentCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_clock_s", lambda: 0.0)  # nothing is slow
    monkeypatch.setattr(pace, "_slow_until_s", {})  # and nothing was, in what this process did before
    made = recorded(monkeypatch)
    look(compiled, tmp_path, FolderRoom(str(tmp_path), max_bytes=10_000, max_entries=10, key="directories.d"))
    assert all(made.values()), "each was called"
    for name in LONG:
        assert not any(made[name]), name
    for name in QUICK:
        assert all(made[name]), name
    assert not made["scandir"][0], "what a folder holds is looked at on a thread"


def test_a_slow_disk_gets_threads(compiled: ComponentCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(pace, "_clock_s", lambda: next(ticks) * SLOW_CALL_S * 1.5)
    monkeypatch.setattr(pace, "_slow_until_s", {})
    made = recorded(monkeypatch)
    look(compiled, tmp_path)
    on_loop = [name for name, calls in made.items() if any(calls)]
    assert on_loop == ["mkdir"], "the first call alone, which showed that the disk is slow"


def test_slow_is_what_was_slow_lately() -> None:
    now_s = 0.0
    known = Pace(lambda: now_s)
    begin_s = known.now_s()
    now_s = 0.004
    known.took(1, begin_s)
    assert not known.is_slow(1)
    now_s = 0.006
    known.took(1, begin_s)
    assert (known.is_slow(1), known.is_slow(2)) == (True, False)
    now_s = 0.6
    assert not known.is_slow(1)


def test_the_loop_goes_on_while_a_disk_keeps_a_guest(
    compiled: ComponentCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is done only after the loop has had a turn: on the loop's thread it would wait for itself."""
    turned, fsync = threading.Event(), os.fsync

    def slowly(number: int) -> None:
        assert turned.wait(120), "the event loop stands still"
        fsync(number)

    monkeypatch.setattr(os, "fsync", slowly)
    ready = prepared(compiled, built(QUICKJS), [REACH], lambda _: with_folder(tmp_path))

    async def both() -> None:
        running = asyncio.ensure_future(ended(ready.start(REACH, ["files"], None)))
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert not running.done()
        turned.set()
        assert await running == Returned(FOUND)

    asyncio.run(both())


class Thing(Closeable):
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def test_what_a_guest_that_ended_was_to_get_is_closed(tmp_path: Path) -> None:
    async def work() -> None:
        going, given = threading.Event(), Thing()
        guest, folder = with_folder(tmp_path), Descriptor.folder(str(tmp_path), write=True)
        guest.table.add(folder)

        def slowly() -> Thing:
            assert going.wait(120)
            os.listdir(folder.number)
            return given

        assert guest.aside(slowly, lambda get: str(get()), (folder,)) is PENDING
        guest.close()
        os.fstat(folder.number)  # still open: it is in use
        going.set()
        assert await asyncio.to_thread(given.closed.wait, 20)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(folder.number)

    asyncio.run(work())


def test_what_the_work_raises_is_what_the_guest_gets(tmp_path: Path) -> None:
    async def work() -> None:
        guest = with_folder(tmp_path)

        def fail() -> int:
            raise FileNotFoundError("no such thing")

        def settle(get: Callable[[], int]) -> str:
            with pytest.raises(FileNotFoundError, match="no such thing"):
                get()
            return "settled"

        answer = guest.aside(fail, settle, ())
        while answer is PENDING:
            await asyncio.sleep(0.001)
            answer = guest.take_answer()
        assert answer == "settled"
        guest.close()

    asyncio.run(work())
    assert with_folder(tmp_path).aside(lambda: 1, lambda get: get(), ()) == 1, "without a loop it is done at once"
