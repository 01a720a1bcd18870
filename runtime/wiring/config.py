"""The configuration file, `obelisk.toml`: text → one frozen `Config`, or a ConfigError naming file and key.

Pure: nothing here opens a file. Every key has a default, so an empty text is a valid configuration. Relative paths are
resolved against the folder of the file. Durations end in their unit.

    [server]                        # the HTTP gateway
    listen = "127.0.0.1:8080"
    [store]
    path = ".obelisk/obelisk.sqlite"
    [cache]                         # compiled components
    path = ".obelisk/cache"
    [executor]
    hot_workflows = 8000
    [client]                        # what the command line asks
    url = "http://127.0.0.1:8080"
    [http]                          # what components may be allowed, with [secrets.NAME], [directories.NAME]: `access`
    [build.fibo]                    # for `obelisk build`; keys as in `BuildConfig`
    language = "python"
    source = "fibo/app.py"
    world = "demo:fibo-worlds/activity"
    [worker.payments]               # started with the server; keys as in `WorkerConfig`
    module = "payments.worker"
    [component.orders]              # built and deployed: Python that imports and implements interfaces of wit/
    source = "src/orders.py"
    [component.fibo]                # deployed at start; further keys as in `settings.ComponentSettings`
    path = "fibo.wasm"
    max_retries = 3
    [component.payments]            # one that workers outside run, or a stub: WIT alone
    wit = "wit/payments"
    kind = "external"
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.ports.access import Ceiling, DirectorySource, SecretSource, ServerHttp
from obelisk.runtime.ports.claims import is_label
from obelisk.runtime.wiring.builds import BuildConfig, read_builds
from obelisk.runtime.wiring.tables import Section, convert, refusal

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?\Z")

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]


class ServerConfig(Section, frozen=True, kw_only=True):
    """``[server]``: where HTTP listens, how long a call waits (by default, at most), how long a stream of events lasts
    before its client has to come back, how large a body may be and how long it may take, how large a component that is
    deployed over HTTP may be.

    Who may ask (docs/security.md): `auth` "auto" needs tokens where there are some, "required" always; `token_file`
    keeps them; `hosts` are names of this server in addition to those of the loopback; `cors_origins` are origins of web
    pages that may ask, "*" all; `max_in_flight` and `max_rate` (requests a second, 0: no bound) are for each client.
    Clients hold at most `max_connections`, and never more than half of the files that the process may have open;
    `max_connections_per_client` of one address (0: half of all). `trusted_proxies` are addresses and networks
    (``10.0.0.0/8``) of proxies: where a request of theirs comes from is what they say in ``X-Forwarded-For``.
    """

    listen: str = "127.0.0.1:8080"
    default_wait_s: Seconds = 30.0
    max_wait_s: Seconds = 300.0
    max_follow_s: Seconds = 3600.0
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 30)] = 1 << 20
    max_component_bytes: Annotated[int, msgspec.Meta(ge=1, le=900_000_000)] = 1 << 28  # a row has 1 GB at most
    body_timeout_s: Seconds = 30.0
    auth: Literal["auto", "required"] = "auto"
    token_file: str = ".obelisk/tokens.json"
    hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    max_in_flight: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1000
    max_rate: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 0.0
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    max_connections_per_client: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    trusted_proxies: tuple[str, ...] = ()


class StoreConfig(Section, frozen=True, kw_only=True):
    """``[store]``: the database file, how many executions may wait in it for an executor, and what a submission beyond
    that does: it is refused ("reject"), or takes the place of the one that waits the longest ("evict-oldest").
    `log_bytes` of what one execution's guests log and write to their standard streams are kept, the newest.
    `keep_finished_hours` after they finished, executions are deleted with all their children (0: never)."""

    path: str = ".obelisk/obelisk.sqlite"
    max_pending: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 100_000
    when_full: Literal["reject", "evict-oldest"] = "reject"
    log_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 30)] = 4 << 20
    keep_finished_hours: Annotated[float, msgspec.Meta(ge=0, le=876_000)] = 0.0


class CacheConfig(Section, frozen=True, kw_only=True):
    """``[cache]``: the folder of compiled components; it may be deleted at any time. When a process starts, what was
    not used for `keep_days` goes, then what was not used the longest beyond `max_bytes`."""

    path: str = ".obelisk/cache"
    max_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)] = 4 << 30
    keep_days: Annotated[float, msgspec.Meta(ge=0, le=36_500)] = 60.0


class ExecutorConfig(Section, frozen=True, kw_only=True):
    """``[executor]``: how many workflows stay in memory while they wait, how many attempts of activities are under way
    at once, and on how many threads those run that compute: unless it is said, one less than there are processors and
    at least one, so that one is left for everything else. `lease_ms` after an executor was last heard of, others take
    its work; `poll_ms` is how often it looks for work that another process left, `grace_ms` how long attempts get to
    end when it stops. `labels` are what it offers to components that ask for some. `max_depth` is how many ancestors an
    execution may have: a workflow that asks for a child deeper than that traps. `max_family` is how
    many executions a workflow, its descendants and all that these schedule may ask for together, since the server
    began: a guest that asks for one more traps. `linger_ms` is how long a workflow that is unloaded when it waits
    (`hot = false`, or a tenth of it under `max_concurrent`) stays in memory for a child that is run here, or a delay
    that ends in half that time (0: it is unloaded at once)."""

    hot_workflows: Annotated[int, msgspec.Meta(ge=1, le=16_000)] = 8_000
    activities: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000
    threads: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    lease_ms: Milliseconds = 10_000
    poll_ms: Milliseconds = 500
    grace_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 5_000
    labels: tuple[str, ...] = ()
    max_depth: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 64
    max_family: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    linger_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 250


class ClientConfig(Section, frozen=True, kw_only=True):
    """``[client]``: the server that commands ask, by default the one of ``[server]``, and the token they show it."""

    url: str | None = None
    token: str | None = None


class TracingConfig(Section, frozen=True, kw_only=True):
    """``[tracing]``: where spans are sent, by OTLP over HTTP, as ``http://127.0.0.1:4318/v1/traces`` (empty: nothing is
    traced; needs the extra `tracing`), as which `service`, and which `ratio` of the calls that bring no context of
    their own."""

    endpoint: str = ""
    service: str = "obelisk"
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


class WorkerConfig(Section, frozen=True, kw_only=True):
    """``[worker.NAME]``: a process that `obelisk server run` starts, starts again when it ends, and stops: one of them.

    `command` is the program and its arguments, `module` a Python module to be run as `obelisk worker run` does. It runs
    in the folder of the file; ``OBELISK_URL`` in its environment is this server, and its output goes to the server's
    log. Where the server has tokens, ``OBELISK_TOKEN`` is one of the scope work, made for its workers alone and until
    the server ends.
    """

    command: tuple[str, ...] = ()
    module: str = ""


class File(Section, frozen=True, kw_only=True):
    """The whole file, table by table."""

    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    cache: CacheConfig = CacheConfig()
    executor: ExecutorConfig = ExecutorConfig()
    client: ClientConfig = ClientConfig()
    tracing: TracingConfig = TracingConfig()
    http: ServerHttp = ServerHttp()
    # Open tables by name: each is read by itself, so that what is wrong is named.
    secrets: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    directories: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    component: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    build: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    worker: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentConfig:
    """``[component.NAME]``: a file to deploy at start and its settings as they stand there. `is_wit`: `path` is that of
    WIT, a file or the folder of a package; the component has no code."""

    name: str
    path: Path
    is_wit: bool = False
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, checked. `host` and `port` are `[server] listen`; `folder` is what relative paths start from."""

    folder: Path
    host: str
    port: int
    server: ServerConfig
    store: StoreConfig
    executor: ExecutorConfig
    client: ClientConfig
    tracing: TracingConfig
    database: Path
    cache: Path
    cache_bounds: CacheConfig
    ceiling: Ceiling
    tokens: Path
    components: tuple[ComponentConfig, ...]
    builds: Mapping[str, BuildConfig]
    workers: Mapping[str, WorkerConfig]


