"""A guest that reaches for folders and sockets through Python's own library."""

import errno
import os
import socket
from pathlib import Path

from wit_world import exports

DATA = Path("/data")


def tried(work):
    try:
        return repr(work())
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def files():
    file = DATA / "sub" / "a.txt"
    file.parent.mkdir()
    found = [file.write_text("one\n")]
    with file.open("a") as end:
        end.write("two\n")
    with file.open("r+b") as both:
        both.seek(1)
        both.write(b"N")
        both.truncate(6)
        os.fsync(both.fileno())
    os.utime(file, (1, 2))
    found += [file.read_text(), file.stat().st_size, int(file.stat().st_mtime)]
    file.rename(DATA / "b.txt")
    file.parent.rmdir()
    os.symlink("b.txt", DATA / "here")
    os.link(DATA / "b.txt", DATA / "c.txt")
    found += [sorted(os.listdir(DATA)), (DATA / "here").read_text(), os.readlink(DATA / "here")]
    found += [(DATA / "c.txt").samefile(DATA / "b.txt"), (DATA / "here").is_symlink()]
    large = bytes(range(256)) * 1000
    (DATA / "large").write_bytes(large)
    found.append((DATA / "large").read_bytes() == large)
    for name in ("here", "b.txt", "c.txt", "large"):
        (DATA / name).unlink()
    return found


def failures():
    return [
        tried(work)
        for work in (
            lambda: (DATA / "none").read_text(),
            lambda: (DATA / "../outside.txt").read_text(),
            lambda: Path("/etc/passwd").read_text(),
            lambda: (DATA / "up").read_text(),
            lambda: (DATA / "loop").read_text(),
            lambda: (DATA / "plain.txt/x").read_text(),
            lambda: os.listdir(DATA / "plain.txt"),
            lambda: os.open(DATA / "plain.txt", os.O_CREAT | os.O_EXCL),
            lambda: os.open(DATA / "up", os.O_NOFOLLOW),
            lambda: os.mkdir(DATA / "dir"),
            lambda: os.rmdir(DATA / "plain.txt"),
            lambda: os.unlink(DATA / "dir"),
            lambda: os.unlink(DATA / "none"),
            lambda: os.readlink(DATA / "plain.txt"),
            lambda: os.rename(DATA / "none", DATA / "other"),
            lambda: os.symlink("/etc/passwd", DATA / "mine"),
        )
    ]


def connect():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.connect(("127.0.0.1", 9))


PROBES = {
    "given": lambda: sorted(os.listdir("/data")),
    "files": files,
    "failures": failures,
    "tcp": connect,
    "udp": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("::1", 9)),
    "resolve": lambda: socket.getaddrinfo(b"localhost", 80),
}


class Probe(exports.Probe):
    def look(self, what):
        return tried(PROBES[what])
