"""What components may reach, as it is configured: read whole, refused with the key."""

import json
from pathlib import Path

import pytest

from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.ports.access import ComponentHttp, DirectorySource, HttpRule
from obelisk.runtime.wiring.config import parse

FILE = Path("/etc/obelisk/obelisk.toml")
COMPONENT = '[component.a]\npath = "a.wasm"\n'
WHOLE = """
[[http.allow]]
host = "*.example.com"
schemes = ["http", "https"]
ports = [80, 443]
networks = ["10.0.0.0/8", "fd00::/8"]
[secrets.github]
env = "GITHUB_TOKEN"
hosts = ["api.github.com"]
headers = ["authorization"]
[secrets.card]
file = "keys/card"
hosts = ["pay.example.com"]
query = ["key"]
body = true
[directories.reports]
path = "../reports"
write = true
[component.a]
path = "a.wasm"
env = { REGION = "eu" }
secrets = { TOKEN = "github" }
directories = { "/out" = "reports" }
[component.a.http]
connect_timeout_ms = 5
[[component.a.http.allow]]
host = "api.example.com"
methods = ["GET"]
path = "/v1/.*"
"""


def test_every_key_is_read() -> None:
    config = parse(WHOLE, file=FILE)
    (rule,) = config.ceiling.http.allow
    assert (rule.host, rule.ports, rule.networks) == ("*.example.com", (80, 443), ("10.0.0.0/8", "fd00::/8"))
    assert config.ceiling.secrets["github"].env == "GITHUB_TOKEN"
    assert config.ceiling.secrets["card"].file == "/etc/obelisk/keys/card"
    assert config.ceiling.directories == {"reports": DirectorySource(path="/etc/obelisk/../reports", write=True)}
    (component,) = config.components
    settings = ComponentSettings.read(json.dumps(component.settings), "component.a")
    access = settings.access("component.a")
    assert access.environment == {"REGION": "eu"}
    assert (access.secrets, access.directories) == ({"TOKEN": "github"}, {"/out": "reports"})
    allowed = HttpRule(host="api.example.com", methods=("GET",), path="/v1/.*")
    assert access.http == ComponentHttp(connect_timeout_ms=5, allow=(allowed,))
    assert access.first_key == "component.a.env"
    assert ComponentSettings().access("component.a").first_key is None


def rule(text: str) -> str:
    return f"[[http.allow]]\n{text}"


def secret(text: str) -> str:
    return f"[secrets.s]\n{text}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rule("ports = [1]"), "http.allow[0]: missing the key `host`"),
        (rule('host = "a"\nport = 1'), "http.allow[0].port: unknown key; did you mean ports?"),
        (rule('host = "a"\nports = [0]'), "http.allow[0].ports[0]: expected `int` >= 1"),
        (rule('host = "A.b"'), "http.allow[0].host: expected a host name in lower case, an address, or *"),
        (rule('host = "http://a"'), "http.allow[0].host: expected a host name in lower case, an address, or *"),
        (rule('host = "a"\nschemes = ["ftp"]'), "http.allow[0].schemes: expected http, https or both"),
        (rule('host = "a"\nmethods = ["get"]'), "http.allow[0].methods: expected methods in capital letters"),
        (rule('host = "a"\npath = "("'), "http.allow[0].path: expected a regular expression that RE2 can match, "),
        (rule('host = "a"\npath = "(?!b)a"'), "http.allow[0].path: expected a regular expression that RE2 can match, "),
        (
            rule("host = \"a\"\npath = '(a)\\1'"),
            "http.allow[0].path: expected a regular expression that RE2 can match, ",
        ),
        (rule('host = "a"\nnetworks = ["10.0.0.1/8"]'), 'http.allow[0].networks: expected networks as "10.0.0.0/8" ('),
        (secret('hosts = ["a"]\nheaders = ["x"]'), "secrets.s: expected either env or file"),
        (secret('env = "A"\nfile = "b"\nhosts = ["a"]'), "secrets.s: expected either env or file"),
        (secret('env = "A"\nhosts = []\nbody = true'), "secrets.s.hosts: expected the hosts that it may go to"),
        (secret('env = "A"\nhosts = ["*"]\nbody = true'), "secrets.s.hosts: expected host names in lower case"),
        (secret('env = "A"\nhosts = ["a"]'), "secrets.s: expected headers, query or body, where it may stand"),
        (secret('env = "A"\nhosts = ["a"]\nheaders = ["X"]'), "secrets.s.headers: expected names of headers in"),
        (secret('value = "geheim"\nhosts = ["a"]'), "secrets.s.value: unknown key; known here: hosts, env, file"),
        ("[directories.d]\nwrite = true", "directories.d: missing the key `path`"),
        ("[directories.d]\npath = ''", "directories.d.path: expected the path of a folder"),
        (f'{COMPONENT}env = {{ "A-B" = "c" }}', "component.a.env.A-B: expected the name of a variable"),
        (f'{COMPONENT}env = {{ A = "c" }}\nsecrets = {{ A = "s" }}', "component.a.env.A: expected env or secrets, not"),
        (f'{COMPONENT}directories = {{ "../up" = "d" }}', 'component.a.directories."../up": expected an absolute'),
        (f'{COMPONENT}directories = {{ "/a/../b" = "d" }}', 'component.a.directories."/a/../b": expected an absolute'),
        (f"{COMPONENT}[component.a.http]\nalow = []", "component.a.http.alow: unknown key; did you mean allow?"),
        (
            f'{COMPONENT}[[component.a.http.allow]]\nhost = "a b"',
            "component.a.http.allow[0].host: expected a host name",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_key(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text, file=FILE)
    assert refused.value.message.removeprefix(f"{FILE}: ").startswith(expected)
    assert str(refused.value.fields["key"]) in expected
