"""What components may reach outside of themselves, as it is configured: HTTP, secrets, folders, environment. Pure.

Two sides say so, and both must: the server's operator in the sections `[http]`, `[secrets.NAME]` and
`[directories.NAME]`, and each component in its own. Neither allows anything unless it says so.

    [[http.allow]]                       # the server: the most that any component may
    host = "api.github.com"
    [secrets.github]
    env = "GITHUB_TOKEN"                 # or file = "/run/secrets/github": the value stands in no configuration
    hosts = ["api.github.com"]
    headers = ["authorization"]
    [directories.reports]
    path = "/srv/reports"
    write = true

    [component.stars]
    path = "stars.wasm"
    env = { REGION = "eu" }
    secrets = { GITHUB_TOKEN = "github" }          # a variable that holds a placeholder
    directories = { "/reports" = "reports" }       # where the guest finds it
    [[component.stars.http.allow]]
    host = "api.github.com"
    methods = ["GET"]
    path = "/repos/.*"
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec

from obelisk.runtime import patterns
from obelisk.runtime.errors import ConfigError

_HOST: Final = re.compile(r"(?:\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]{0,253}[a-z0-9_])?|[0-9a-f:.]{2,45})\Z")
_METHOD: Final = re.compile(r"[A-Z]{1,32}\Z")
_HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,256}\Z")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}\Z")
_GUEST_FOLDER: Final = re.compile(r"/(?:[^/\x00]+(?:/[^/\x00]+)*)?\Z")
_SCHEMES: Final = ("http", "https")

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
MAX_RESPONSE_BYTES: Final = 1 << 40
TimeoutMs = Annotated[int, msgspec.Meta(ge=1, le=3_600_000)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration; unknown keys are refused."""


class HttpRule(_Section, frozen=True, kw_only=True):
    """One entry of an `allow`: the requests it allows; an empty list is no restriction.

    `host` is a name, an address, ``*.example.com`` for every name below it, or ``*``. `ports` empty means the scheme's
    own. `path` is a regular expression of RE2 that the whole path, without the query, must match. `networks` are the
    private addresses (``10.0.0.0/8``) that the host may turn out to have; a `host` that is an address names itself.
    `trace`: an execution that is traced says so to the host, by the header ``traceparent``.
    """

    host: str
    schemes: tuple[str, ...] = ("https",)
    ports: tuple[Port, ...] = ()
    methods: tuple[str, ...] = ()
    path: str = ""
    networks: tuple[str, ...] = ()
    trace: bool = False

    def check(self, where: str, *, stored: bool = False) -> None:
        """ConfigError naming the key. `stored`: accepted by an earlier version, which took other expressions, too."""
        _require(_HOST.match(self.host) is not None, f"{where}.host", "a host name in lower case, an address, or *")
        _require(set(self.schemes) <= set(_SCHEMES) and bool(self.schemes), f"{where}.schemes", "http, https or both")
        for method in self.methods:
            _require(_METHOD.match(method) is not None, f"{where}.methods", "methods in capital letters")
        if not stored:
            try:
                patterns.compiled(self.path)
            except patterns.PatternInvalid as error:
                expected = (
                    f"a regular expression that RE2 can match, so without look-around and back-references ({error})"
                )
                raise _wrong(f"{where}.path", expected) from None
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise _wrong(f"{where}.networks", f'networks as "10.0.0.0/8" ({error})') from None


class ServerHttp(_Section, frozen=True, kw_only=True):
    """``[http]``: the requests that components may be allowed."""

    allow: tuple[HttpRule, ...] = ()


class ComponentHttp(_Section, frozen=True, kw_only=True):
    """``[component.NAME.http]``: the requests that a component may make, and the most that they may take.

    A guest may ask for shorter times. `connections`: at once, others wait; `max_response_bytes`: of one body.
    """

    allow: tuple[HttpRule, ...] = ()
    connect_timeout_ms: TimeoutMs = 10_000
    first_byte_timeout_ms: TimeoutMs = 60_000
    between_bytes_timeout_ms: TimeoutMs = 60_000
    connections: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    max_response_bytes: Annotated[int, msgspec.Meta(ge=1)] = 256 * 1024 * 1024


