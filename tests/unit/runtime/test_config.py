"""The configuration file: defaults, what every key means, and a clear refusal of everything else."""

from pathlib import Path

import msgspec
import pytest

from obelisk.runtime.catalog.settings import BOUNDS, ComponentSettings
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.host.wasi.http.policy import Target
from obelisk.runtime.wiring.builds import BuildConfig
from obelisk.runtime.wiring.config import parse, parse_listen
from obelisk.runtime.wiring.guest_environment import rule_of

FILE = Path("folder/obelisk.toml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text, file=FILE)
    assert refused.value.fields["file"] == str(FILE)
    message = refused.value.message
    assert message.startswith(f"{FILE}: ")
    return message.removeprefix(f"{FILE}: ")


def test_an_empty_file_is_a_configuration() -> None:
    config = parse("", file=FILE)
    assert (config.host, config.port) == ("127.0.0.1", 8080)
    assert config.database == Path("folder/.obelisk/obelisk.sqlite")
    assert config.cache == Path("folder/.obelisk/cache")
    assert config.components == ()


def test_every_section_is_read() -> None:
    config = parse(
        """
        [server]
        listen = "[::1]:0"
        default_wait_s = 2
        max_body_bytes = 10
        [store]
        path = "/var/lib/o.sqlite"
        max_pending = 5
        [executor]
        threads = 2
        [component."my.fibo"]
        path = "fibo.wasm"
        kind = "activity"
        max_retries = 0
        """,
        file=FILE,
    )
    assert (config.host, config.port) == ("::1", 0)
    assert (config.server.default_wait_s, config.server.max_body_bytes) == (2.0, 10)
    assert (config.database, config.store.max_pending) == (Path("/var/lib/o.sqlite"), 5)
    assert config.executor.threads == 2
    (component,) = config.components
    assert (component.name, component.path) == ("my.fibo", Path("folder/fibo.wasm"))
    assert component.settings == {"kind": "activity", "max_retries": 0}


def component(line: str) -> str:
    return f'[component.a]\npath = "p"\n{line}'


def beyond(key: str, bounds: str) -> str:
    return f"component.a.{key}: must lie in {bounds}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x =", "not TOML: Invalid value (at end of document)"),
        ("server = 3", "server: expected a table, got `int`"),
        ("[serve]", "serve: unknown key; did you mean server?"),
        ('[server]\nlissten = ""', "server.lissten: unknown key; did you mean listen?"),
        ("[cache]\nzz = 1", "cache.zz: unknown key; known here: path, max_bytes, keep_days"),
        ("[server]\nlisten = 80", "server.listen: expected `str`, got `int`"),
        ('[server]\nlisten = "80"', 'server.listen: expected "HOST:PORT", as "127.0.0.1:8080", found "80"'),
        ("[server]\nmax_wait_s = nan", "server.max_wait_s: expected `float` >= 0.0"),
        ("[server]\nmax_wait_s = 1", "server.default_wait_s: must not be greater than server.max_wait_s"),
        ("[executor]\nthreads = 0", "executor.threads: expected `int` >= 1"),
        ("component = 3", "component: expected a table, got `int`"),
        ("[component]\na = 3", "component.a: expected a table [component.a]"),
        ("[component.a]", "component.a.path: expected the path of a component file"),
        (
            '[component."a/b"]',
            "component.a/b: a component's name has letters, digits, dots, dashes and underscores, at most 64",
        ),
        ('[component.a]\npath = "p"\nmax_retry = 1', "component.a.max_retry: unknown key; did you mean max_retries?"),
        ('[component.a]\npath = "p"\nmax_retries = "x"', "component.a.max_retries: expected `int`, got `str`"),
        ('[component.a]\npath = "p"\nkind = 1979-05-27', "component.a.kind: expected `str`, got `date`"),
        (component("initial_backoff_ms = 9223372036854775000"), beyond("initial_backoff_ms", "0…315360000000")),
        (component("max_backoff_ms = 9223372036854775807"), beyond("max_backoff_ms", "0…315360000000")),
        (component("attempt_timeout_ms = 315360000001"), beyond("attempt_timeout_ms", "1…315360000000")),
        (component("attempt_timeout_ms = 0"), beyond("attempt_timeout_ms", "1…315360000000")),
        (component("total_timeout_ms = 18446744073709551616"), beyond("total_timeout_ms", "0…315360000000")),
        (component("max_retries = 1000001"), beyond("max_retries", "0…1000000")),
        (component("max_retries = -1"), beyond("max_retries", "0…1000000")),
        (component("max_concurrent = 99999999999"), beyond("max_concurrent", "0…1000000")),
        (component("max_pending = 99999999999"), beyond("max_pending", "0…1000000000")),
        (component("max_value_bytes = 1073741824"), beyond("max_value_bytes", "1024…134217728")),
        (
            component("http = { max_response_bytes = 9223372036854775807 }"),
            "component.a.http.max_response_bytes: expected at most 1099511627776",
        ),
        ("[store]\nmax_pending = 18446744073709551616", "store.max_pending: expected `int` <= 1000000000"),
        ("[cache]\nmax_bytes = 9223372036854775807", "cache.max_bytes: expected `int` <= 1125899906842624"),
        ("[server]\nmax_component_bytes = 1000000000", "server.max_component_bytes: expected `int` <= 900000000"),
        (
            '[directories.a]\npath = "p"\nmax_bytes = 9223372036854775807',
            "directories.a.max_bytes: expected `int` <= 1125899906842624",
        ),
        (
            '[directories.a]\npath = "p"\nmax_entries = 9223372036854775807',
            "directories.a.max_entries: expected `int` <= 1000000000",
        ),
        (
            '[component.a]\npath = "p"\nkind = "x"',
            "component.a.kind: expected one of workflow, activity, external, stub",
        ),
    ],
)
def test_what_is_refused_names_file_key_and_expectation(text: str, expected: str) -> None:
    assert refusal(text) == expected


