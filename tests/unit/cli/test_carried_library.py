"""What components in Python contain of Python's own library, natively: modules and time zones kept in memory."""

from __future__ import annotations

import importlib
import linecache
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from obelisk.cli.building import carried, prelude


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[carried.Library]:
    """The modules of a folder that is gone by the time they are imported."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    files = {
        "carried_one.py": "VALUE = 1\n\n\ndef fail():\n    raise KeyError('x')\n",
        "carried_parts/__init__.py": "from carried_parts.inner import VALUE\n",
        "carried_parts/inner.py": "from . import other\n\nVALUE = other.VALUE + 1\n",
        "carried_parts/other.py": "VALUE = 1\n",
        "carried_parts/test/__init__.py": "",
        "idlelib/__init__.py": "",
        "config-3.14/carried_two.py": "",
        "json.py": "raise AssertionError('it is imported already')\n",
        "readme.txt": "",
    }
    for name, text in files.items():
        (tmp_path / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lib" / name).write_text(text)
    made = carried.carry_library(str(tmp_path / "lib"))
    for path in (tmp_path / "lib").rglob("*.py"):
        path.unlink()
    yield made
    for name in [name for name in sys.modules if name.startswith("carried_")]:
        del sys.modules[name]


def test_modules_are_imported_from_memory(library: carried.Library) -> None:
    parts: Any = importlib.import_module("carried_parts")
    assert (parts.VALUE, importlib.import_module("carried_one").VALUE) == (2, 1)
    assert (library.is_package("carried_parts"), library.is_package("carried_one")) == (True, False)
    assert parts.__spec__.origin == "<python>/carried_parts.py"


def test_what_makes_no_sense_in_a_component_is_not_there(library: carried.Library) -> None:
    for name in ("carried_parts.test", "idlelib", "carried_two", "json", "readme", "nothing"):
        assert library.find_spec(name) is None, name


def test_a_traceback_shows_the_lines_of_carried_modules(library: carried.Library) -> None:
    one: Any = importlib.import_module("carried_one")
    linecache.clearcache()
    with pytest.raises(KeyError) as raised:
        one.fail()
    text = "".join(traceback.format_exception(raised.value))
    assert "File \"<python>/carried_one.py\", line 5, in fail\n    raise KeyError('x')" in text


def test_zones_are_those_of_the_package_and_not_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = prelude.files("x = 1\n")
    assert set(files) == {"obelisk_component.py", "obelisk_carried.py", "zones"}
    (tmp_path / "zones").write_bytes(files["zones"])
    common = importlib.import_module("zoneinfo._common")
    monkeypatch.setattr(common, "load_tzdata", None)
    carried.carry_zones(str(tmp_path / "zones"))
    with common.load_tzdata("Europe/Prague") as zone:
        assert zone.read(4) == b"TZif"
    with common.load_tzdata("UTC") as zone:
        assert zone.read(4) == b"TZif"
    with pytest.raises(common.ZoneInfoNotFoundError, match="there is no time zone 'Europe/Nowhere'"):
        common.load_tzdata("Europe/Nowhere")
    assert len(files["zones"]) < 250_000


def test_threads_and_sockets_say_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    import _socket
    import _thread
    import threading

    def restore(module: ModuleType, *names: str) -> None:
        for name in names:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, getattr(module, name))

    restore(_thread, "start_new_thread", "start_joinable_thread")
    restore(threading, "_start_joinable_thread")
    restore(_socket, "socket", "SocketType", "socketpair", "getaddrinfo")
    carried.refuse_threads_and_sockets()
    with pytest.raises(RuntimeError, match=r"one thread.*obelisk_guest\.workflow\.gather"):
        _thread.start_new_thread(print, ())
    for opens in (_socket.socket, _socket.socketpair, lambda: _socket.getaddrinfo("h", 80)):
        with pytest.raises(OSError, match=r"no sockets.*HTTP is obelisk_guest\.http"):
            opens()
