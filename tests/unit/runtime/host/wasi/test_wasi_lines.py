"""What guests print, as lines."""

from __future__ import annotations

from obelisk.runtime.host.wasi.system import MAX_LINE, Lines


def told(*writes: tuple[bytes, bool], limit: int = 1 << 20) -> list[tuple[str, bool]]:
    lines: list[tuple[str, bool]] = []
    output = Lines(lambda line, to_stderr: lines.append((line, to_stderr)), limit)
    for data, to_stderr in writes:
        output.write(data, to_stderr=to_stderr)
    output.close()
    output.close()
    return lines


def test_lines_of_both_streams_are_told_apart() -> None:
    writes = ((b"one\ntw", False), (b"aside\n", True), (b"o\n\nthree", False))
    assert told(*writes) == [("one", False), ("aside", True), ("two", False), ("", False), ("three", False)]


def test_a_character_may_come_in_parts_and_bad_ones_are_marked() -> None:
    assert told((b"gr\xc3", False), (b"\xbc\xc3\x9fe\r\n\xff\n", False)) == [("grüße", False), ("\ufffd", False)]


def test_long_lines_come_in_parts() -> None:
    whole = b"x" * (2 * MAX_LINE + 5)
    assert [len(line) for line, _ in told((whole + b"\n", False))] == [MAX_LINE, MAX_LINE, 5]
    assert [len(line) for line, _ in told(*((b"x" * 1000, False),) * 20)] == [MAX_LINE, MAX_LINE, 20_000 - 2 * MAX_LINE]


def test_a_flood_is_cut_and_said_once() -> None:
    lines = told(*((b"12345\n", False),) * 5, (b"late\n", True), limit=14)
    more = ("the guest wrote more than is kept of its output", True)
    assert lines == [("12345", False), ("12345", False), more, ("12", False)]