class SecretSource(_Section, frozen=True, kw_only=True):
    """``[secrets.NAME]``: where a secret's value comes from, and where it may go.

    `env` names a variable of the server's environment, `file` a file whose content, without a last line end, is the
    value. It goes to `hosts` (as in `HttpRule`) alone, by one of `schemes`, in the named `headers` and `query`
    parameters, and in the `body` if that says so.
    """

    hosts: tuple[str, ...]
    env: str = ""
    file: str = ""
    schemes: tuple[str, ...] = ("https",)
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    body: bool = False

    def check(self, where: str) -> None:
        """ConfigError naming the key."""
        _require(bool(self.env) != bool(self.file), where, "either env or file, which the value comes from")
        _require(bool(self.hosts), f"{where}.hosts", "the hosts that it may go to")
        for host in self.hosts:
            _require(_HOST.match(host) is not None and host != "*", f"{where}.hosts", "host names in lower case")
        _require(set(self.schemes) <= set(_SCHEMES) and bool(self.schemes), f"{where}.schemes", "http, https or both")
        for header in self.headers:
            _require(_HEADER.match(header) is not None, f"{where}.headers", "names of headers in lower case")
        _require(bool(self.headers or self.query or self.body), where, "headers, query or body, where it may stand")


class DirectorySource(_Section, frozen=True, kw_only=True):
    """``[directories.NAME]``: a folder of the server's that components may be given; read-only unless `write`.

    `max_bytes` and `max_entries` (files, folders and links) are the most that it may come to hold by what guests write
    (0: no bound); beyond that they get the error `quota`.
    """

    path: str
    write: bool = False
    max_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)] = 1 << 30
    max_entries: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 100_000

    def check(self, where: str) -> None:
        """ConfigError naming the key."""
        _require(bool(self.path), f"{where}.path", "the path of a folder")


_NO_REQUESTS: Final = ServerHttp()
_NO_HTTP: Final = ComponentHttp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one component asks for. `where` is its key in the configuration, for messages; `secrets` maps variables to
    names of secrets, `directories` the guest's folders to names of folders."""

    where: str = "component"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    http: ComponentHttp = _NO_HTTP
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    directories: Mapping[str, str] = field(default_factory=dict[str, str])

    def check(self, *, stored: bool = False) -> None:
        """ConfigError naming the key. `stored`: see `HttpRule.check`."""
        for name in (*self.environment, *self.secrets):
            key = f"{self.where}.{'env' if name in self.environment else 'secrets'}.{name}"
            _require(_VARIABLE.match(name) is not None, key, "the name of a variable")
            _require(not (name in self.environment and name in self.secrets), key, "env or secrets, not both")
        for name, value in self.environment.items():
            _require("\0" not in value, f"{self.where}.env.{name}", "a text without NUL")
        check_rules(self.http.allow, f"{self.where}.http.allow", stored=stored)
        fits = self.http.max_response_bytes <= MAX_RESPONSE_BYTES
        _require(fits, f"{self.where}.http.max_response_bytes", f"at most {MAX_RESPONSE_BYTES}")
        for folder in self.directories:
            is_plain = _GUEST_FOLDER.match(folder) is not None and not {".", ".."} & set(folder.split("/"))
            _require(
                is_plain, f'{self.where}.directories."{folder}"', 'an absolute path as the guest sees it, as "/data"'
            )

    @property
    def first_key(self) -> str | None:
        """A key by which it asks for anything, None when it asks for nothing."""
        asked = {
            "env": self.environment,
            "http": () if self.http == _NO_HTTP else (self.http,),
            "secrets": self.secrets,
            "directories": self.directories,
        }
        return next((f"{self.where}.{key}" for key, value in asked.items() if value), None)


NO_ACCESS: Final = Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most that any component may be given: the server's side."""

    http: ServerHttp = _NO_REQUESTS
    secrets: Mapping[str, SecretSource] = field(default_factory=dict[str, SecretSource])
    directories: Mapping[str, DirectorySource] = field(default_factory=dict[str, DirectorySource])

    def check(self) -> None:
        """ConfigError naming the key."""
        check_rules(self.http.allow, "http.allow")
        for name, secret in self.secrets.items():
            secret.check(f"secrets.{name}")
        for name, directory in self.directories.items():
            directory.check(f"directories.{name}")


def check_rules(rules: Sequence[HttpRule], where: str, *, stored: bool = False) -> None:
    """ConfigError naming the key."""
    for number, rule in enumerate(rules):
        rule.check(f"{where}[{number}]", stored=stored)


def _require(holds: bool, key: str, expected: str) -> None:
    if not holds:
        raise _wrong(key, expected)


def _wrong(key: str, expected: str) -> ConfigError:
    return ConfigError(f"{key}: expected {expected}", key=key)
