"""A small project for tests of the test kit: one workflow, whose source each test writes, and activities of workers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from obelisk.testing.project import Project
from obelisk.testing.world import World

FLOW = """
package app:flow;

interface flow {
    run: func(n: u32) -> result<string, string>;
}
"""
WORK = """
package app:work;

interface work {
    variant trouble { declined(string), gone }
    record receipt { number: string, cents: u32 }
    charge: func(cents: u32) -> result<receipt, trouble>;
    note: func(text: string) -> string;
}

interface desk {
    approve: func(n: u32) -> result<string, string>;
}
"""
CONFIG = """
[component.flow]
source = "src/flow.py"
path = "flow.wasm"

[component.work]
kind = "external"
wit = "wit/work"
max_retries = 3
initial_backoff_ms = 1000
"""
HEAD = """
import random
import time
from datetime import datetime, timedelta

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log, work, work_ext, workflow_support
from wit_world.imports.time import Duration_Days, Duration_Seconds, ScheduleAt_In

COUNT = [0]


class Flow(exports.Flow):
    def run(self, n: int) -> str:
"""


class Kit:
    """Makes worlds of the project with a source; `flow` and `work` are what tests import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("flow", FLOW), ("work", WORK)):
            (folder / "wit" / name).mkdir(parents=True)
            (folder / "wit" / name / f"{name}.wit").write_text(text)
        (folder / "obelisk.toml").write_text(CONFIG)
        (folder / "src").mkdir()
        self.projects: list[Project] = []
        self.worlds: list[World] = []

    def source(self, body: str, more: str = "") -> None:
        """Write the workflow: the body of its method."""
        text = HEAD.lstrip() + indent(dedent(body).strip("\n"), " " * 8) + "\n" + dedent(more)
        (self.folder / "src" / "flow.py").write_text(text)

    def world(self, body: str = "", more: str = "", **how: Any) -> World:
        """A world with that source, or with the one that is written."""
        if body:
            self.source(body, more)
        for project in self.projects:
            project.forget_bindings()
        project = Project(self.folder)
        self.projects.append(project)
        world = World(project, **how)
        self.worlds.append(world)
        return world

    @property
    def flow(self) -> Any:
        """`wit_world.imports.flow`."""
        return self.projects[-1].bindings.space.load("wit_world.imports.flow")

    @property
    def work(self) -> Any:
        """`wit_world.imports.work`."""
        return self.projects[-1].bindings.space.load("wit_world.imports.work")

    @property
    def err(self) -> Any:
        """`componentize_py_types.Err`."""
        return self.projects[-1].bindings.err

    def close(self) -> None:
        for world in self.worlds:
            world.close()
        for project in self.projects:
            project.forget_bindings()


@pytest.fixture
def kit(tmp_path: Path) -> Generator[Kit]:
    made = Kit(tmp_path)
    yield made
    made.close()


Make = Callable[..., World]
