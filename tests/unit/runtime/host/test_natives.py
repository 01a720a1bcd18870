"""Native things are deleted at once when their owner is closed, or when the last user has left after that."""

from __future__ import annotations

import gc
import threading

import pytest

from obelisk.runtime.host.errors import Stopped
from obelisk.runtime.host.wasmtime.natives import Natives


class Thing:
    def __init__(self, name: str, told: list[str]) -> None:
        self._name, self._told = name, told

    def close(self) -> None:
        self._told.append(self._name)


def test_what_nobody_uses_is_deleted_at_once_the_newest_first() -> None:
    told: list[str] = []
    natives = Natives("engine", Thing("a", told), Thing("b", told))
    natives.close()
    natives.close()
    assert told == ["b", "a"]


def test_a_user_keeps_it_and_no_other_comes_in() -> None:
    told: list[str] = []
    natives = Natives("engine", Thing("a", told))
    natives.enter(1)
    natives.close()
    assert natives.is_closed
    with pytest.raises(Stopped, match="the engine was closed"):
        natives.enter(2)
    assert told == []
    natives.leave(1)
    natives.leave(1)
    assert told == ["a"]


def test_what_is_made_from_it_keeps_it() -> None:
    told: list[str] = []
    engine = Natives("engine", Thing("engine", told))
    component = Natives("component", Thing("component", told), parent=engine)
    component.enter(1)
    engine.close()
    component.close()
    assert told == []
    component.leave(1)
    assert told == ["component", "engine"]
    with pytest.raises(Stopped):
        Natives("component", parent=engine)


def test_what_is_dropped_without_a_word_keeps_nothing() -> None:
    told: list[str] = []
    engine = Natives("engine", Thing("engine", told))
    gc.disable()
    try:
        component = Natives("component", parent=engine)
        del component
    finally:
        gc.enable()
    engine.close()
    assert told == ["engine"]


def test_a_use_that_fails_ends() -> None:
    told: list[str] = []
    natives = Natives("engine", Thing("a", told))

    def fail() -> None:
        with natives.used():
            natives.close()
            assert told == []
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert told == ["a"]


def test_threads_that_come_and_go_while_it_is_closed_delete_it_once() -> None:
    for _ in range(50):
        told: list[str] = []
        natives = Natives("engine", *(Thing(str(n), told) for n in range(20)))
        begin = threading.Barrier(5)

        def use(natives: Natives = natives, begin: threading.Barrier = begin, told: list[str] = told) -> None:
            begin.wait()
            for _ in range(1000):
                try:
                    with natives.used():
                        assert told == []
                except Stopped:
                    return

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        begin.wait()
        natives.close()
        for thread in threads:
            thread.join()
        assert sorted(told, key=int) == [str(n) for n in range(20)]
