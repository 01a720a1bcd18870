"""The stargazers example: activities in three languages fetch pages from a server that fails and stalls on purpose."""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

acceptance = importlib.import_module("server")
obelisk: Callable[..., Any] = importlib.import_module("command_line").obelisk

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/stargazers"
CACHE = f'[cache]\npath = "{ROOT}/.cache/compiled"'


@pytest.fixture(scope="module")
def stargazers() -> Iterator[Any]:
    """The example's own server, on a free port."""
    spec = importlib.util.spec_from_file_location("stargazers_server", EXAMPLE / "server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.StargazersServer(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, module
        server.ended.set()
        server.shutdown()
        thread.join()


def configuration(port: int) -> str:
    """The example's configuration for another port and folder, without its ``[server]`` and ``[store]``."""
    text = (EXAMPLE / "obelisk.toml").read_text().replace("8099", str(port))
    text = re.sub(r"^\[(server|store)\]\n.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\[cache\]\n.*$", CACHE, text, flags=re.MULTILINE)
    text = text.replace("../../.cache", f"{ROOT}/.cache")
    return re.sub(r'^source = "', f'source = "{EXAMPLE}/', text, flags=re.MULTILINE)


def test_one_report_out_of_many_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stargazers: tuple[Any, Any]
) -> None:
    monkeypatch.setenv("OBELISK_TOOLS", str(ROOT / ".cache/tools"))
    built = obelisk("build", str(EXAMPLE))
    assert built.status == 0, built.err
    server, module = stargazers
    address = f"127.0.0.1:{server.server_address[1]}"
    text = configuration(server.server_address[1])
    (tmp_path / "added.toml").write_text(f'[store]\npath = "added.sqlite"\n{text}')
    added = obelisk("component", "add", str(EXAMPLE), "--config", str(tmp_path / "added.toml"))
    assert added.status == 0, added.err  # and compiled, so that the server below starts at once
    gateway = acceptance.Server(tmp_path, text)
    try:
        gateway.start()
        params = {"server": address, "repository": "ada/engine", "workers": ["python", "javascript", "c"]}
        answer = gateway.http.post("/v1/functions/demo:stargazers/workflow/list-stargazers", json=params)
        assert answer.status_code == 200, answer.text + gateway.log()
        everybody = sorted(name for page in range(1, module.PAGES + 1) for name in module.names(page))
        assert answer.json() == {
            "stargazers": len(everybody),
            "pages": module.PAGES,
            "address": "/reports/ada/engine",
        }
        report = server.reports["/reports/ada/engine"]
        assert report.startswith(f"{len(everybody)} stargazers of ada/engine\n\nA 60\n")
        assert report.endswith("".join(f"{name}\n" for name in everybody))
        assert set(server.attempts) == set(range(1, module.PAGES + 1))
        assert all(count > 1 for number, count in server.attempts.items() if number % 4)
        refused = gateway.http.post(
            "/v1/functions/demo:stargazers/pages-in-c/fetch",
            json={"server": "127.0.0.1:1", "repository": "ada/engine", "number": 1},
        )
        assert refused.status_code == 422
        assert "refused with error code" in refused.json()["error"]
    finally:
        gateway.close()