def parse(text: str, *, file: Path) -> Config:
    """Read the text of `file` (it is not opened). ConfigError with fields ``file`` and, where there is one, ``key``."""
    try:
        return _parse(text, file.parent)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error.message}", **{**error.fields, "file": str(file)}) from None


def _parse(text: str, folder: Path) -> Config:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    read = convert(table, File, "")
    host, port = parse_listen(read.server.listen, where="server.listen")
    if read.server.default_wait_s > read.server.max_wait_s:
        raise refusal("server.default_wait_s", "must not be greater than server.max_wait_s")
    for proxy in read.server.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise refusal(
                "server.trusted_proxies", f'expected addresses and networks as "10.0.0.0/8" ({error})'
            ) from None
    for label in read.executor.labels:
        if not is_label(label):
            raise refusal("executor.labels", f'"{label}" is no label')
    return Config(
        folder=folder,
        host=host,
        port=port,
        server=read.server,
        store=read.store,
        executor=read.executor,
        client=read.client,
        tracing=read.tracing,
        database=folder / read.store.path,
        cache=folder / read.cache.path,
        cache_bounds=read.cache,
        ceiling=_ceiling(read, folder),
        tokens=folder / read.server.token_file,
        components=tuple(_component(name, keys, folder) for name, keys in read.component.items()),
        builds=read_builds(read.build, read.component),
        workers={name: _worker(name, keys) for name, keys in read.worker.items()},
    )


