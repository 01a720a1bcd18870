"""Every parser of foreign text takes time in proportion to the text, however it is made.

Texts are a beginning, a short piece repeated many times, and an end, for all combinations of pieces that a grammar
cares about. One that is sixteen times as long may take sixty-four times as long at most; quadratic work takes 256
times. What is measured is the processor's time of this thread, the least of several tries, so that a loaded machine
changes nothing.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from obelisk.cli.connection.event_streams import frames
from obelisk.cli.sources import registries
from obelisk.codegen.binary.decoder import decode
from obelisk.codegen.diagnostics import Collector, render
from obelisk.codegen.model.names import Ffqn
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax import semver
from obelisk.codegen.syntax.formatter import format_text
from obelisk.gateway.auth.access import Access, host_name
from obelisk.gateway.auth.tokens import Tokens
from obelisk.gateway.document.operations import Operation, Parameter
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import requests, strict_json
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime import ids, patterns, tags
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.host.wasi.http import targets as http_targets
from obelisk.runtime.host.wasi.http.fields import is_value
from obelisk.runtime.observe import tracing
from obelisk.runtime.ports.guest import Trapped, TrapReason
from obelisk.runtime.store import rows
from obelisk.runtime.usecases.forking import replacing
from obelisk.runtime.wiring.config import check_settings
from obelisk.runtime.workers.tracebacks import explained

SMALL, FACTOR = 1024, 16
BOUND = 4 * FACTOR
FLOOR_S = 0.0002
"""Below this the small text's time is that of the call, not of the text."""
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    name: str
    parse: Callable[[str], object]
    pieces: tuple[str, ...]
    begins: tuple[str, ...] = ("",)
    ends: tuple[str, ...] = ("",)

    def shapes(self) -> Iterator[tuple[str, str, str]]:
        pumps = [*self.pieces, *map("".join, itertools.product(self.pieces, repeat=2))]
        yield from itertools.product(self.begins, dict.fromkeys(pumps), self.ends)


OPERATION = Operation(
    id="x",
    path="/x",
    tag="x",
    summary="x",
    parameters=tuple(
        Parameter(name=kind, kind=kind, description="") for kind in ("integer", "boolean", "text", "instant", "tags")
    ),
)
HOSTS = Access(hosts=frozenset({"localhost"}))
PATTERNS = [patterns.compiled(text) for text in ("/v1/(?:[a-z0-9]+-?)+", "(/.*)*x", "(a|aa|[^/]+/?)+")]


def header(text: str) -> None:
    requests.preference([text], GatewaySettings())
    for look in (requests.idempotency_key, requests.tags_of):
        with contextlib.suppress(Refusal):
            look([text])
    requests.is_json(text)
    tracing.read(text)
    Tokens().holder(text, 0)


def host(text: str) -> None:
    host_name(text)
    for look in (lambda: HOSTS.check_host(text), lambda: HOSTS.foreign_origin(text, "localhost")):
        with contextlib.suppress(Refusal):
            look()


def query(text: str) -> None:
    with contextlib.suppress(Refusal):
        OPERATION.read_query(text.encode())


def cursor(text: str) -> None:
    with contextlib.suppress(ObeliskError):
        rows.sequence_before(text)


def json_text(text: str) -> None:
    with contextlib.suppress(strict_json.JsonRefused):
        strict_json.decode(text.encode())


def name(text: str) -> None:
    ids.is_execution_id(text)
    ids.is_join_set_name(text)
    semver.is_version(text)
    tags.parse(text)
    with contextlib.suppress(ValueError):
        Ffqn.parse(text)


def path(text: str) -> None:
    for pattern in PATTERNS:
        pattern.matches(text)
    with contextlib.suppress(Exception):
        http_targets.split_authority(text)
    is_value(text.encode())


def settings(text: str) -> None:
    with contextlib.suppress(ObeliskError):
        check_settings({text: 1}, where="component.a")


