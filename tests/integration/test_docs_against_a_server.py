"""The pages that tell what to type and what comes of it, done as they say against a real server."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import kept

acceptance = importlib.import_module("server")
ROOT = Path(__file__).parents[2]
ADDRESS = "127.0.0.1:8080"
BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```\n", re.DOTALL)
FIBO = f"""
[cache]
path = "{ROOT}/.cache/compiled"
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""
TRIP = f"""
[component.trip-activities]
path = "{ROOT}/.cache/examples/trip/activities.wasm"
max_retries = 8
initial_backoff_ms = 5
max_backoff_ms = 40
[component.trip-workflow]
path = "{ROOT}/.cache/examples/trip/workflow.wasm"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    made = acceptance.Server(tmp_path, FIBO + TRIP)
    yield made
    made.close()


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[Any]:
    """One that has nothing to compile for long."""
    made = acceptance.Server(tmp_path, FIBO)
    yield made
    made.close()


def blocks(page: str) -> Iterator[re.Match[str]]:
    return BLOCK.finditer((ROOT / "docs" / page).read_text(encoding="utf-8"))


# --- commands -------------------------------------------------------------------------------------------------------
class Shell:
    """Runs one block after the other; variables last."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.folder = folder
        self._state = server.folder / "shell-state"
        self._state.write_text("")
        self._address = f"127.0.0.1:{server.port}"
        here = str(Path(sys.executable).parent)
        self._environment = {
            **os.environ,
            "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
            "OBELISK_URL": f"http://{self._address}",
        }

    def run(self, block: str) -> str:
        """What the block prints; it has to succeed."""
        commands = block.replace(ADDRESS, self._address)
        keep = f"{{ declare -p id PATH 2>/dev/null || true; }} >{self._state}"
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"source {self._state}\n{commands}\n{keep}"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, f"{commands}\n{ran.stdout}{ran.stderr}"
        return ran.stdout


def test_getting_started_works_as_it_is_written(server: Any, tmp_path: Path) -> None:
    own = tmp_path / "greeter"
    own.mkdir()
    shell = Shell(server, ROOT)
    printed: list[str] = []
    starts = 0
    for block in blocks("getting-started.md"):
        if block["file"]:
            shell.folder = own
            (own / block["file"]).parent.mkdir(exist_ok=True)
            (own / block["file"]).write_text(block["text"])
        elif block["text"] == "make run\n":
            if starts:
                server.kill()
            server.start()
            starts += 1
        else:
            assert block["language"] == "sh"
            printed.append(shell.run(block["text"]))
    assert starts == 2
    called, ran, looked, steered, _, followed, trip, greeted, generated = printed
    assert (called, ran) == ("55", "55\n")
    assert looked.startswith("55\n")
    assert "demo:fibo/workflow.fiboa" in looked
    assert steered == "done\ndone\ndone\n"
    assert followed.splitlines()[-1] == "55"
    assert json.loads(trip)["error"]["not_booked"]["service"] == "car"
    assert greeted.splitlines()[-1] == '"Good day, Ada"'
    assert "acme_greeter/types/greet.py" in generated
    assert (own / "generated/acme_greeter/openapi.json").exists()


def test_a_backup_is_restored_as_it_is_written(small_server: Any, tmp_path: Path) -> None:
    server = small_server
    shell = Shell(server, tmp_path)
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Backup and restore")[2]
    backup, restore = (block["text"] for block in BLOCK.finditer(page.partition("\n## ")[0]))
    server.start()
    kept = shell.run("obelisk execution run demo:fibo/fibo.fibo n=10 --json")
    assert shell.run(backup) == ""
    lost = shell.run("obelisk execution run demo:fibo/fibo.fibo n=11 --json")
    assert server.stop() == 0
    listed = shell.run(restore)
    kept_id, lost_id = (json.loads(ran)["execution_id"] for ran in (kept, lost))
    assert (kept_id in listed, lost_id in listed) == (True, False)
    server.start()
    assert shell.run(f"obelisk execution result {kept_id}") == "55\n"
    assert server.http.get(f"/v1/executions/{lost_id}").status_code == 404
    assert shell.run("obelisk execution run demo:fibo/workflow.fiboa n=10 iterations=3") == "55\n"


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[Any]:
    """One that nothing is deployed on yet."""
    (tmp_path / "server").mkdir()
    made = acceptance.Server(tmp_path / "server", f'[cache]\npath = "{kept.COMPILED}"\n')
    yield made
    made.close()


