"""A guest that looks at its world through Python's own library, that is through wasi-libc."""

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


PROBES = {
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
