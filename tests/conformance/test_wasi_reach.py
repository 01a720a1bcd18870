"""Folders, sockets and HTTP from guests in C, Rust, Python and JavaScript, beside wasmtime's own WASI.

The native side has a folder like it, and may reach the same server.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import wasmtime
from wasmtime.component import Linker

from obelisk.runtime.host.component import Compiled, ComponentCache
from obelisk.runtime.host.wasi.calls.http import WITH_HTTP
from obelisk.runtime.host.wasi.capabilities import Directory, WasiEnvironment
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.http.client import HttpClient
from obelisk.runtime.host.wasi.http.exchange import HttpLimits
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Rule
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import JsonValue, Returned
from test_wasi_python import LOOK
from wasi_builds import Guest, built
from wasi_runs import CACHE, ended, exported, prepared, run
from wasi_server import serving

REACH = exported("test:reach/probe@1.0.0", "look", LOOK.function.result, what=LOOK.function.params[0].type)
FILES = ("given", "files", "failures")
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
SOCKETS = ("tcp", "udp", "resolve")


def guest(name: str, source: str, world: str, *, fetches: bool = False) -> Guest:
    return Guest(name=name, source=source, wit="reach.wit", world=f"test:reach/{world}@1.0.0", fetches=fetches)


REACHING = (
    guest("c", "reach.c", "reaching"),
    guest("rust", "reach.rs", "fetching"),
    guest("python", "reach.py", "fetching"),
    guest("quickjs", "reach.js", "reaching"),
    guest("starlingmonkey", "reach.js", "reaching"),
)
CALLING = (
    guest("c", "call.c", "calling"),
    guest("rust", "call.rs", "calling"),
    guest("python", "call.py", "calling"),
)
FETCHING = guest("starlingmonkey", "fetch.js", "fetching", fetches=True)


@pytest.fixture(scope="module")
def compiled() -> Iterator[ComponentCache]:
    with Engine(activity_settings()) as engine:
        yield ComponentCache(engine, CACHE / "compiled")


def component(cache: ComponentCache, one: Guest) -> tuple[bytes, Compiled]:
    binary = built(one)
    return binary, cache.compile(binary)


def activity(client: object) -> ActivityGuest:
    assert client is None or isinstance(client, HttpClient)
    return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(1000), http=client)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Makes folders that are alike, each beside a file that no guest may reach."""

    def make() -> Path:
        given = tmp_path / str(len(list(tmp_path.iterdir()))) / "data"
        (given / "dir").mkdir(parents=True)
        (given.parent / "outside.txt").write_text("secret")
        (given / "plain.txt").write_text("plain")
        os.symlink("../outside.txt", given / "up")
        os.symlink("loop", given / "loop")
        return given

    yield make
    shutil.rmtree(tmp_path)


def natively(cache: ComponentCache, one: Guest, what: str, given: Path | None = None, *, http: bool = False) -> Any:
    """What the guest finds over wasmtime's WASI, by the public API."""
    made = component(cache, one)[1]
    engine = made.engine.raw
    linker, store = Linker(engine), wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    if given is not None:
        wasi.preopen_dir(str(given), "/data")
    linker.add_wasip2()
    store.set_wasi(wasi)
    store.set_epoch_deadline(1_000_000)
    if http:
        linker.add_wasi_http()
        store.set_wasi_http()
    instance = linker.instantiate(store, made.raw)
    interface = instance.get_export_index(store, REACH.interface)
    function = instance.get_func(store, cast("Any", instance.get_export_index(store, "look", interface)))
    assert function is not None
    return function(store, what)


def ours(cache: ComponentCache, one: Guest, what: str, given: Path | None = None) -> JsonValue:
    directories = () if given is None else (Directory(name="/data", path=str(given), write=True),)

    def with_folders(_context: object) -> ActivityGuest:
        environment = WasiEnvironment(directories=directories)
        output = BoundedOutput(1000)
        return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=output, environment=environment)

    polled = run(prepared(cache, built(one), [REACH], with_folders), REACH, what)
    assert isinstance(polled, Returned), polled
    return polled.value


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("one", REACHING, ids=lambda one: one.name)
def test_folders_are_as_native_wasi_has_them(
    compiled: ComponentCache, folder: Callable[[], Path], one: Guest, what: str
) -> None:
    mine, theirs = folder(), folder()
    assert ours(compiled, one, what, mine) == natively(compiled, one, what, theirs)
    assert sorted(path.name for path in mine.rglob("*")) == sorted(path.name for path in theirs.rglob("*"))
    assert (mine.parent / "outside.txt").read_text() == "secret"


