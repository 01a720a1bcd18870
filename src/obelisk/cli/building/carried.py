"""Python's own library inside a component. This file is copied into components in Python and runs there.

A component has no files: a module that was not imported when it was built could not be imported later. So the sources
of the library are kept in the component's memory, compressed, and compiled when something asks for them. Time zones are
kept in the same way. Threads and sockets, which a component does not have, say what to use instead.

The functions are called once each, by the module that a component begins with, while the component is built.
"""

from __future__ import annotations

import _socket
import _thread
import io
import marshal
import os
import sys
import zlib
from collections.abc import Mapping
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import IO, Any, Final, NoReturn

_NOT_CARRIED: Final = frozenset(
    {
        *(
            "__pycache__",
            "site-packages",
            "test",
            "tests",
            "idlelib",
            "tkinter",
            "turtledemo",
            "turtle.py",
            "pydoc_data",
        ),
        *("ensurepip", "venv", "lib2to3", "curses", "_pyrepl", "ctypes", "dbm", "antigravity.py", "this.py"),
    }
)
"""Files and folders that make no sense without a screen, a shell or files."""
_NO_THREADS: Final = (
    "a component has one thread. To do several things at the same time a workflow starts children: "
    "obelisk_guest.workflow.gather(call(…), call(…))"
)
_NO_SOCKETS: Final = (
    "a component has no sockets (the event loop of asyncio needs one, too). HTTP is obelisk_guest.http, "
    "in an activity; several things at the same time are children: obelisk_guest.workflow.gather(call(…), call(…))"
)


class Library(MetaPathFinder, InspectLoader):
    """Imports modules from sources in memory: by name, whether it is a package, and the text, compressed."""

    def __init__(self, sources: Mapping[str, tuple[bool, bytes]]) -> None:
        self._sources = sources

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module of this name; None where the library has none."""
        found = self._sources.get(fullname)
        if found is None:
            return None
        return ModuleSpec(fullname, self, origin=_shown(fullname), is_package=found[0])

    def is_package(self, fullname: str) -> bool:
        """Whether it has modules of its own."""
        return self._sources[fullname][0]

    def get_source(self, fullname: str) -> str:
        """Its text, for tracebacks as well."""
        return zlib.decompress(self._sources[fullname][1]).decode("utf-8")

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        name = module.__name__
        exec(compile(self.get_source(name), _shown(name), "exec", dont_inherit=True), module.__dict__)


def carry_library(folder: str) -> Library:
    """Keep the modules of the library in `folder` that are not imported yet, and find them from now on."""
    sources: dict[str, tuple[bool, bytes]] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_CARRIED and "-" not in name]
        inside = [] if place == folder else os.path.relpath(place, folder).split(os.sep)
        for file in files:
            if not file.endswith(".py") or file in _NOT_CARRIED:
                continue
            is_package = file == "__init__.py"
            name = ".".join(inside if is_package else [*inside, file.removesuffix(".py")])
            if name and name not in sys.modules:
                with open(os.path.join(place, file), "rb") as source:
                    sources[name] = (is_package, zlib.compress(source.read(), 1))
    library = Library(sources)
    sys.meta_path.append(library)
    return library


def carry_zones(path: str) -> None:
    """Keep the time zones of a file that `packed_zones` made: `zoneinfo` finds them where it looks for `tzdata`."""
    common: Any = import_module("zoneinfo._common")
    with open(path, "rb") as file:
        zones: dict[str, bytes] = marshal.loads(file.read())

    def load(key: str) -> IO[bytes]:
        try:
            return io.BytesIO(zlib.decompress(zones[key]))
        except KeyError:
            raise common.ZoneInfoNotFoundError(f"there is no time zone {key!r}") from None

    common.load_tzdata = load


def packed_zones(zones: Mapping[str, bytes]) -> bytes:
    """Time zones by name as a file for `carry_zones`."""
    packed = {data: zlib.compress(data, 9) for data in zones.values()}
    return marshal.dumps({name: packed[data] for name, data in sorted(zones.items())}, 4)


def refuse_threads_and_sockets() -> None:
    """Let what would start a thread or open a socket raise an exception that says what to use instead."""

    def start(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(_NO_THREADS)

    class NoSocket(_socket.socket):
        __slots__ = ()

        def __init__(self, *_: object, **__: object) -> None:
            raise OSError(_NO_SOCKETS)

    def connect(*_: object, **__: object) -> NoReturn:
        raise OSError(_NO_SOCKETS)

    places: list[tuple[ModuleType | None, str, Any]] = [
        (_thread, "start_new_thread", start),
        (_thread, "start_joinable_thread", start),
        (sys.modules.get("threading"), "_start_joinable_thread", start),
        (_socket, "socket", NoSocket),
        (_socket, "SocketType", NoSocket),
        (_socket, "socketpair", connect),
        (_socket, "getaddrinfo", connect),
    ]
    for module, name, instead in places:
        if module is not None and hasattr(module, name):
            setattr(module, name, instead)


def _shown(name: str) -> str:
    return f"<python>/{name.replace('.', '/')}.py"
