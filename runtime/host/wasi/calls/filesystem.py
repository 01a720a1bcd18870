"""The calls of `wasi:filesystem`, over the folders that the guest was given (`files`): without any it has no handle."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from obelisk.runtime.host.wasi.calls.call import Call, Calls, err, ok
from obelisk.runtime.host.wasi.filesystem.files import Descriptor, Entries
from obelisk.runtime.host.wasi.filesystem.open_files import code_of, refused
from obelisk.runtime.host.wasi.filesystem.streams import FileInput, FileOutput
from obelisk.runtime.host.wasi.folder_room import Share
from obelisk.runtime.host.wasi.guests import WasiGuest
from obelisk.runtime.host.wasi.io.asides import pace
from obelisk.runtime.host.wasi.io.streams import CHUNK, StreamError
from obelisk.runtime.host.wasi.io.table import Closeable
from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending

_OPEN_FLAGS: Final = {
    "create": os.O_CREAT,
    "directory": os.O_DIRECTORY,
    "exclusive": os.O_EXCL,
    "truncate": os.O_TRUNC,
}
_TYPES: Final = (
    (stat.S_ISREG, "regular_file"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISLNK, "symbolic_link"),
    (stat.S_ISCHR, "character_device"),
    (stat.S_ISBLK, "block_device"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
)
_SECOND: Final = 1_000_000_000

_Given: TypeAlias = "JsonValue | Closeable"
"""What a call gives: a value, or a resource of which the guest gets the handle."""
_Step: TypeAlias = "Callable[[WasiGuest, Descriptor, list[Any]], _Given]"
_LONG: Final = frozenset({"sync-data", "sync", "set-size", "unlink-file-at", "rename-at"})
"""Calls that wait for the disk by their nature, or give back what may be much."""
_SECOND_FILE: Final = {"rename-at": 2, "link-at": 3}
"""Where calls that take two descriptors have the other one."""


def _on(name: str, step: _Step) -> Callable[[Any, list[Any]], JsonValue | Pending]:
    """A call on a descriptor: what it gives as ok, an OSError as its error code."""
    at, is_long = _SECOND_FILE.get(name), name in _LONG

    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
        descriptor = guest.table.get(args[0], Descriptor)

        def work() -> _Given:
            return pace.run(descriptor.device, lambda: step(guest, descriptor, args[1:]))

        if not is_long and not descriptor.is_slow:
            return _settled(guest, work)
        held = (descriptor,) if at is None else (descriptor, guest.table.get(args[at], Descriptor))
        return guest.aside(work, partial(_settled, guest), held)

    return handler


def _settled(guest: WasiGuest, get: Callable[[], _Given]) -> JsonValue:
    try:
        given = get()
    except OSError as error:
        return err(code_of(error))
    return ok(guest.table.add(given) if isinstance(given, Closeable) else given)


def _follows(path_flags: list[str]) -> bool:
    return "symlink_follow" in path_flags


# --- preopens -------------------------------------------------------------------------------------------------------
def _directories(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
    """What folders hold is looked at before they are given, where that is due."""
    due = [one.room for one in guest.environment.directories if one.room is not None and one.room.is_due()]

    def look() -> None:
        for room in due:
            room.measure()

    def settle(get: Callable[[], None]) -> JsonValue:
        get()
        return _opened(guest)

    return guest.aside(look, settle, ()) if due else _opened(guest)


def _opened(guest: WasiGuest) -> JsonValue:
    found: list[JsonValue] = []
    for directory in guest.environment.directories:
        try:
            share = Share(directory.room, guest.tell) if directory.room is not None else None
            descriptor = Descriptor.folder(directory.path, write=directory.write, share=share)
        except OSError as error:
            raise GuestTrap(f"the folder {directory.name} cannot be opened: {error.strerror}") from None
        found.append([guest.table.add(descriptor), directory.name])
    return found


# --- files ----------------------------------------------------------------------------------------------------------
def _file(descriptor: Descriptor, *, write: bool) -> Descriptor:
    if descriptor.is_folder:
        raise refused(errno.EISDIR)
    if not (descriptor.write if write else descriptor.read):
        raise refused(errno.EBADF)
    return descriptor


def _read_stream(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> _Given:
    return FileInput(_file(descriptor, write=False), args[0])


def _write_stream(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> _Given:
    return FileOutput(_file(descriptor, write=True), args[0])


def _append_stream(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> _Given:
    return FileOutput(_file(descriptor, write=True), None)


def _read(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    count = min(args[0], CHUNK)
    data = _file(descriptor, write=False).read_at(count, args[1])
    return [base64.b64encode(data).decode(), count > 0 and not data]


def _write(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    return _file(descriptor, write=True).write_at(base64.b64decode(args[0]), args[1])


def _set_size(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    _file(descriptor, write=True).resize(args[0])
    return None


def _sync(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    os.fsync(descriptor.number)
    return None


def _advise(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    _file(descriptor, write=False)  # advice that is not taken does no harm
    return None


def _flags(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    write = "mutate_directory" if descriptor.is_folder else "write"
    return [*(["read"] if descriptor.read else []), *([write] if descriptor.write else [])]


# --- what is known of them ------------------------------------------------------------------------------------------
def _type_of(mode: int) -> str:
    return next((name for test, name in _TYPES if test(mode)), "unknown")


def _type(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    return _type_of(os.fstat(descriptor.number).st_mode)


def _datetime(instant_ns: int) -> JsonValue:
    seconds, nanoseconds = divmod(max(instant_ns, 0), _SECOND)
    return {"seconds": seconds, "nanoseconds": nanoseconds}


def _record(found: os.stat_result) -> JsonValue:
    return {
        "type": _type_of(found.st_mode),
        "link_count": found.st_nlink,
        "size": found.st_size,
        "data_access_timestamp": _datetime(found.st_atime_ns),
        "data_modification_timestamp": _datetime(found.st_mtime_ns),
        "status_change_timestamp": _datetime(found.st_ctime_ns),
    }


def _stat_at(descriptor: Descriptor, path_flags: list[str], path: str) -> os.stat_result:
    with descriptor.place(path, follow=_follows(path_flags)) as (folder, name):
        return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _hash(found: os.stat_result) -> JsonValue:
    """Equal for one file by whatever name; says nothing of where it lies."""
    digest = hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).digest()
    return {"lower": int.from_bytes(digest[:8], "little"), "upper": int.from_bytes(digest[8:16], "little")}


def _is_same(guest: WasiGuest, args: list[Any]) -> JsonValue:
    one, other = (os.fstat(guest.table.get(rep, Descriptor).number) for rep in args)
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _time_ns(wanted: Any, now_ns: int, present_ns: int) -> int:
    if wanted == "no_change":
        return present_ns
    if wanted == "now":
        return now_ns
    return int(wanted["timestamp"]["seconds"]) * _SECOND + int(wanted["timestamp"]["nanoseconds"])


def _times(guest: WasiGuest, found: os.stat_result, wanted: list[Any]) -> tuple[int, int]:
    now_ns = guest.clock.wall_ns()
    return _time_ns(wanted[0], now_ns, found.st_atime_ns), _time_ns(wanted[1], now_ns, found.st_mtime_ns)


def _set_times(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    descriptor.require_write()
    os.utime(descriptor.number, ns=_times(guest, os.fstat(descriptor.number), args))
    return None


def _set_times_at(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    descriptor.require_write()
    with descriptor.place(args[1], follow=_follows(args[0])) as (folder, name):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        os.utime(name, ns=_times(guest, found, args[2:]), dir_fd=folder, follow_symlinks=False)
    return None


# --- folders --------------------------------------------------------------------------------------------------------
def _open_at(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> _Given:
    path_flags, path, open_flags, wanted = args
    flags = 0
    for name in open_flags:
        flags |= _OPEN_FLAGS[name]
    return descriptor.open(
        path, follow=_follows(path_flags), flags=flags, read="read" in wanted, write="write" in wanted
    )


def _entries(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> _Given:
    return descriptor.entries()


def _next_entry(guest: WasiGuest, args: list[Any]) -> JsonValue | Pending:
    entries = guest.table.get(args[0], Entries)

    def work() -> JsonValue:
        found = pace.run(entries.device, entries.next)
        return None if found is None else {"type": _type_of(found[1].st_mode), "name": found[0]}

    return guest.aside(work, partial(_settled, guest), (entries,)) if entries.is_slow else _settled(guest, work)


def _changing(change: Callable[[Descriptor, str], None]) -> _Step:
    """A call that changes what a path names in its folder."""

    def step(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
        change(descriptor, args[0])
        return None

    return step


def _read_link(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    with descriptor.place(args[0], follow=False) as (folder, name):
        target = os.readlink(name, dir_fd=folder)
    if target.startswith("/"):
        raise refused(errno.EPERM)
    return target


def _symlink(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    """Only links that stay below the folder they stand in: others may follow them who don't walk as we do."""
    descriptor.require_write()
    if args[0].startswith("/") or ".." in args[0].split("/"):
        raise refused(errno.EPERM)
    descriptor.make_symlink(args[0], args[1])
    return None


