"""Which server a command asks, and with which token: option, environment, configuration."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from command_line import obelisk
from obelisk.cli.connection.choosing import DEFAULT_URL, connect
from obelisk.cli.exit_status import ExitStatus


class Server:
    """Answers every request with an empty page and keeps what it was asked and with which token."""

    def __init__(self) -> None:
        seen: list[tuple[str, str | None]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append((self.path, self.headers["Authorization"]))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"items": [], "next_cursor": null}')

            def log_message(self, format: str, *args: object) -> None:
                return None

        self.seen = seen
        self.http = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Generator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever)
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.delenv("OBELISK_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


def asked(url: str | None = None, config: Path | None = None) -> str:
    return connect(url=url, token=None, direct=False, config_path=config).name


def test_without_anything_it_is_the_default() -> None:
    assert asked() == DEFAULT_URL


def test_a_configuration_says_where_its_server_listens() -> None:
    Path("obelisk.toml").write_text('[server]\nlisten = "[::]:81"')
    assert asked() == "http://[::1]:81"
    Path("obelisk.toml").write_text('[server]\nlisten = "0.0.0.0:81"')
    assert asked() == "http://127.0.0.1:81"
    Path("other.toml").write_text('[client]\nurl = "https://far.example/obelisk/"\n[server]\nlisten = "127.0.0.1:1"')
    assert asked(config=Path("other.toml")) == "https://far.example/obelisk"
    assert asked(url="http://near:1", config=Path("other.toml")) == "http://near:1"


def test_the_token_of_an_option_comes_before_that_of_the_environment_before_the_files(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("obelisk.toml").write_text(f'[client]\nurl = "{server.url}"\ntoken = "of-file"')
    for args in ((), ("--token", "of-option")):
        assert obelisk("execution", "list", *args).status == ExitStatus.OK
    monkeypatch.setenv("OBELISK_TOKEN", "of-environment")
    for args in ((), ("--token", "of-option"), ("--url", server.url)):
        assert obelisk("execution", "list", *args).status == ExitStatus.OK
    assert [token for _, token in server.seen] == [
        "Bearer of-file",
        "Bearer of-option",
        "Bearer of-environment",
        "Bearer of-option",
        "Bearer of-environment",
    ]


def test_a_token_of_a_file_goes_to_no_other_server(server: Server) -> None:
    Path("obelisk.toml").write_text('[client]\nurl = "http://127.0.0.1:1"\ntoken = "of-file"')
    assert obelisk("execution", "list", "--url", server.url).status == ExitStatus.OK
    assert server.seen[0][1] is None


def test_the_environment_names_the_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBELISK_URL", server.url)
    assert obelisk("execution", "list").status == ExitStatus.OK
    assert server.seen[0][0].startswith("/v1/executions?")


def test_a_wrong_url_is_told_with_its_place() -> None:
    Path("obelisk.toml").write_text('[client]\nurl = "far.example"')
    ran = obelisk("execution", "list")
    assert (ran.status, ran.err) == (
        ExitStatus.CONFIG,
        'error: client.url: expected "http://HOST:PORT", found "far.example"\n',
    )


def test_direct_and_a_url_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = obelisk("execution", "list", "--direct", "--url", "http://h:1")
    assert (ran.status, "--direct asks no server" in ran.err) == (ExitStatus.USAGE, True)
    monkeypatch.setenv("OBELISK_URL", "http://h:1")
    assert obelisk("execution", "list", "--direct").status == ExitStatus.NOT_FOUND


def test_direct_makes_no_database(tmp_path: Path) -> None:
    ran = obelisk("execution", "list", "--direct")
    assert ran.status == ExitStatus.NOT_FOUND
    assert "there is no such database" in ran.err
    assert "hint: name its configuration with --config" in ran.err
    assert list(tmp_path.iterdir()) == []
