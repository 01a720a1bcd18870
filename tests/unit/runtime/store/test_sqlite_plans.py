"""No statement walks through what has finished: each finds its rows by a key or by an index that holds little else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from obelisk.runtime.ports.store import Query
from obelisk.runtime.store.sqlite import batch as sqlite_batch
from obelisk.runtime.store.sqlite import lines as sqlite_lines
from obelisk.runtime.store.sqlite import listing as sqlite_listing
from obelisk.runtime.store.sqlite import operations as sqlite_operations
from obelisk.runtime.store.sqlite import pruning as sqlite_pruning
from obelisk.runtime.store.sqlite import rows as sqlite_rows
from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.store.sqlite import waiting as sqlite_waiting

FEW = ("waiting", "component", "component_binary", "lease", "json_each", "(subquery-3)")
"""What may be walked through: the functions that have something pending, what is deployed, executors, what is
named, the functions and builds in use."""
MODULES = (sqlite_batch, sqlite_lines, sqlite_listing, sqlite_operations, sqlite_pruning, sqlite_rows, sqlite_waiting)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite_schema.open_writer(tmp_path / "store.db", 1)
    yield opened
    opened.close()


def plan(connection: sqlite3.Connection, sql: str, values: dict[str, object] | None = None) -> list[str]:
    given = values if values is not None else (None,) * sql.count("?")
    return [row[3] for row in connection.execute(f"explain query plan {sql}", given)]


def statements() -> list[tuple[str, str]]:
    """Every constant of the store's modules that is a statement."""
    found: list[tuple[str, str]] = []
    for module in MODULES:
        for name, value in vars(module).items():
            if (
                isinstance(value, str)
                and value.split()[:1]
                and value.split()[0] in ("select", "update", "delete", "with")
            ):
                found.append((f"{module.__name__.rpartition('.')[2]}.{name}", value))
    return found


def test_there_are_statements_to_look_at() -> None:
    assert len(statements()) > 20


@pytest.mark.parametrize(("name", "sql"), statements())
def test_no_statement_scans(connection: sqlite3.Connection, name: str, sql: str) -> None:
    for step in plan(connection, sql):
        if step.startswith("SCAN"):
            assert step.split()[1] in FEW, (name, step)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (Query(), "SCAN execution"),
        (Query(top_level_only=True), "execution_top_level (depth=?"),
        (Query(top_level_only=True, ffqn_prefix="a"), "execution_top_level (depth=?"),
        (Query(parent="E_1"), "sqlite_autoindex_execution_1 (execution_id>? AND execution_id<?)"),
        (Query(tags=("a=b", "c=d")), "tag USING PRIMARY KEY (text=?)"),
        (Query(tags=("a=b",), cursor="ZXhlY3V0aW9ucy1iZWZvcmU6MTI="), "tag USING PRIMARY KEY (text=? AND execution<?)"),
        (Query(status="locked"), "execution_open (status=?"),
        (Query(status="paused"), "execution_open (status=?"),
        (Query(status="blocked_by_join_set", ffqn_prefix="a"), "execution_open (status=?"),
        (Query(status="awaiting_result"), "execution_awaiting"),
        (Query(status="finished"), "SCAN execution"),
    ],
)
def test_listings_use_the_index_made_for_them(connection: sqlite3.Connection, query: Query, index: str) -> None:
    first = plan(connection, *sqlite_listing.listing(query))[0]
    assert index in first, first


@pytest.mark.parametrize(
    "query", [Query(), Query(tags=("a=b", "c=d")), Query(top_level_only=True), Query(status="finished")]
)
def test_the_common_listings_sort_nothing(connection: sqlite3.Connection, query: Query) -> None:
    assert not any("TEMP B-TREE" in step for step in plan(connection, *sqlite_listing.listing(query)))


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (Query(), "USING INDEX execution_ended (finished_at_us"),
        (Query(ffqn_prefix="a", result_kind="ok"), "USING INDEX execution_ended (finished_at_us"),
        (Query(tags=("a=b",)), "tag USING PRIMARY KEY (text=?)"),
    ],
)
def test_old_trees_are_found_by_when_they_ended_or_by_their_tags(
    connection: sqlite3.Connection, where: Query, index: str
) -> None:
    steps = plan(connection, *sqlite_pruning.roots_of(1, 0, where))
    assert index in steps[0]
    assert not any("TEMP B-TREE" in step for step in steps)