def fork(text: str) -> None:
    """An execution that made as many ids as the text has room for, and told of each."""
    made = [f"E_01J{number:023}" for number in range(len(text) // 32)]
    told = replacing(dict.fromkeys(made, f"E_{'7' * 26}"))(" ".join(made).encode())
    assert told.count(b"E_7") == len(made)


def wit(text: str) -> None:
    file = SourceFile("x.wit", text)
    render(resolve_sources([file]).diagnostics)
    format_text(file, Collector())


PARSERS = (
    Parser(
        name="json",
        parse=json_text,
        pieces=("[", "]", "{", "}", '"', '\\"', "\\", ",", ":", "0", "9", "e", ".", "-", " ", "a", "NaN,", '"a":0,'),
        begins=("", "[" * 201, "[" * 201 + '"', '{"a":', '["', "[0."),
        ends=("", '"]', "]"),
    ),
    Parser(
        name="header",
        parse=header,
        pieces=(" ", '"', "\\", ",", ";", "=", "a", "a=", "wait=1", "0", "obk_", "00-", "application/json", "a=b,"),
        begins=("", "a=", 'a="', "application/json", "application/json;", "a=b"),
        ends=("", '"', "x", "\x00"),
    ),
    Parser(
        name="host",
        parse=host,
        pieces=("[", "]", ":", "/", "@", "a", "0", ".", "%", "://", "?", "#", "\\"),
        begins=("", "http://", "http://[", "["),
        ends=("", "]", ":80", "/"),
    ),
    Parser(
        name="query",
        parse=query,
        pieces=("a", "=", "&", "%", "%2", "%20", "+", ";", "0", "-", "T", ".", "a%3Db,"),
        begins=("", "integer=", "text=", "instant=2030-01-31T12:00:00.", "tags=a%3D"),
    ),
    Parser(name="cursor", parse=cursor, pieces=("0", "9", "-", "a", "=", "_", " ")),
    Parser(
        name="names",
        parse=name,
        pieces=("a", "A", "-", "0", "1", ".", ":", "/", "@", "+", "_", "a-", ".o:1_1", " ", ",", "a=b"),
        begins=("", "a:b/c@1.0.0-", "1.0.0-", "E_01J00000000000000000000000", "a:b/"),
        ends=("", "!", ".f"),
    ),
    Parser(
        name="settings",
        parse=settings,
        pieces=("a", "`", " - at `$", ".", "$", " ", "Object contains unknown field `"),
        ends=("", "`", "x"),
    ),
    Parser(name="ids in a log that is forked", parse=fork, pieces=("x" * 32,)),
    Parser(
        name="path",
        parse=path,
        pieces=("a", "/", "-", "0", ".", "%2e", "aa", " "),
        begins=("", "/v1/", "[", "a"),
        ends=("", "!", "]"),
    ),
    Parser(
        name="wit",
        parse=wit,
        pieces=("/*", "*/", "//", "\n", '"', "\\", "{", "}", "<", ">", "(", "a", "%", "@", "list<", "use a;", "x: u8,"),
        begins=(
            "",
            "package a:b;\n",
            "package a:b;\ninterface i { record r {",
            "package a:b;\ninterface i { type t = ",
        ),
    ),
    Parser(
        name="component",
        parse=lambda text: decode(b"\0asm\x0d\0\1\0" + text.encode("latin-1")),
        pieces=("\x00", "\x01", "\x07", "\x40", "\x42", "\x70", "\x7f", "\x80", "\xff", "a"),
        begins=("", "\x07\xff\x7f", "\x07\xff\x7f\xff\x01", "\x0a\xff\x7f"),
    ),
    Parser(
        name="stream of events",
        parse=lambda text: list(frames(text.encode().splitlines(keepends=True))),
        pieces=("data:", "id:", "\n", "\r", "a", ":", " "),
    ),
    Parser(
        name="what a guest said of its end",
        parse=lambda text: explained(Trapped(TrapReason.TRAPPED, "wasm trap", ""), text),
        pieces=(
            "Traceback (most recent call last):\n",
            "\nDuring handling of the above exception, another exception occurred:\n\n",
            '  File "/0/a.py", line 1, in f\n',
            " value: PyErr { type: <class 'E'>, value: E(",
            "thread '",
            "' panicked at ",
            "a",
            "\n",
        ),
        ends=("", ", traceback: None }", "), traceback: None }", "\nE: x\n"),
    ),
    Parser(
        name="challenge of a registry",
        parse=lambda text: dict(registries.CHALLENGE.findall(text)),
        pieces=("a", '"', "=", 'a="', ",", " "),
        begins=("", 'realm="'),
    ),
)


def seconds(parse: Callable[[str], object], text: str) -> float:
    begin = time.thread_time()
    parse(text)
    return time.thread_time() - begin


def is_linear(parse: Callable[[str], object], small: str, large: str) -> bool:
    small_s = large_s = float("inf")
    for _ in range(TRIES):
        small_s = min(small_s, seconds(parse, small))
        large_s = min(large_s, seconds(parse, large))
        if large_s <= BOUND * max(small_s, FLOOR_S):
            return True
    return False


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_time_grows_with_the_text(parser: Parser) -> None:
    for begin, pump, end in parser.shapes():
        small, large = (f"{begin}{pump * (length // len(pump))}{end}" for length in (SMALL, SMALL * FACTOR))
        assert is_linear(parser.parse, small, large), (begin, pump, end)


def test_quadratic_work_is_noticed() -> None:
    def look(text: str) -> None:
        for at in range(len(text)):
            text.count("b", at)

    assert not is_linear(look, "a" * SMALL, "a" * SMALL * FACTOR)
