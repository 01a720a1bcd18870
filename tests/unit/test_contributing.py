"""The pages for contributors name modules, symbols and files: each of them exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs/contributing").glob("*.md")}
SYMBOL = re.compile(r"`((?:codegen|runtime|gateway|cli|calling|client)(?:\.\w+)*):([A-Za-z_][\w.]*)`")
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
        ("runtime.api", "Api.no_such", "no_such"),
        ("runtime.api", "Store", "obelisk.runtime.ports"),
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
    inside = {"src/obelisk/cli/building/": "`building/`", "src/obelisk/cli/sources/": "`sources/`"}
    assert [room for room in sorted(rooms) if inside.get(room, f"`{room}`") not in page] == []
