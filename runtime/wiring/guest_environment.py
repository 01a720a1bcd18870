"""What guests see of the world outside, put together from the configuration, the host's capabilities and their run.

A workflow gets the clock and the randomness of its execution log (`workers.recorded`), and nothing around it.
An activity gets the machine's clock and randomness, and of the rest what both its component and the server allow
(`access`). What it prints is kept among its lines (`workers.guest_output`), as is why a request of its came to nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets as tokens
import ssl
import threading
from collections.abc import Callable
from functools import cached_property, partial
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from obelisk.runtime import patterns
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.host.guests import Wasi
from obelisk.runtime.host.wasi.capabilities import Directory, WasiEnvironment
from obelisk.runtime.host.wasi.driving import NewGuest
from obelisk.runtime.host.wasi.folder_room import FolderRoom, NestedRoom, Room
from obelisk.runtime.host.wasi.guests import ActivityGuest, WorkflowGuest
from obelisk.runtime.host.wasi.http.client import HttpClient, Sender, Watched
from obelisk.runtime.host.wasi.http.exchange import HttpLimits
from obelisk.runtime.host.wasi.http.fields import is_value
from obelisk.runtime.host.wasi.http.messages import Head, HttpFailed, Request
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Rule
from obelisk.runtime.host.wasi.http.scrubbing import MAX_VALUE
from obelisk.runtime.host.wasi.http.secrets import Secret
from obelisk.runtime.host.wasi.memory import SharedMemory
from obelisk.runtime.host.wasi.system import SystemClock, SystemRandomness
from obelisk.runtime.log.lines import LEVELS
from obelisk.runtime.observe import tracing
from obelisk.runtime.patterns import Pattern
from obelisk.runtime.ports.access import Access, Ceiling, ComponentHttp, DirectorySource, HttpRule, SecretSource
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.recorded import RecordedClock, RecordedRandomness

_log = logging.getLogger(__name__)
_WARN: Final = LEVELS.index("warn")
MIN_SECRET: Final = 8
"""Bytes: a shorter value would be found by chance in what servers answer."""


class Outside:
    """The way out for the guests of one runtime. Made and closed on its event loop; components come on any thread.

    Without `execute` nothing will run: values of secrets are not read, so that a command line needs none.
    """

    def __init__(self, ceiling: Ceiling, *, execute: bool) -> None:
        self._ceiling, self._execute = ceiling, execute
        self._loop = asyncio.get_running_loop()
        self._policy = HttpPolicy(tuple(map(rule_of, ceiling.http.allow)), "http.allow")
        self._clients: dict[str, HttpClient] = {}
        self._rooms: dict[str, FolderRoom] = {}
        self._nests: dict[str, NestedRoom] = {}
        self._lock = threading.Lock()

    def wasi(self) -> Wasi:
        """Who makes the WASI of the guests."""
        return Wasi(activities=self._activities, workflows=lambda _: workflow_guest)

    async def close(self) -> None:
        """Cancel what is on its way and close every connection; after the last guest has ended."""
        for client in self._clients.values():
            await client.close()

    def _activities(self, access: Access) -> NewGuest:
        secrets = self._secrets(access)
        placeholders = ((name, secret.placeholder.decode()) for name, secret in secrets.items())
        environment = WasiEnvironment(
            variables=(*access.environment.items(), *placeholders), directories=self._directories(access)
        )
        client, carried = self._client(access), tuple(secrets.values())

        def new_guest(attempt: ActivityAttempt) -> ActivityGuest:
            tell = partial(attempt.output.message, _WARN)
            return ActivityGuest(
                attempt,
                SystemClock(),
                randomness=SystemRandomness(),
                output=attempt.output,
                environment=environment,
                http=Sender(client, carried, tell, _watch(attempt), attempt.when_covered),
                tell=tell,
                memory=SharedMemory(attempt.function.component.settings.max_host_bytes),
            )

        return new_guest

    # --- HTTP ------------------------------------------------------------------------------------------------------
    def _client(self, access: Access) -> HttpClient:
        """A component's client; an earlier one, of other settings, goes when its last exchange has ended."""
        own = HttpPolicy(tuple(map(rule_of, access.http.allow)), f"{access.where}.http.allow")
        tls = self._tls if any("https" in rule.schemes for rule in own.rules) else None
        client = HttpClient([own, self._policy], _limits(access.http), tls=tls, loop=self._loop)
        with self._lock:
            old, self._clients[access.where] = self._clients.get(access.where), client
        if old is not None:
            self._loop.call_soon_threadsafe(old.retire)
        return client

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Reads the certificates of the machine, which takes a while."""
        return ssl.create_default_context()

    # --- secrets ---------------------------------------------------------------------------------------------------
    def _secrets(self, access: Access) -> dict[str, Secret]:
        """By the variable that holds its placeholder."""
        found: dict[str, Secret] = {}
        for variable, name in access.secrets.items():
            source = self._ceiling.secrets.get(name)
            if source is None:
                raise ComponentError(f"{access.where}.secrets.{variable}: the server has no [secrets.{name}]")
            found[variable] = _secret(f"secrets.{name}", source, self._execute)
        return found

    # --- folders ---------------------------------------------------------------------------------------------------
    def _directories(self, access: Access) -> tuple[Directory, ...]:
        found: list[Directory] = []
        for name, source in access.directories.items():
            directory = self._ceiling.directories.get(source)
            if directory is None:
                raise ComponentError(f'{access.where}.directories."{name}": the server has no [directories.{source}]')
            if self._execute and not Path(directory.path).is_dir():
                raise ComponentError(f"directories.{source}.path: {directory.path} is no folder")
            room = self._room(source, directory) if directory.write else None
            found.append(Directory(name=name, path=directory.path, write=directory.write, room=room))
        return tuple(found)

    def _room(self, name: str, directory: DirectorySource) -> Room | None:
        """The room of a folder, one for all who write into it: its own, and those of the folders that it lies in."""
        around = [
            other
            for other, outer in self._ceiling.directories.items()
            if other != name and outer.write and _lies_in(directory.path, outer.path)
        ]
        with self._lock:
            rooms = [room for one in (name, *around) if (room := self._own_room(one)) is not None]
            if len(rooms) <= 1:
                return rooms[0] if rooms else None
            return self._nests.setdefault(name, NestedRoom(rooms))

    def _own_room(self, name: str) -> FolderRoom | None:
        directory = self._ceiling.directories[name]
        if not directory.max_bytes and not directory.max_entries:
            return None
        if name not in self._rooms:
            self._rooms[name] = FolderRoom(
                directory.path,
                max_bytes=directory.max_bytes,
                max_entries=directory.max_entries,
                key=f"directories.{name}",
            )
        return self._rooms[name]


def _lies_in(inner: str, outer: str) -> bool:
    """Whether a folder is in another one, or the same by another name."""
    real, around = os.path.realpath(inner), os.path.realpath(outer)
    return os.path.commonpath((real, around)) == around


def _watch(attempt: ActivityAttempt) -> Callable[[Request], Watched] | None:
    """Makes a span of every request of an attempt that is traced."""
    trace = tracing.below(attempt.created.trace, attempt.locked.run)
    if not trace:
        return None
    numbers = itertools.count(1)

    def watch(request: Request) -> Watched:
        start_us, name = attempt.context.now_us(), f"{attempt.locked.run} request {next(numbers)}"
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": request.authority,
            "url.path": request.path.partition("?")[0],
        }

        def ended(outcome: Head | HttpFailed | None) -> None:
            if isinstance(outcome, Head):
                attributes["http.response.status_code"] = outcome.status
            told = tracing.span(
                trace,
                of=name,
                name=f"{request.method} {request.authority}",
                kind="client",
                start_us=start_us,
                end_us=attempt.context.now_us(),
                attributes=attributes,
                error=str(outcome) if isinstance(outcome, HttpFailed) else "",
            )
            if told is not None:
                attempt.context.trace(told)

        return Watched(tracing.below(trace, name), ended)

    return watch


def _secret(key: str, source: SecretSource, execute: bool) -> Secret:
    return Secret(
        key=key,
        placeholder=f"secret_{tokens.token_hex(16)}".encode(),
        value=_value(key, source) if execute else bytes(MIN_SECRET),
        hosts=source.hosts,
        schemes=source.schemes,
        headers=source.headers,
        query=source.query,
        body=source.body,
    )


def _value(key: str, source: SecretSource) -> bytes:
    """A secret's value; ComponentError that says nothing of it."""
    if source.env:
        value = os.environb.get(source.env.encode())
        if value is None:
            raise ComponentError(f"{key}.env: the server's environment has no {source.env}")
    else:
        try:
            value = Path(source.file).read_bytes().removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise ComponentError(f"{key}.file: {source.file}: {error.strerror}") from None
    if len(value) < MIN_SECRET:
        raise ComponentError(f"{key}: the value has fewer than {MIN_SECRET} bytes")
    if len(value) > MAX_VALUE:
        raise ComponentError(f"{key}: the value has more than {MAX_VALUE} bytes")
    if not is_value(value):
        raise ComponentError(f"{key}: the value has line ends or other characters that no header may have")
    return value


