"""What guests say, in SQLite: `lines.LineStore` as functions of a connection.

Off the hot path: an operation of the writer now and then, whose cost goes with what is added. The rows an execution may
have are bounded, and so is what a trim walks through.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from obelisk.runtime.log.lines import ROW_BYTES, Line, Lines, NumberedLine, Said, kept_after_trim
from obelisk.runtime.ports.slices import sliced

OUTPUT = """
select execution.number, guest_output.next, guest_output.bytes, guest_output.dropped, guest_output.place
from execution left join guest_output on guest_output.execution = execution.number where execution_id = ?"""
INSERT_LINE = """
insert into guest_line (execution, number, at_us, run, source, level, text) values (?, ?, ?, ?, ?, ?, ?)"""
SET_OUTPUT = """
insert into guest_output (execution, next, bytes, dropped, place) values (?, ?, ?, ?, ?)
on conflict (execution) do update set next = excluded.next, bytes = excluded.bytes, dropped = excluded.dropped,
                                      place = excluded.place"""
SIZES = f"""
select number, length(cast(text as blob)) + {ROW_BYTES} from guest_line where execution = ? order by number desc"""
DROP_LINES = "delete from guest_line where execution = ? and number <= ?"
DROPPED = """
select dropped from guest_output where execution = (select number from execution where execution_id = ?)"""
LINES = """
select number, at_us, run, source, level, text from guest_line
where execution = (select number from execution where execution_id = ?) and number >= ? and level >= ?
order by number limit ?"""


def add(connection: sqlite3.Connection, said: Sequence[Said], keep_bytes: int) -> None:
    """See `LineStore.add_lines`. Several statements."""
    for one in said:
        row = connection.execute(OUTPUT, (one.execution_id,)).fetchone()
        if row is not None:
            _add_to(connection, row, one, keep_bytes)


def _add_to(
    connection: sqlite3.Connection, row: tuple[int, int | None, int, int, int], said: Said, keep_bytes: int
) -> None:
    execution, known = row[0], row[1] is not None
    number, size, dropped, place = (row[1] or 0, *row[2:]) if known else (0, 0, 0, -1)
    rows: list[tuple[int, int, int, str, int, int, str]] = []
    for line in said.lines:
        if line.place is not None:
            if line.place <= place:
                continue
            place = line.place
        rows.append((execution, number, line.at_us, line.run, line.source, line.level, line.text))
        number += 1
        size += line.size
    connection.executemany(INSERT_LINE, rows)
    dropped += said.lost
    if size > keep_bytes:
        gone, size = _trim(connection, execution, kept_after_trim(keep_bytes))
        dropped += gone
    connection.execute(SET_OUTPUT, (execution, number, size, dropped, place))


def _trim(connection: sqlite3.Connection, execution: int, keep_bytes: int) -> tuple[int, int]:
    """Drop what does not fit, from the newest line down; how many went, and the size of what stays."""
    kept = 0
    for number, size in connection.execute(SIZES, (execution,)):
        if kept + size > keep_bytes:
            return connection.execute(DROP_LINES, (execution, number)).rowcount, kept
        kept += size
    return 0, kept


def page(connection: sqlite3.Connection, execution_id: str, from_number: int, limit: int, level: int) -> Lines:
    """See `LineStore.lines`. Several statements."""
    dropped = connection.execute(DROPPED, (execution_id,)).fetchone()
    if dropped is None:
        return Lines()
    found = (
        NumberedLine(number=number, line=Line(run=run, at_us=at_us, source=source, level=of_line, text=text))
        for number, at_us, run, source, of_line, text in connection.execute(
            LINES, (execution_id, from_number, level, limit + 1)
        )
    )
    part = sliced(found, limit, lambda line: line.line.size, lambda line: line)
    return Lines(items=part.items, dropped=int(dropped[0]), has_more=part.has_more)
