"""A guest that looks at its world through Python's own library, that is through wasi-libc."""

import errno
import hashlib
import os
import random
import socket
import sys
import time
import uuid
from pathlib import Path

from wit_world import exports


def flood(count):
    for _ in range(count):
        sys.stdout.write("x" * 1000 + "\n")
    return count


def connect():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.connect(("127.0.0.1", 9))


def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return one.sendto(b"x", ("127.0.0.1", 9))


def write(text):
    print(text, flush=True)
    print(text.upper(), file=sys.stderr, flush=True)


def naps(*seconds):
    for one in seconds:
        time.sleep(one)
    return len(seconds)


def history():
    before = (time.time_ns(), time.monotonic_ns())
    time.sleep(3600)
    after = (time.time_ns(), time.monotonic_ns())
    print("slept", after[0] - before[0])
    return [*before, *after, random.SystemRandom().random(), str(uuid.uuid4()), os.urandom(8).hex()]


def files():
    """All that can be done in a folder, and what came of it."""
    folder = Path("/data")
    file = folder / "sub" / "a.txt"
    file.parent.mkdir()
    found = [file.write_text("one\n"), len(file.read_bytes())]
    with file.open("a") as end:
        end.write("two\n")
    with file.open("r+b") as both:
        both.seek(1)
        both.write(b"N")
        both.truncate(6)
    os.utime(file, (1, 2))
    found += [file.read_text(), file.stat().st_size, int(file.stat().st_mtime)]
    file.rename(folder / "b.txt")
    (folder / "sub").rmdir()
    os.symlink("b.txt", folder / "here")
    os.link(folder / "b.txt", folder / "c.txt")
    found += [sorted(os.listdir(folder)), (folder / "here").read_text(), os.readlink(folder / "here")]
    found.append((folder / "c.txt").samefile(folder / "b.txt"))
    for name in ("here", "c.txt", "b.txt"):
        (folder / name).unlink()
    large = os.urandom(300_000)
    (folder / "large").write_bytes(large)
    found += [(folder / "large").read_bytes() == large, sorted(os.listdir(folder))]
    return found


def escapes():
    """Every way out that a guest may try, and what it got."""
    ways = {
        "up": lambda: Path("/data/../outside.txt").read_text(),
        "up-deep": lambda: Path("/data/dir/../../outside.txt").read_text(),
        "absolute": lambda: Path("/etc/passwd").read_text(),
        "link-absolute": lambda: Path("/data/absolute").read_text(),
        "link-up": lambda: Path("/data/up").read_text(),
        "link-chain": lambda: Path("/data/dir/chain").read_text(),
        "link-loop": lambda: Path("/data/loop").read_text(),
        "link-folder": lambda: os.listdir("/data/parent"),
        "write-through": lambda: Path("/data/new").write_text("x"),
        "make-link": lambda: os.symlink("../outside.txt", "/data/mine"),
        "make-absolute": lambda: os.symlink("/etc/passwd", "/data/mine"),
        "hard-link-up": lambda: linked("/data/up", "/data/mine").read_text(),
        "pipe": lambda: Path("/data/pipe").read_text(),
        "read-only": lambda: Path("/ro/x").write_text("x"),
        "read-only-append": lambda: os.open("/ro/kept.txt", os.O_WRONLY | os.O_APPEND),
        "read-only-mkdir": lambda: os.mkdir("/ro/d"),
        "read-only-unlink": lambda: os.unlink("/ro/kept.txt"),
        "read-only-move": lambda: os.rename("/ro/kept.txt", "/data/kept.txt"),
        "read-only-link": lambda: os.link("/ro/kept.txt", "/data/kept.txt"),
        "read-only-utime": lambda: os.utime("/ro/kept.txt"),
    }
    found = {"inside": Path("/data/dir/back").read_text(), "kept": Path("/ro/kept.txt").read_text()}
    for name, way in ways.items():
        try:
            found[name] = repr(way())
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno, str(error.errno))
    if os.path.lexists("/data/mine"):
        os.unlink("/data/mine")
    return found