def all_of(server: Any, function: str, part: str) -> list[str]:
    """What is shown of each execution of a function, the newest first."""
    listed = server.http.get("/v1/executions", params={"limit": 100}).json()["items"]
    ids = [one["execution_id"] for one in listed if one["ffqn"].endswith(function)]
    return [server.http.get(f"/v1/executions/{one}{part}").text for one in ids]


def test_workflows_are_written_as_the_page_says(
    empty_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files of the page are one project; a block of text is what the commands before it print."""
    monkeypatch.setenv("OBELISK_TOOLS", str(kept.TOOLS))
    folder, builds = tmp_path / "shop", kept.CACHE / "projects/writing"
    page = [*blocks("writing-workflows.md")]
    for block in page:
        if block["file"]:
            path = folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            # One file in several blocks: what follows the first are methods of its last class.
            before = f"{path.read_text().rstrip()}\n\n" if path.exists() else ""
            path.write_text(before + block["text"])
    empty_server.start()
    shell = Shell(empty_server, folder)
    printed, compared = "", 0
    with kept.alone("project-writing"):
        if builds.exists():
            shutil.copytree(builds, folder / "build")
        for block in page:
            if block["file"]:
                continue
            if block["language"] == "sh":
                printed = shell.run(block["text"])
            else:
                assert printed == block["text"]
                compared += 1
        shutil.rmtree(builds, ignore_errors=True)
        shutil.copytree(folder / "build", builds)
    assert compared == 8
    assert "KeyError: 'gold' (stock.py:17, in price)" in " ".join(all_of(empty_server, "stock.price", "/events"))
    released = [json.loads(text)["items"][0]["text"] for text in all_of(empty_server, "stock.release", "/logs")]
    assert released == ["stock: released tea", "stock: released gold"]  # the newest first
    checked = subprocess.run(
        [Path(sys.executable).with_name("pyright"), "--pythonpath", sys.executable, "src"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


# --- exchanges ------------------------------------------------------------------------------------------------------
def exchanges() -> Iterator[tuple[str, str]]:
    shown = [block["text"] for block in blocks("wit-to-http.md") if block["language"] == "http"]
    assert len(shown) % 2 == 0
    yield from zip(shown[::2], shown[1::2], strict=True)


def parts(message: str) -> tuple[str, dict[str, str], str]:
    """First line, headers, body."""
    head, _, body = message.partition("\n\n")
    first, *lines = head.splitlines()
    return first, dict(line.split(": ", 1) for line in lines), body.strip()


def fits(shown: object, actual: object) -> bool:
    """Whether what is shown is so: ``…`` in a text is anything, an object may have members that are not shown."""
    match shown, actual:
        case str(), str():
            pattern = ".*".join(re.escape(part) for part in shown.split("…"))
            return re.fullmatch(pattern, actual, re.DOTALL) is not None
        case dict(), dict():
            said, found = cast("dict[str, object]", shown), cast("dict[str, object]", actual)
            return all(name in found and fits(value, found[name]) for name, value in said.items())
        case list(), list():
            wanted, got = cast("list[object]", shown), cast("list[object]", actual)
            return len(wanted) == len(got) and all(map(fits, wanted, got))
        case _:
            return shown == actual


def test_the_exchanges_are_what_a_server_answers(server: Any) -> None:
    server.start()
    count = 0
    for request, answer in exchanges():
        line, headers, body = parts(request)
        method, path, _ = line.split(" ")
        got = server.http.request(method, path, headers=headers, content=body)
        status, shown_headers, shown_body = parts(answer)
        assert status.split(" ")[1] == str(got.status_code), got.text
        for name, value in shown_headers.items():
            assert fits(value, got.headers[name]), name
        assert fits(json.loads(shown_body), got.json()), f"{shown_body}\nis not\n{got.text}"
        count += 1
    assert count >= 6


@pytest.mark.parametrize(
    ("shown", "actual", "verdict"),
    [
        ("E_…", "E_1", True),
        ("a…c", "b", False),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"c": 1}, {}, False),
        ([1], [], False),
    ],
)
def test_what_fits_and_what_does_not(shown: object, actual: object, verdict: bool) -> None:
    assert fits(shown, actual) is verdict