@pytest.mark.parametrize("text", ["", ":1", "h:", "h:-1", "h:65536", "h:1x", "::1:80", "[h]:1", "h:٣", "[::1]"])
def test_listen_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--listen: expected"):
        parse_listen(text, where="--listen")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("localhost:0", ("localhost", 0)), ("0.0.0.0:65535", ("0.0.0.0", 65535)), ("[::]:1", ("::", 1))],
)
def test_listen_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text, where="--listen") == expected


def test_every_integer_of_a_component_has_bounds_that_its_default_keeps() -> None:
    fields = {field.name: field.default for field in msgspec.structs.fields(ComponentSettings)}
    assert set(BOUNDS) == {name for name, default in fields.items() if type(default) is int}
    assert all(low <= fields[name] <= high for name, (low, high) in BOUNDS.items())


def test_an_expression_that_was_stored_and_takes_too_long_allows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rule = {"host": "a", "path": "(?=/)/.*"}
    text = msgspec.json.encode({"http": {"allow": [rule]}})
    with pytest.raises(
        ConfigError, match=r"component\.a\.http\.allow\[0\]\.path: expected a regular expression that RE2"
    ):
        ComponentSettings.read(text, "component.a")
    settings = ComponentSettings.read(text, "component.a", stored=True)
    allowed = rule_of(settings.http.allow[0])
    assert not allowed.allows(Target(method="GET", scheme="https", host="a", port=443, path="/x"))
    assert "the path '(?=/)/.*' allows nothing" in caplog.text


def test_settings_that_were_stored_with_wider_bounds_are_taken_as_the_bound() -> None:
    old = (
        b'{"initial_backoff_ms": 9223372036854775000, "max_retries": 7, "http": {"max_response_bytes": 9000000000000}}'
    )
    settings = ComponentSettings.read(old, "component.a", stored=True)
    assert (settings.initial_backoff_ms, settings.max_retries) == (315_360_000_000, 7)
    assert settings.http.max_response_bytes == 1 << 40


def test_a_component_that_names_its_source_is_built() -> None:
    config = parse('[component.flow]\nsource = "src/flow.py"\nmax_retries = 3\n', file=FILE)
    (component,) = config.components
    assert (component.path, component.settings) == (Path("folder/build/flow.wasm"), {"max_retries": 3})
    assert config.builds == {"flow": BuildConfig(language="python", source="src/flow.py")}
    elsewhere = parse('[component.flow]\nsource = "flow.py"\npath = "out/f.wasm"\n', file=FILE)
    assert elsewhere.components[0].path == Path("folder/out/f.wasm")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[component.a]\nsource = "a.js"',
            'component.a.source: expected a file of Python, as "src/flow.py"; other languages have [build.a]',
        ),
        (
            '[component.a]\nsource = "a.py"\n[build.a]\nlanguage = "python"\nsource = "b.py"',
            "component.a.source: either a source here or [build.a], not both",
        ),
        (
            '[component.a]\npath = "a.wasm"\n[build.a]\nlanguage = "c"\nsource = "a.c"',
            "build.a.world: missing the key `world`: only that of Python follows from the code",
        ),
        (
            "[component.a]\nsource = 3",
            'component.a.source: expected a file of Python, as "src/flow.py"; other languages',
        ),
        (
            '[component.a]\nsource = "a.py"\nwit = "a.wit"\nkind = "stub"',
            "component.a.wit: either path or wit, not both",
        ),
    ],
)
def test_sources_that_are_refused(text: str, expected: str) -> None:
    assert refusal(text).startswith(expected)