def linked(path, name):
    os.link(path, name)
    return Path(name)


def until_refused(step):
    """How often a step can be taken, and what ends it."""
    done = 0
    try:
        while done < 100_000:
            step(done)
            done += 1
    except OSError as error:
        return done, errno.errorcode.get(error.errno)
    return done, "never"


def grow(path):
    with open(path, "ab", buffering=0) as file:
        return until_refused(lambda _: file.write(bytes(4096)))


def hide(count):
    """Files that have no name any more, but are held open and written to."""
    held = []

    def step(number):
        held.append(os.open(f"/data/hidden-{number}", os.O_CREAT | os.O_WRONLY))
        os.write(held[-1], bytes(16_384))
        os.unlink(f"/data/hidden-{number}")

    found = until_refused(step)
    for file in held:
        os.close(file)
    Path(f"/data/hidden-{found[0]}").unlink(missing_ok=True)
    return [found, Path("/data/after").write_bytes(bytes(count)), os.unlink("/data/after")]


def fill():
    """Everything that takes room, each until there is no more; what is removed makes room again."""
    found = [grow("/data/one"), grow("/data/other")]
    Path("/data/one").unlink()
    found.append(grow("/data/other"))
    Path("/data/other").unlink()
    with open("/data/hole", "wb") as file:
        found.append(until_refused(lambda number: file.truncate(1000 * 10**number)))
    Path("/data/hole").write_bytes(b"x")
    Path("/data/hole").unlink()
    found.append(until_refused(lambda number: os.mkdir(f"/data/folder-{number}")))
    found.append(until_refused(lambda number: os.link("/data/inside.txt", f"/data/link-{number}")))
    for number in range(found[4][0]):
        os.rmdir(f"/data/folder-{number}")
    found.append(until_refused(lambda number: os.symlink("inside.txt", f"/data/link-{number}")))
    for number in range(found[6][0]):
        os.unlink(f"/data/link-{number}")
    return [*found, hide(50_000)]


def hoard():
    """As many open files as there are."""
    held = []
    try:
        while True:
            held.append(os.open("/ro/kept.txt", os.O_RDONLY))
    except OSError as error:
        return len(held), errno.errorcode.get(error.errno)


PROBES = {
    "files": files,
    "escapes": escapes,
    "hoard": hoard,
    "fill": fill,
    "environment": lambda: dict(os.environ),
    "arguments": lambda: sys.argv,
    "folder": lambda: os.getcwd(),
    "list": lambda: os.listdir("."),
    "list-root": lambda: os.listdir("/"),
    "open": lambda: Path("/etc/hostname").read_text(),
    "create": lambda: Path("new.txt").write_text("new"),
    "mkdir": lambda: os.mkdir("new"),
    "stat": lambda: os.stat("/etc"),
    "up": lambda: os.listdir(".."),
    "rename": lambda: os.rename("a", "b"),
    "stdin": lambda: sys.stdin.read(),
    "stdin-bytes": lambda: os.read(0, 10),
    "terminal": lambda: [stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "connect": connect,
    "datagram": datagram,
    "write": lambda: write("grüße\n" * 3),
    "flood": lambda: flood(100),
    "hash": lambda: hashlib.sha256(b"abc").hexdigest(),
    "no-bytes": lambda: os.urandom(0),
    "many-bytes": lambda: len(os.urandom(300_000)),
    "different": lambda: len({os.urandom(16) for _ in range(50)}),
    "naps": lambda: naps(0, 0.001, 0.02),
    "ordered": lambda: (lambda times: times == sorted(times))([time.monotonic_ns() for _ in range(100)]),
    "year": lambda: time.gmtime().tm_year >= 2024,
    "zone": lambda: (time.timezone, time.localtime(0).tm_hour),
    "exit": lambda: os._exit(0),
    "exit-3": lambda: os._exit(3),
    "history": history,
}


class Probe(exports.Probe):
    """Answers with what was found, or how looking failed."""

    def look(self, what):
        try:
            return repr(PROBES[what]())
        except OSError as error:
            return f"{type(error).__name__} {error.errno}"