def _ceiling(read: File, folder: Path) -> Ceiling:
    secrets = {name: convert(keys, SecretSource, f"secrets.{name}") for name, keys in read.secrets.items()}
    folders = {name: convert(keys, DirectorySource, f"directories.{name}") for name, keys in read.directories.items()}
    ceiling = Ceiling(
        http=read.http,
        secrets={
            name: msgspec.structs.replace(secret, file=secret.file and str(folder / secret.file))
            for name, secret in secrets.items()
        },
        directories={
            name: msgspec.structs.replace(found, path=found.path and str(folder / found.path))
            for name, found in folders.items()
        },
    )
    ceiling.check()
    return ceiling


def _worker(name: str, keys: object) -> WorkerConfig:
    where = f"worker.{name}"
    read = convert(keys, WorkerConfig, where)
    if bool(read.command) == bool(read.module):
        raise refusal(where, 'expected either command, as ["node", "worker.js"], or module, as "payments.worker"')
    return read


def parse_listen(text: str, *, where: str) -> tuple[str, int]:
    """``HOST:PORT`` (IPv6 in brackets; port 0 is any free one) as a pair; ConfigError that starts with `where`."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host.startswith("[") and host.endswith("]")
    valid_port = port.isascii() and port.isdecimal() and int(port[:6]) <= 65_535
    if not colon or not bare or not valid_port or (":" in bare) != bracketed:
        raise ConfigError(f'{where}: expected "HOST:PORT", as "127.0.0.1:8080", found "{text}"', key="server.listen")
    return bare, int(port)


def _component(name: str, keys: object, folder: Path) -> ComponentConfig:
    where = f"component.{name}"
    if not is_component_name(name):
        raise refusal(where, "a component's name has letters, digits, dots, dashes and underscores, at most 64")
    if not isinstance(keys, dict):
        raise refusal(where, f"expected a table [{where}]")
    table = msgspec.convert(keys, dict[str, object])
    wit = table.pop("wit", None)
    path = table.pop("path", f"build/{name}.wasm" if table.pop("source", None) is not None else None)
    if path is not None and wit is not None:
        raise refusal(f"{where}.wit", "either path or wit, not both")
    if wit is not None and table.get("kind") not in ("external", "stub"):
        raise refusal(f"{where}.kind", 'what is WIT alone has the kind "external" or "stub"')
    if wit is None and table.get("kind") == "external":
        raise refusal(f"{where}.wit", "expected the path of the WIT, a file or the folder of a package")
    found, key, what = (path, "path", "a component file") if wit is None else (wit, "wit", "a .wit file or a package")
    if not isinstance(found, str) or not found:
        raise refusal(f"{where}.{key}", f"expected the path of {what}")
    check_settings(table, where=where)
    return ComponentConfig(name=name, path=folder / found, is_wit=wit is not None, settings=table)


def check_settings(settings: Mapping[str, object], *, where: str) -> None:
    """Refuse settings of a component that are none; ConfigError naming the key below `where`."""
    read = convert(settings, ComponentSettings, where)
    ComponentSettings.read(msgspec.json.encode(read), where)


def is_component_name(name: str) -> bool:
    """Whether a component may be deployed under that name."""
    return _NAME.match(name) is not None
