"""Python's library as a guest has it: its clock, its randomness, and none of the machine it runs on.

Some modules have another form for guests (`replaced`); what is reached past them is caught by a hook of Python itself
(`watch`): threads, processes, sockets, files, real sleeps. The modules here read off the fiber of the calling thread.
"""

from __future__ import annotations

import _random
import calendar
import datetime as _datetime
import inspect
import os as _os
import sys
import threading
import time as _time
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, Final, cast

from obelisk.native.fiber import NativeFiber, current
from obelisk.native.space import Space

SEED_BYTES: Final = 2496
"""What Python reads to seed a generator, in parts of at most 256 bytes."""
_PART: Final = 256
_NS: Final = 1_000_000_000


def seed_parts() -> list[int]:
    """The sizes of the requests that a component in Python makes to seed a generator."""
    return [min(_PART, SEED_BYTES - at) for at in range(0, SEED_BYTES, _PART)]


def seed_of(parts: list[bytes]) -> int:
    """The seed that Python makes of the answers."""
    return int.from_bytes(b"".join(parts), "little")


def _fiber() -> NativeFiber:
    fiber = current()
    if fiber is None:
        raise RuntimeError("a module of a guest is used where no guest runs")
    return fiber


def _copy(module: ModuleType, **changed: object) -> ModuleType:
    made = ModuleType(module.__name__, module.__doc__)
    vars(made).update({name: value for name, value in vars(module).items() if name != "__builtins__"})
    vars(made).update(changed)
    return made


# --- time -----------------------------------------------------------------------------------------------------------
def _wall_ns() -> int:
    fiber = _fiber()
    return cast("int", fiber.sense(fiber.senses.wall_ns))


def _monotonic_ns() -> int:
    fiber = _fiber()
    return cast("int", fiber.sense(fiber.senses.monotonic_ns))


def _sleep(seconds: float) -> None:
    """Sleep on the guest's clock: a durable sleep in a workflow."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    fiber = _fiber()
    fiber.sense(lambda: fiber.senses.sleep(seconds))


def _now_or(seconds: float | None) -> float:
    return _wall_ns() / _NS if seconds is None else seconds


def _gmtime(seconds: float | None = None) -> _time.struct_time:
    return _time.gmtime(_now_or(seconds))


def _ctime(seconds: float | None = None) -> str:
    return _time.asctime(_gmtime(seconds))


def _asctime(parts: _time.struct_time | None = None) -> str:
    return _time.asctime(_gmtime() if parts is None else parts)


def _strftime(form: str, parts: _time.struct_time | None = None) -> str:
    return _time.strftime(form, _gmtime() if parts is None else parts)


def _mktime(parts: _time.struct_time) -> float:
    return float(calendar.timegm(parts))


TIME: Final = _copy(
    _time,
    time=lambda: _wall_ns() / _NS,
    time_ns=_wall_ns,
    monotonic=lambda: _monotonic_ns() / _NS,
    monotonic_ns=_monotonic_ns,
    perf_counter=lambda: _monotonic_ns() / _NS,
    perf_counter_ns=_monotonic_ns,
    process_time=lambda: _monotonic_ns() / _NS,
    process_time_ns=_monotonic_ns,
    sleep=_sleep,
    gmtime=_gmtime,
    localtime=_gmtime,
    ctime=_ctime,
    asctime=_asctime,
    strftime=_strftime,
    mktime=_mktime,
    timezone=0,
    altzone=0,
    daylight=0,
    tzname=("UTC", "UTC"),
)


class _Kind(type):
    """Instances of the real class count, too: arithmetic and other modules give them."""

    real: type

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.real) if "real" in vars(cls) else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.real) if "real" in vars(cls) else super().__subclasscheck__(subclass)


class _Date(_datetime.date, metaclass=_Kind):
    real = _datetime.date

    @classmethod
    def today(cls) -> Any:
        """The day of the guest's clock, in UTC as in a component."""
        return cls.fromtimestamp(_wall_ns() / _NS)

    @classmethod
    def fromtimestamp(cls, timestamp: float, /) -> Any:
        """In UTC, as in a component."""
        found = _datetime.datetime.fromtimestamp(timestamp, _datetime.UTC)
        return cls(found.year, found.month, found.day)


class _DateTime(_datetime.datetime, metaclass=_Kind):
    real = _datetime.datetime

    @classmethod
    def now(cls, tz: _datetime.tzinfo | None = None) -> Any:
        """The instant of the guest's clock."""
        micros = _wall_ns() // 1000
        found = cls(1970, 1, 1, tzinfo=_datetime.UTC) + _datetime.timedelta(microseconds=micros)
        return found.replace(tzinfo=None) if tz is None else found.astimezone(tz)

    @classmethod
    def today(cls) -> Any:
        """As `now`."""
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        """As `now`."""
        return cls.now()

    @classmethod
    def fromtimestamp(cls, timestamp: float, tz: _datetime.tzinfo | None = None) -> Any:
        """Without `tz` in UTC, as in a component."""
        found = super().fromtimestamp(timestamp, _datetime.UTC if tz is None else tz)
        return found.replace(tzinfo=None) if tz is None else found

    def timestamp(self) -> float:
        """A time without a zone is in UTC."""
        return super().timestamp() if self.tzinfo is not None else self.replace(tzinfo=_datetime.UTC).timestamp()

    def astimezone(self, tz: _datetime.tzinfo | None = None) -> Any:
        """A time without a zone is in UTC."""
        known = self if self.tzinfo is not None else self.replace(tzinfo=_datetime.UTC)
        return _datetime.datetime.astimezone(known, _datetime.UTC if tz is None else tz)


