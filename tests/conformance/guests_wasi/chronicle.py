"""A workflow that looks at clocks and dice through Python's own library, and asks an activity to note what it saw."""

import os
import random
import socket
import time
import uuid

from wit_world import exports
from wit_world.imports import notes


def refused(attempt):
    try:
        return repr(attempt())
    except OSError as error:
        return type(error).__name__


def seen(number):
    return (
        number,
        time.time_ns(),
        time.monotonic_ns(),
        str(uuid.uuid4()),
        random.SystemRandom().random(),
        os.urandom(3).hex(),
        hash("text"),
        dict(os.environ),
        refused(lambda: os.listdir("/")),
        refused(lambda: socket.socket().connect(("127.0.0.1", 9))),
    )


class Diary(exports.Diary):
    """Implements `test:chronicle/diary`."""

    def keep(self, rounds):
        lines = []
        for number in range(rounds):
            print("round", number, flush=True)
            lines.append(notes.note(repr(seen(number))))
            time.sleep(0.05)
        return lines
