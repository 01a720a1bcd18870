"""What a file can do to the SQLite store: damaged, foreign, read-only, locked, full. Said clearly, all or nothing."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from obelisk.runtime.errors import StoreError
from obelisk.runtime.log import codec
from obelisk.runtime.log.events import JoinSetCreate
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Query, StoredComponent
from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.store.sqlite.store import SqliteStore
from store_bed import OTHER, E, Log, create, in_our_words, number_id, send

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def filled(path: Path) -> Path:
    """A closed database with an execution in it."""
    store = SqliteStore.open(path)
    log = Log(create())
    await send(store, create(), *(log.append(JoinSetCreate(join_set=f"g:{number}")) for number in range(400)))
    await store.close()
    return path


@pytest.fixture
def filled_once(path: Path) -> Path:
    """The same for tests without a loop."""

    async def fill() -> None:
        store = SqliteStore.open(path)
        await send(store, create())
        await store.close()

    asyncio.run(fill())
    return path


def refused(path: Path, reason: str, busy_timeout_s: float = 0.05) -> StoreError:
    """Opening fails for that reason, names the file and leaves it as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as error:
        SqliteStore.open(path, busy_timeout_s=busy_timeout_s)
    assert error.value.code == "store_unavailable"
    assert error.value.fields["reason"] == reason
    assert error.value.fields["path"] == str(path)
    assert str(path) in error.value.message
    assert in_our_words(error.value.message)
    assert (path.read_bytes() if path.is_file() else None) == before
    return error.value


# --- opening --------------------------------------------------------------------------------------------------------
async def test_a_new_file_is_made_and_an_old_one_kept(filled: Path) -> None:
    store = SqliteStore.open(filled)
    stored = await store.load(E)
    assert stored is not None
    assert len(stored.events) == 402
    await send(store, create(OTHER))
    await store.close()
    assert not filled.with_name("store.db-wal").exists()


async def test_an_empty_file_is_taken(path: Path) -> None:
    path.touch()
    store = SqliteStore.open(path)
    await send(store, create())
    await store.close()


@pytest.mark.parametrize("name", ["a b%20?x=1#y", "naïve ☃", "it's"])
async def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    store = SqliteStore.open(tmp_path / name)
    await send(store, create())
    assert len((await store.list(Query())).items) == 1
    await store.close()
    assert (tmp_path / name).stat().st_size > 0


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    refused(tmp_path / "none" / "store.db", "cannot_open")
    refused(tmp_path, "cannot_open")


