"""The files of a new project: an activity and a workflow in one language, their WIT, configuration and README. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from obelisk.codegen.emit.writer import render


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """How the language is called in the configuration, its sources, and what its README has to add."""

    key: str
    activity: str
    workflow: str
    notes: str = ""


_JAVASCRIPT_NOTES: Final = """
Building needs Node.js and npm. QuickJS runs the code; with `engine = "starlingmonkey"` in a `[build.…]` table
SpiderMonkey does, which has `fetch` and is ten times as large. In QuickJS, 64-bit integers are plain numbers, exact up
to 2^53.
"""

_C_NOTES: Final = """
`generated/activity/world.h` and `generated/workflow/world.h` have the C types and functions. An instance lives for one
call, so nothing has to be freed. `printf`, clocks and files work in activities (building those needs npm).
"""

_RUST_NOTES: Final = """
Building needs rustc with its library for WebAssembly (on Debian: `apt-get install rustc libstd-rust-dev-wasm32`; with
rustup: `rustup target add wasm32-wasip1`) and npm. `generated/activity/world.rs` and `generated/workflow/world.rs` are
the crate `world` of each. `println!`, clocks and files work in activities; crates of others do not: there is no cargo
here.
"""

_WORLDS: Final = {"worlds/worlds.wit": "project_worlds.j2"}
LANGUAGES: Final[Mapping[str, _Language]] = {
    "python": _Language(key="python", activity="activity.py", workflow="workflow.py"),
    "js": _Language(
        key="javascript",
        activity="activity.js",
        workflow="workflow.js",
        notes=_JAVASCRIPT_NOTES,
    ),
    "c": _Language(key="c", activity="activity.c", workflow="workflow.c", notes=_C_NOTES),
    "rust": _Language(key="rust", activity="activity.rs", workflow="workflow.rs", notes=_RUST_NOTES),
}
"""By the name that ``obelisk new --lang`` takes."""


_NATIVE: Final[Mapping[str, str]] = {
    ".gitignore": "project_gitignore.j2",
    "README.md": "project_native_readme.j2",
    "activity/__init__.py": "project_native_init.j2",
    "activity/worker.py": "project_native_activity.j2",
    "obelisk.toml": "project_native_toml.j2",
    "wit/activities/activities.wit": "project_native_activity_wit.j2",
    "wit/workflow/workflow.wit": "project_native_workflow_wit.j2",
    "workflow/workflow.py": "project_python_workflow.j2",
}
"""A project in Python whose activity is a worker outside the engine: path → template."""


def native_project(name: str) -> dict[str, str]:
    """Texts by path of a project in Python whose activity runs outside the engine. `name` as for `project`."""
    return {path: render(template, name=name).rstrip("\n") + "\n" for path, template in _NATIVE.items()}


def project(name: str, language: str) -> dict[str, str]:
    """Texts by path. `name` is a WIT label (lower case, words joined by dashes), `language` one of `LANGUAGES`."""
    known = LANGUAGES[language]
    values = {
        "name": name,
        "language": known.key,
        "activity": known.activity,
        "workflow": known.workflow,
        "notes": known.notes,
    }
    places = {
        ".gitignore": "project_gitignore.j2",
        "README.md": "project_readme.j2",
        f"activity/{known.activity}": f"project_{known.key}_activity.j2",
        "obelisk.toml": "project_toml.j2",
        f"wit/{name}.wit": "project_wit.j2",
        f"workflow/{known.workflow}": f"project_{known.key}_workflow.j2",
    }
    # The worlds of Python follow from the code.
    places |= {"pyproject.toml": "project_python_settings.j2"} if known.key == "python" else _WORLDS
    return {path: render(template, **values).rstrip("\n") + "\n" for path, template in places.items()}