def _rename(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    descriptor.move(args[0], guest.table.get(args[1], Descriptor), args[2])
    return None


def _link(guest: WasiGuest, descriptor: Descriptor, args: list[Any]) -> JsonValue:
    if _follows(args[0]):
        raise refused(errno.EINVAL)
    descriptor.link(args[1], guest.table.get(args[2], Descriptor), args[3])
    return None


def _file_code(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.get(args[0], StreamError).file_code


_SELF: Final = "borrow<descriptor>"
_STEPS: Final[Mapping[str, tuple[str, _Step]]] = {
    "read-via-stream": (", u64) -> result<input-stream, error-code>", _read_stream),
    "write-via-stream": (", u64) -> result<output-stream, error-code>", _write_stream),
    "append-via-stream": (") -> result<output-stream, error-code>", _append_stream),
    "advise": (", u64, u64, advice) -> result<_, error-code>", _advise),
    "sync-data": (") -> result<_, error-code>", _sync),
    "sync": (") -> result<_, error-code>", _sync),
    "get-flags": (") -> result<descriptor-flags, error-code>", _flags),
    "get-type": (") -> result<descriptor-type, error-code>", _type),
    "set-size": (", u64) -> result<_, error-code>", _set_size),
    "set-times": (", new-timestamp, new-timestamp) -> result<_, error-code>", _set_times),
    "set-times-at": (
        ", path-flags, string, new-timestamp, new-timestamp) -> result<_, error-code>",
        _set_times_at,
    ),
    "read": (", u64, u64) -> result<tuple<list<u8>, bool>, error-code>", _read),
    "write": (", list<u8>, u64) -> result<u64, error-code>", _write),
    "read-directory": (") -> result<directory-entry-stream, error-code>", _entries),
    "create-directory-at": (", string) -> result<_, error-code>", _changing(Descriptor.make_folder)),
    "remove-directory-at": (", string) -> result<_, error-code>", _changing(Descriptor.remove_folder)),
    "unlink-file-at": (", string) -> result<_, error-code>", _changing(Descriptor.remove_file)),
    "stat": (
        ") -> result<descriptor-stat, error-code>",
        lambda _, descriptor, __: _record(os.fstat(descriptor.number)),
    ),
    "stat-at": (
        ", path-flags, string) -> result<descriptor-stat, error-code>",
        lambda _, descriptor, args: _record(_stat_at(descriptor, *args)),
    ),
    "metadata-hash": (
        ") -> result<metadata-hash-value, error-code>",
        lambda _, descriptor, __: _hash(os.fstat(descriptor.number)),
    ),
    "metadata-hash-at": (
        ", path-flags, string) -> result<metadata-hash-value, error-code>",
        lambda _, descriptor, args: _hash(_stat_at(descriptor, *args)),
    ),
    "open-at": (", path-flags, string, open-flags, descriptor-flags) -> result<descriptor, error-code>", _open_at),
    "readlink-at": (", string) -> result<string, error-code>", _read_link),
    "symlink-at": (", string, string) -> result<_, error-code>", _symlink),
    "rename-at": (", string, borrow<descriptor>, string) -> result<_, error-code>", _rename),
    "link-at": (", path-flags, string, borrow<descriptor>, string) -> result<_, error-code>", _link),
}
FILE_CALLS: Final[Calls] = {
    "wasi:filesystem/preopens": {
        "get-directories": Call("() -> list<tuple<descriptor, string>>", _directories, waits=True),
    },
    "wasi:filesystem/types": {
        **{
            f"[method]descriptor.{name}": Call(f"({_SELF}{rest}", _on(name, step), waits=True)
            for name, (rest, step) in _STEPS.items()
        },
        "[method]descriptor.is-same-object": Call("(borrow<descriptor>, borrow<descriptor>) -> bool", _is_same),
        "[method]directory-entry-stream.read-directory-entry": Call(
            "(borrow<directory-entry-stream>) -> result<option<directory-entry>, error-code>", _next_entry, waits=True
        ),
        "filesystem-error-code": Call("(borrow<error>) -> option<error-code>", _file_code),
    },
}
"""What this module offers."""