@pytest.mark.parametrize("content", [b"not a database, " * 100, b"\0" * 4096, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "not_a_database")


def test_a_database_of_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table notes (text)")
    connection.close()
    refused(path, "foreign")


def test_an_empty_database_marked_by_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("pragma application_id = 7")
    connection.close()
    refused(path, "foreign")


async def test_a_database_of_a_later_version(filled: Path) -> None:
    latest = sqlite_schema.latest_version()
    connection = sqlite3.connect(filled)
    connection.execute(f"pragma user_version = {latest + 1}")
    connection.close()
    error = refused(filled, "newer_version")
    assert (error.fields["version"], error.fields["supported"]) == (latest + 1, latest)


async def test_logs_of_a_later_version(filled: Path) -> None:
    connection = sqlite3.connect(filled)
    connection.execute("update setting set value = ? where name = 'log_format'", (codec.SCHEMA_VERSION + 1,))
    connection.commit()
    connection.close()
    error = refused(filled, "newer_version")
    assert error.fields["supported"] == codec.SCHEMA_VERSION


async def test_a_damaged_schema(filled: Path) -> None:
    content = bytearray(filled.read_bytes())
    content[100:200] = b"\xa5" * 100
    filled.write_bytes(content)
    refused(filled, "corrupt")


async def test_damaged_pages_are_an_error_of_whoever_needs_them(filled: Path) -> None:
    connection = sqlite3.connect(filled)
    needed = "select pageno from dbstat where name in ('sqlite_schema', 'setting', 'sqlite_autoindex_setting_1')"
    kept = [int(row[0]) for row in connection.execute(needed)]
    size = int(connection.execute("pragma page_size").fetchone()[0])
    connection.close()
    content = bytearray(b"\xa5" * filled.stat().st_size)
    for page in kept:  # what opening needs is whole
        content[(page - 1) * size : page * size] = filled.read_bytes()[(page - 1) * size : page * size]
    filled.write_bytes(content)
    store = SqliteStore.open(filled)
    for attempt in (lambda: store.load(E), lambda: store.list(Query()), lambda: send(store, create(OTHER))):
        with pytest.raises(StoreError) as error:
            await attempt()
        assert error.value.fields["reason"] == "corrupt"
    await store.close()


async def test_a_truncated_file(filled: Path) -> None:
    with filled.open("r+b") as file:
        file.truncate(4096 * 3)
    refused(filled, "corrupt")


# --- permissions and limits, in a child process ----------------------------------------------------------------------
def in_child(action: Callable[[], str]) -> str:
    """What `action` says in a forked process, as a user whom permissions bind."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "the child failed"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            said = action()
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter and write to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
        folder.chmod(0o777)


def opening(path: Path) -> str:
    try:
        SqliteStore.open(path, busy_timeout_s=0.05)
    except StoreError as error:
        return f"{error.fields['reason']}: {error.message}"
    return "opened"


@pytest.mark.parametrize(
    ("mode", "folder_mode", "reason", "text"),
    [
        (0o666, 0o777, "opened", "opened"),
        (0o444, 0o777, "read_only", "this user may not read and write {path}; change its owner or its mode"),
        (0o444, 0o555, "read_only", "this user may not write to the folder {path.parent}, where files are kept with"),
        (0o666, 0o555, "read_only", "or name another place in [store] path"),
        (0o000, 0o777, "cannot_open", "this user may not read and write {path}; change its owner or its mode"),
    ],
)
def test_a_file_or_folder_that_may_not_be_written(
    filled_once: Path, public: Path, mode: int, folder_mode: int, reason: str, text: str
) -> None:
    path = public / "store.db"
    shutil.copy(filled_once, path)
    path.chmod(mode)
    public.chmod(folder_mode)
    before = path.read_bytes() if os.geteuid() == 0 or mode else b""
    said = in_child(lambda: opening(path))
    assert said.startswith(reason)
    assert text.format(path=path) in said
    assert in_our_words(said)
    if reason != "opened":
        public.chmod(0o777)
        path.chmod(0o666)
        assert not before or path.read_bytes() == before


def test_a_new_file_where_none_may_be_made(public: Path) -> None:
    public.chmod(0o555)
    said = in_child(lambda: opening(public / "store.db"))
    assert said.startswith(f"cannot_open: the database {public / 'store.db'} cannot be opened: this user may not write")
    assert list(public.iterdir()) == []


def test_a_write_that_fails_is_told_and_the_store_goes_on(public: Path) -> None:
    def scenario() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        return asyncio.run(write_against_a_limit(public / "store.db"))

    assert in_child(scenario) == "io, then written"


async def write_against_a_limit(path: Path) -> str:
    store = SqliteStore.open(path)
    await send(store, create(number_id(0)))
    size = path.with_name("store.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
    written, reason = 1, ""
    while not reason:
        try:
            await send(
                store, create(number_id(written)), create(f"{number_id(written)}.o:1_1", parent=number_id(written))
            )
            written += 1
        except StoreError as error:
            reason = str(error.fields["reason"])
    assert await store.summary(number_id(written)) is None
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await send(store, create(number_id(written)))
    await store.close()
    store = SqliteStore.open(path)
    assert len((await store.list(Query(top_level_only=True, limit=999))).items) == written + 1
    assert len((await store.list(Query(limit=999))).items) == 2 * written
    await store.close()
    return f"{reason}, then written"


# --- no room --------------------------------------------------------------------------------------------------------
async def test_a_full_database_fails_the_group_and_takes_work_when_there_is_room(path: Path) -> None:
    store = SqliteStore.open(path)
    await send(store, create(number_id(0)))
    connection = store._writer._connection  # pyright: ignore[reportPrivateUsage]  # no port lets one make it small
    connection.execute("pragma max_page_count = 120")
    large = StoredComponent(name="c", digest="d", kind="k", settings="{}", added_at_us=1)
    component = asyncio.ensure_future(store.put_components([(large, b"x" * 1_000_000)]))
    await asyncio.sleep(0)
    writes = [send(store, create(number_id(number))) for number in range(1, 7)]
    results = await asyncio.gather(component, *writes, return_exceptions=True)
    assert [error.fields["reason"] for error in results if isinstance(error, StoreError)] == ["full"] * 7
    assert [line.execution_id for line in (await store.list(Query())).items] == [number_id(0)]
    assert await store.components() == ()
    connection.execute("pragma max_page_count = 1000000")
    await asyncio.gather(*(send(store, create(number_id(number))) for number in range(1, 7)))
    await store.put_components([(large, b"x" * 1_000_000)])
    assert len((await store.list(Query())).items) == 7
    await store.close()
    store = SqliteStore.open(path)
    assert await store.component_binary("d") == b"x" * 1_000_000
    await store.close()


async def test_a_value_that_cannot_be_stored_fails_alone(path: Path) -> None:
    store = SqliteStore.open(path)
    fine = StoredComponent(name="fine", digest="d", kind="k", settings="", added_at_us=1)
    results = await asyncio.gather(
        send(store, create(number_id(0))),
        send(store, create(number_id(1), key="\ud800")),
        send(store, create(number_id(2), at_us=1 << 70)),
        send(store, create(number_id(3))),
        store.put_components([(fine, b"wasm"), (replace(fine, name="\ud800"), b"")]),
        send(store, create(number_id(4))),
        return_exceptions=True,
    )
    reasons = [error.fields["reason"] if isinstance(error, StoreError) else error for error in results]
    assert reasons == [None, "unstorable", "unstorable", None, "unstorable", None]
    messages = [error.message for error in results if isinstance(error, StoreError)]
    assert all(in_our_words(message) for message in messages)
    assert "needs more than 64 bits" in messages[1]
    assert "is not Unicode" in messages[0]
    assert len((await store.list(Query())).items) == 3
    assert await store.components() == ()
    await store.close()


# --- other programs -------------------------------------------------------------------------------------------------
async def test_a_database_that_another_program_has_locked(filled: Path) -> None:
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("begin exclusive")
    refused(filled, "locked")
    other.execute("rollback")
    other.close()


@pytest.mark.parametrize("inline_group", [0, 8])
async def test_another_writer_is_waited_for_off_the_loop(filled: Path, inline_group: int) -> None:
    store = SqliteStore.open(filled, busy_timeout_s=120, inline_group=inline_group)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("begin immediate")
    written = send(store, create(OTHER))
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not written.done()
    other.execute("rollback")
    await asyncio.wait_for(written, 120)
    other.close()
    await store.close()


@pytest.mark.parametrize("inline_group", [0, 8])
async def test_who_waits_too_long_is_told_and_the_store_goes_on(filled: Path, inline_group: int) -> None:
    store = SqliteStore.open(filled, busy_timeout_s=0.05, inline_group=inline_group)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StoreError) as error:
        await send(store, create(OTHER))
    assert error.value.fields["reason"] == "locked"
    assert await store.load(E) is not None  # readers wait for nobody
    other.execute("rollback")
    await send(store, create(OTHER))
    other.close()
    await store.close()


async def test_an_idle_claim_asks_for_no_lock(filled: Path) -> None:
    store = SqliteStore.open(filled, busy_timeout_s=0.05)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("begin immediate")
    assert await store.claim(Claim(executor="Exr_9", digests={"a:b/c.d": "d"}, limit=1, now_us=99, runs=("r",))) == ()
    other.execute("rollback")
    other.close()
    await store.close()
