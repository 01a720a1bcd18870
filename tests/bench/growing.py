"""Databases with many stored executions, made quickly: what a real run left, copied as often as needed.

The engine runs one workflow with 50 children on a new database. Its rows are then copied under other execution ids, in
one transaction: every copy is a whole, finished tree with its logs and responses, as the engine would have left it.
Tables are copied by what they refer to, so that new columns and tables come along.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from pathlib import Path
from typing import Final

from stage import CACHE, ROOT, Stage

TREE: Final = 51
"""Executions of one tree: the workflow and its children."""
_ID_KEPT: Final = len("E_") + 18
"""Characters of an execution id that copies share; the last 8 of its ULID count the copies."""


def database(stage: Stage, executions: int) -> Path:
    """A database with about so many finished executions; made once for each version of the schema."""
    schema = b"".join(path.read_bytes() for path in sorted((ROOT / "runtime/store/schema").glob("*.sql")))
    path = CACHE / f"stored-{executions}-{hashlib.sha256(schema).hexdigest()[:12]}.sqlite"
    if not path.exists():
        for old in CACHE.glob(f"stored-{executions}-*"):
            old.unlink()
        print(f"storing {executions:,} executions", file=sys.stderr)
        unfinished = path.with_suffix(".partial")
        unfinished.unlink(missing_ok=True)
        side = stage.obelisk("growing", database=str(unfinished))
        side.do("run", ffqn="demo:fibo/workflow.fiboa", params=[10, TREE - 1], count=1, expect={"ok": 55})
        stage.drop("growing")
        multiply(unfinished, executions // TREE)
        unfinished.rename(path)
    return path


def multiply(path: Path, copies: int) -> None:
    """Copy the last tree of a database so many times."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma cache_size = -1000000")
    (last,) = connection.execute("select max(number) from execution where depth = 0").fetchone()
    (root,) = connection.execute("select execution_id from execution where number = ?", (last,)).fetchone()
    (highest,) = connection.execute("select max(number) from execution").fetchone()
    connection.execute("begin immediate")
    tables = connection.execute("select name, wr from pragma_table_list where type = 'table'").fetchall()
    for name, without_rowid in tables:
        columns = [str(row[1]) for row in connection.execute(f"pragma table_info({name})")]
        statement = _copy(str(name), columns, order="" if without_rowid else f"order by copy, {name}.rowid")
        if statement:
            values = {"copies": copies, "first": last, "trees": highest - last + 1, "root": root}
            connection.execute(statement, values | {"kept": root[:_ID_KEPT]})
    connection.execute("commit")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()


def _copy(table: str, columns: list[str], *, order: str) -> str:
    """The statement that copies what a table has of the tree; empty for a table that has nothing of executions."""
    shift, fresh = "+ copy * :trees", ":kept || printf('%08d', copy)"
    values: dict[str, str] = {}
    for column in columns:
        match column:
            case "number":
                values[column] = f"{column} {shift}" if table == "execution" else "null"
            case "execution":
                values[column] = f"{column} {shift}"
            case "execution_id" | "body":
                values[column] = f"cast(replace({column}, :root, {fresh}) as {'blob' if column == 'body' else 'text'})"
            case _:
                values[column] = column
    if table == "execution":
        where = "number >= :first"
    elif "execution" in columns:
        where = "execution >= :first"
    else:
        return ""
    return f"""
    with recursive counter(copy) as (select 1 union all select copy + 1 from counter where copy < :copies)
    insert into {table} ({", ".join(columns)})
    select {", ".join(values.values())} from counter cross join {table} where {where} {order}"""
