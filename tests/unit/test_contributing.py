"""The pages for contributors name modules, symbols and files: each of them exists."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

import run

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs/contributing").glob("*.md")}
SYMBOL = re.compile(r"`((?:codegen|runtime|gateway|cli|client|worker)(?:\.\w+)*):([A-Za-z_][\w.]*)`")
FILE = re.compile(r"`((?:tests|docs|wit|generated|src|codegen|runtime|gateway)/[\w./@-]*)`")
NAMED = sorted({found for text in PAGES.values() for found in SYMBOL.findall(text)})


def missing(module: str, symbol: str) -> str:
    """The first part of a symbol that is not there; `""` when all of it is."""
    try:
        value: object = importlib.import_module(f"obelisk.{module}")
    except ModuleNotFoundError as error:
        return str(error.name)
    for name in symbol.split("."):
        if not hasattr(value, name):
            return name
        value = getattr(value, name)
    # A name that a module only imports has its home elsewhere, and goes when the import does.
    home = getattr(value, "__module__", None)
    is_elsewhere = isinstance(home, str) and home.startswith("obelisk.") and home != f"obelisk.{module}"
    return home if is_elsewhere and "." not in symbol and isinstance(home, str) else ""


@pytest.mark.parametrize(("module", "symbol"), NAMED)
def test_a_symbol_that_a_page_names_exists(module: str, symbol: str) -> None:
    assert missing(module, symbol) == ""


@pytest.mark.parametrize(
    ("module", "symbol", "told"),
    [
        ("runtime.no_such", "Api", "obelisk.runtime.no_such"),
        ("runtime.usecases.api", "Api.no_such", "no_such"),
        ("runtime.usecases.api", "Store", "obelisk.runtime.ports.store"),
    ],
)
def test_a_symbol_that_does_not_exist_is_told(module: str, symbol: str, told: str) -> None:
    assert missing(module, symbol) == told


def test_files_that_pages_name_exist() -> None:
    named = {name for text in PAGES.values() for name in FILE.findall(text)}
    assert "tests/sim/test_cut_off.py" in named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_a_page_answers_where_things_happen() -> None:
    rows = [line for line in PAGES["where.md"].splitlines() if SYMBOL.search(line)]
    assert len(rows) >= 40
    assert [line for line in rows if not line.startswith("| ")] == []


def test_code_in_pages_that_looks_like_a_symbol_is_one() -> None:
    """A typo in the first part of a name would otherwise hide it from the check."""
    spans = {span for text in PAGES.values() for span in re.findall(r"`([a-z_]+(?:\.\w+)*:[A-Za-z_][\w.]*)`", text)}
    assert [span for span in sorted(spans) if not SYMBOL.fullmatch(f"`{span}`") and span != "module:symbol"] == []


def test_every_room_of_the_sources_is_on_the_map() -> None:
    page = PAGES["architecture.md"]
    rooms = {
        init.parent.relative_to(ROOT).as_posix() + "/"
        for top in ("codegen", "runtime", "gateway", "src/obelisk/cli")
        for init in (ROOT / top).glob("*/__init__.py")
    }
    assert len(rooms) > 25
    named = {room: f"`{room.removeprefix('src/obelisk/cli/')}" for room in rooms}
    assert [room for room, text in sorted(named.items()) if text not in page] == []


def test_each_record_of_a_decision_has_a_number_of_its_own() -> None:
    names = sorted(path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [name.partition("-")[0] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]
    for name in names:
        title = (ROOT / "docs/adr" / name).read_text(encoding="utf-8").partition("\n")[0]
        assert title.startswith(f"# {int(name[:4])}. "), name


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_a_page_at_the_top_links_to_files_that_are_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_changelog_is_as_keep_a_changelog_has_it() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    kinds = [line for line in lines if line.startswith("### ")]
    assert versions[0] == "## [Unreleased]"
    assert [line for line in versions[1:] if not re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line)] == []
    assert set(kinds) <= {f"### {kind}" for kind in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")}
    assert kinds


def test_the_hooks_run_what_make_check_runs() -> None:
    config: Any = msgspec.yaml.decode((ROOT / ".pre-commit-config.yaml").read_bytes())
    entries = [shlex.split(hook["entry"]) for repo in config["repos"] for hook in repo["hooks"]]
    commands = [(Path(program).name, *words) for program, *words in entries]
    assert {command for command in commands if command[0] != "pytest"} == set(run.STATIC.values())
    (quick,) = [command for command in commands if command[0] == "pytest"]
    assert tuple(word for word in quick if word.startswith("tests/")) == run.QUICK
    assert all(program.startswith(".venv/bin/") for program, *_ in entries)


def test_forms_for_issues_ask_for_something() -> None:
    forms: dict[str, Any] = {
        path.name: msgspec.yaml.decode(path.read_bytes()) for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")
    }
    assert set(forms) == {"bug.yml", "feature.yml"}
    for form in forms.values():
        asked = [item for item in form["body"] if item["type"] == "textarea"]
        assert all(item["attributes"]["label"] for item in asked)
        assert any(item.get("validations", {}).get("required") for item in asked)
