"""The server's log as JSON lines: ids found, one object per line whatever is said."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import msgspec
import pytest

from obelisk.cli.server.log import JsonLines

EXECUTION = "E_01J00000000000000000000000.o:1_1"


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("obelisk.test-server-log")
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def test_a_record_is_an_object_with_the_ids_it_names(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written
    logger.warning("%s: run %s was refused by %s: %d", EXECUTION, "Run_1", "Exr_1", 7)
    shown = msgspec.json.decode(stream.getvalue())
    at = shown.pop("at")
    assert (len(at), at[10], at[19], at[-1]) == (27, "T", ".", "Z")
    assert shown == {
        "level": "warning",
        "logger": "obelisk.test-server-log",
        "message": f"{EXECUTION}: run Run_1 was refused by Exr_1: 7",
        "execution_id": EXECUTION,
        "run": "Run_1",
        "executor": "Exr_1",
    }


def test_an_exception_and_line_ends_stay_in_one_line(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logger.exception("it broke:\n%s", '{"level":"forged"}')
    (line,) = stream.getvalue().splitlines()
    shown = msgspec.json.decode(line)
    assert (shown["level"], shown["message"]) == ("error", 'it broke:\n{"level":"forged"}')
    assert shown["exception"].endswith("ValueError: broken\nin two")
    assert "execution_id" not in shown


def test_a_message_with_named_arguments_is_formatted(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written
    logger.warning("%(what)s failed", {"what": "it"})
    assert msgspec.json.decode(stream.getvalue())["message"] == "it failed"