_Date.__name__ = _Date.__qualname__ = "date"
_DateTime.__name__ = _DateTime.__qualname__ = "datetime"
DATETIME: Final = _copy(_datetime, date=_Date, datetime=_DateTime)


# --- randomness -----------------------------------------------------------------------------------------------------
def _urandom(count: int) -> bytes:
    fiber = _fiber()
    read = fiber.senses.random_bytes
    return b"".join(fiber.sense(partial(read, size)) for size in _sizes(count))


def _sizes(count: int) -> list[int]:
    return [min(_PART, count - at) for at in range(0, count, _PART)]


class _Generator(_random.Random):
    """`_random.Random` whose seed, where none is given, is that of the guest."""

    is_imported = False
    """Whether the module `random` is being imported, which happens when a component is built."""

    def seed(self, a: object = None, /) -> None:
        """See `random.seed`."""
        if a is None:
            a = 0 if self.is_imported else int.from_bytes(_urandom(SEED_BYTES), "little")
        super().seed(cast("Any", a))


_RANDOM: Final = _copy(_random, Random=_Generator)


def _environ(changed: Mapping[str, str]) -> ModuleType:
    environ = dict(changed)

    def getenv(key: str, default: object = None) -> object:
        return environ.get(key, default)

    def getrandom(size: int, flags: int = 0) -> bytes:
        return _urandom(size)

    return _copy(_os, urandom=_urandom, getrandom=getrandom, environ=environ, getenv=getenv)


def replaced(environment: Mapping[str, str], seed: Callable[[], int]) -> dict[str, Callable[[Space], ModuleType]]:
    """The modules that have another form, made when a guest first imports one. `seed()` is that of `random` itself."""
    made_os = _environ(environment)

    def random(space: Space) -> ModuleType:
        _Generator.is_imported = True
        try:
            module = space.clone("random")
        finally:
            _Generator.is_imported = False
        module.seed(seed())
        return module

    return {
        "time": lambda _: TIME,
        "datetime": lambda _: DATETIME,
        "os": lambda _: made_os,
        "_random": lambda _: _RANDOM,
        "random": random,
        "secrets": lambda space: space.clone("secrets"),
        "uuid": lambda space: space.clone("uuid"),
        "_uuid": _absent,
    }


def _absent(_: Space) -> ModuleType:
    raise ModuleNotFoundError("not part of a component")


# --- what is caught -------------------------------------------------------------------------------------------------
_WORDS: Final = {
    "_thread.start_new_thread": "starts a thread",
    "_thread.start_joinable_thread": "starts a thread",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "starts a process",
    "os.system": "starts a process",
    "subprocess.Popen": "starts a process",
    "socket.__new__": "opens a socket",
    "socket.getaddrinfo": "looks up an address",
    "time.sleep": "sleeps in real time, inside a module of Python's library",
    "open": "",
}
_HINTS: Final = {
    True: "a workflow leaves that to its activities, and waits and runs things at the same time with join sets",
    False: "a component has no threads, processes or sockets of its own: HTTP goes through wasi:http",
}
_is_watching = False


def watch() -> None:
    """Have Python tell what guests do, once for the process; it costs others a look into a table."""
    global _is_watching
    if not _is_watching:
        _is_watching = True
        sys.addaudithook(_heard)
        setattr(threading.Thread, "start", _start)  # noqa: B010  # Python 3.11 does not tell of threads; it is no type


_start_thread: Final = threading.Thread.start


def _start(thread: threading.Thread) -> None:
    fiber = current()
    if fiber is not None:
        _forbid(fiber, _WORDS["_thread.start_new_thread"])
    _start_thread(thread)


def _heard(event: str, args: tuple[object, ...]) -> None:
    if event not in _WORDS:
        return
    fiber = current()
    if fiber is None:
        return
    frames = _files_above()
    if any(file.startswith("<frozen importlib") or file == __file__.replace("library", "space") for file in frames):
        return  # a module is imported, which is part of a component when it is built
    if event == "open":
        raise FileNotFoundError(2, "a component has no files but those of its [directories]", args[0])
    _forbid(fiber, "uses asyncio" if any("/asyncio/" in file for file in frames) else _WORDS[event])


def _forbid(fiber: NativeFiber, what: str) -> None:
    fiber.forbid(f"the code {what}: {_HINTS[fiber.is_workflow]}")


def _files_above() -> list[str]:
    files: list[str] = []
    frame = inspect.currentframe()
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return files