@pytest.mark.parametrize(
    ("one", "what"),
    [
        # componentize-js has no class for a resource without functions, such as the network that names are resolved in.
        pytest.param(one, what, id=f"{one.name}-{what}")
        for one in REACHING
        for what in SOCKETS
        if one.name != "rust" and (one.name, what) != ("starlingmonkey", "resolve")
    ],
)
def test_sockets_are_refused_as_native_wasi_refuses_them(compiled: ComponentCache, one: Guest, what: str) -> None:
    in_c = {"tcp": "1,", "udp": "1,", "resolve": "20,"}
    in_javascript = {"tcp": "access-denied", "udp": "access-denied", "resolve": "permanent-resolver-failure"}
    found = ours(compiled, one, what)
    assert found == natively(compiled, one, what)
    if one.name != "python":
        assert found == (in_c if one.name == "c" else in_javascript)[what]


@pytest.mark.parametrize("one", REACHING, ids=lambda one: one.name)
def test_what_these_guests_find(compiled: ComponentCache, folder: Callable[[], Path], one: Guest) -> None:
    """The comparisons say nothing if both worlds are broken."""
    found = str(ours(compiled, one, "files", folder()))
    assert "b.txt" in found
    assert "one\ntw" in found.replace("\\n", "\n").lower()
    failures = str(ours(compiled, one, "failures", folder()))
    for code in {"c": ("44", "63", "32"), "rust": ("NotFound", "63"), "python": ("ENOENT", "EPERM")}.get(
        one.name, ("no-entry", "not-permitted")
    ):
        assert code in failures


# --- HTTP -----------------------------------------------------------------------------------------------------------
BODY = "x" * 60_000
REQUESTS = {
    "get": ("GET", "/echo?a=b", ""),
    "head": ("HEAD", "/echo", ""),
    "post": ("POST", "/back", "grüße"),
    "large": ("POST", "/back", BODY),
    "put": ("PUT", "/echo", ""),
    "cut": ("GET", "/cut", ""),
    "no-word": ("GET", "/bye", ""),
    "garbage": ("GET", "/garbage", ""),
    "redirect": ("GET", "/redirect", ""),
}


def asked(one: Guest, what: str, port: int) -> str:
    method, path, body = REQUESTS[what]
    where = f"http://127.0.0.1:{port}{path}" if one is FETCHING else f"127.0.0.1:{port} {path}"
    return f"{method} {where}{' ' if body else ''}{body}"


def both_ways(cache: ComponentCache, one: Guest, what: str) -> tuple[Any, Any, list[str]]:
    """What the guest gets over our WASI and over wasmtime's, and what the server saw of the headers it may set."""
    ready = prepared(cache, built(one), [REACH], activity, WITH_HTTP)

    async def beside() -> tuple[Any, Any, list[str]]:
        async with serving() as seen:
            rule = Rule(host="*", schemes=("http",), ports=(seen.port,), networks=LOOPBACK)
            client = HttpClient([HttpPolicy((rule,))], HttpLimits())
            try:
                polled = await asyncio.wait_for(ended(ready.start(REACH, [asked(one, what, seen.port)], client)), 120)
            finally:
                await client.close()
            assert isinstance(polled, Returned), polled
            native = await asyncio.to_thread(natively, cache, one, asked(one, what, seen.port), http=True)
            return polled.value, native, [headers.get("x-mine", "") for headers in seen.headers]

    return asyncio.run(beside())


def without_headers(value: Any) -> Any:
    """An echo of a request without its headers: clients are free in those they add."""
    head, found, echo = str(value).partition('"headers"')
    return (head, '"length"' in echo) if found else value


@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize("one", [*CALLING, FETCHING], ids=lambda one: one.name)
def test_http_is_as_native_wasi_has_it(compiled: ComponentCache, one: Guest, what: str) -> None:
    mine, theirs, seen = both_ways(compiled, one, what)
    if what == "no-word" and one is not FETCHING:
        # What a server that hangs up has broken is no rule of HTTP: we say that the connection ended.
        names = {
            "c": ("failed 7", "failed 35"),
            "rust": ("ConnectionTerminated", "HttpProtocolError"),
            "python": ("ErrorCode_ConnectionTerminated", "ErrorCode_HttpProtocolError"),
        }
        assert (mine, theirs) == names[one.name]
        return
    assert without_headers(mine) == without_headers(theirs)
    assert seen == ["a b", "a b"]
