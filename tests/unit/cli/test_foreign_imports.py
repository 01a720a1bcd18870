"""What does not work in a component is told before it is built, with its place and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from obelisk.cli.building import foreign
from obelisk.cli.building.modules import modules
from obelisk.cli.errors import CommandError


def problems(folder: Path, files: Mapping[str, str], *, is_workflow: bool = False) -> list[str]:
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(CommandError) as raised:
        foreign.check(modules(folder / "flow.py", "src"), is_workflow=is_workflow)
    assert raised.value.code == "build_failed"
    return raised.value.message.splitlines()


def allowed(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    foreign.check(modules(folder / "flow.py", "src"), is_workflow=False)


HTTP = "does not work in a component: a component has no sockets: HTTP goes through the engine"
THREADS = "does not work in a component: a component has one thread"
MISTAKES = {
    "import requests": f"src/flow.py:1:8: `requests` {HTTP}",
    "import json, httpx as h": (
        "src/flow.py:1:14: `httpx` does not work in a component: it has no sockets. Use `from obelisk_guest import "
        "http`, or give the component httpx itself as a package, and its clients "
        "`transport=obelisk_guest.httpx.Transport()`"
    ),
    "def f():\n    from urllib.request import urlopen": f"src/flow.py:2:32: `urllib.request` {HTTP}",
    "from urllib import request": f"src/flow.py:1:20: `urllib.request` {HTTP}",
    "import http.client": f"src/flow.py:1:8: `http.client` {HTTP}",
    "import socket": f"src/flow.py:1:8: `socket` {HTTP}",
    "from threading import Lock, Thread": f"src/flow.py:1:29: `threading.Thread` {THREADS}",
    "import threading as t\n\nt.Thread(target=print).start()": f"src/flow.py:3:1: `threading.Thread` {THREADS}",
    "from concurrent.futures import ThreadPoolExecutor": f"src/flow.py:1:32: `concurrent.futures` {THREADS}",
    "from concurrent import futures": f"src/flow.py:1:24: `concurrent.futures` {THREADS}",
    "import subprocess": f"src/flow.py:1:8: `subprocess` {THREADS}",
    "import msgspec": "src/flow.py:1:8: `msgspec` has code for this machine (msgspec/_core.",
    "import pydantic": "src/flow.py:1:8: `pydantic` has code for this machine (pydantic_core/_pydantic_core.",
    "import click": "src/flow.py:1:8: there is no module `click` in the component: it consists of Python's own library",
    "import no_such_module": "src/flow.py:1:8: there is no module `no_such_module` in the component",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_cannot_work_is_told(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, {"flow.py": f"{text}\n"})
    assert problem.startswith(MISTAKES[text]), problem


def test_asyncio_is_for_activities(tmp_path: Path) -> None:
    files = {"flow.py": "import asyncio\n"}
    (problem,) = problems(tmp_path, files, is_workflow=True)
    assert problem.startswith("src/flow.py:1:8: `asyncio` does not work in a workflow: a workflow is plain code")
    assert "`from obelisk_guest.workflow import call, gather`" in problem
    allowed(tmp_path, files)


RIGHT = """
from __future__ import annotations

import datetime
import http
import threading
import urllib.parse
from typing import TYPE_CHECKING

import requests_like
from componentize_py_types import Err
from wit_world import exports

if TYPE_CHECKING:
    import httpx
try:
    import orjson
except ImportError:
    orjson = None
try:
    from numpy import array
except (ModuleNotFoundError, ValueError):
    array = None

lock = threading.Lock()
"""


def test_what_works_and_what_is_only_tried_is_left_alone(tmp_path: Path) -> None:
    allowed(tmp_path, {"flow.py": RIGHT, "requests_like.py": "x = 1\n"})


def test_a_module_of_the_folder_is_the_components_own(tmp_path: Path) -> None:
    allowed(tmp_path, {"flow.py": "import requests\n", "requests.py": "x = 1\n"})


def test_every_place_is_told(tmp_path: Path) -> None:
    files = {"flow.py": "import socket\nimport more\n", "more.py": "import requests\nimport ssl\n"}
    told = [problem.partition(": ")[0] for problem in problems(tmp_path, files)]
    assert told == ["src/flow.py:1:8", "src/more.py:1:8", "src/more.py:2:8"]


def test_an_installed_package_may_import_what_it_does_not_need_here(tmp_path: Path) -> None:
    """Its modules for other places are not its user's business; the same in a folder of the author is."""
    inner = "def connect():\n    import ssl\n    import no_such_module\n"
    for name in ("pure", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(inner)
    (tmp_path / "pure-1.0.dist-info").mkdir()
    (tmp_path / "pure-1.0.dist-info/METADATA").write_text("Name: pure\nVersion: 1.0\n")
    (tmp_path / "pure-1.0.dist-info/RECORD").write_text("pure/__init__.py,,\npure-1.0.dist-info/METADATA,,\n")
    allowed(tmp_path, {"flow.py": "import pure\n"})
    found = modules(tmp_path / "flow.py", "src")
    assert [name for name, module in found.items() if module.is_installed] == ["pure"]
    told = problems(tmp_path, {"flow.py": "import pure\nimport own\n"})
    assert [line.partition(": ")[0] for line in told] == ["src/own/__init__.py:2:12", "src/own/__init__.py:3:12"]