def rule_of(setting: HttpRule) -> Rule:
    """The rule that a setting stands for."""
    return Rule(
        host=setting.host,
        schemes=setting.schemes,
        ports=setting.ports,
        methods=setting.methods,
        path=_pattern(setting.path) if setting.path else None,
        networks=tuple(map(ip_network, setting.networks)),
        trace=setting.trace,
    )


def _pattern(text: str) -> Pattern:
    """The expression of a rule. One that an earlier version accepted, and this one cannot match, allows nothing."""
    try:
        return patterns.compiled(text)
    except patterns.PatternInvalid as error:
        _log.warning("http.allow: the path %r allows nothing: RE2 cannot match it (%s); write it anew", text, error)
        return patterns.NOTHING


def _limits(settings: ComponentHttp) -> HttpLimits:
    return HttpLimits(
        connect_s=settings.connect_timeout_ms / 1000,
        first_byte_s=settings.first_byte_timeout_ms / 1000,
        between_bytes_s=settings.between_bytes_timeout_ms / 1000,
        response_bytes=settings.max_response_bytes,
        connections=settings.connections,
    )


def workflow_guest(calls: HostCalls) -> WorkflowGuest:
    """The WASI of a workflow's guest."""
    randomness = RecordedRandomness(calls)
    return WorkflowGuest(calls, RecordedClock(calls), randomness=randomness, output=calls.output, memory=calls.memory)
