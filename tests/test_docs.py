"""The pages: those made from the code are fresh, the site builds without a warning and needs nothing from elsewhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
generate = importlib.import_module("generate")
FETCHED = re.compile(r"""(?:<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=|@import |url\()["']?(https?:)?//""")


def test_the_reference_is_fresh() -> None:
    assert generate.stale() == [], "run `make regen`"


def test_a_stale_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "OUT", tmp_path)
    assert generate.main("--check") == 1
    assert generate.main() == 0
    assert generate.main("--check") == 0
    (tmp_path / "cli.md").write_text("old")
    (tmp_path / "old.md").write_text("old")
    assert generate.stale() == ["cli.md", "old.md"]


def test_every_command_option_and_key_is_in_the_reference() -> None:
    pages = generate.pages()
    assert "### obelisk execution follow" in pages["cli.md"]
    assert "| 10 | The called function returned `err`; it was printed. | `returned_err` |" in pages["cli.md"]
    assert "| `lease_ms` | integer from 1 to 86,400,000 | `10000` |" in pages["configuration.md"]
    assert "### POST /v1/executions/{execution_id}/cancel" in pages["http.md"]
    assert "`idempotency_conflict`" in pages["http.md"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it: broken links between the pages are warnings, and warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--nitpicky", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_the_site_builds_without_a_warning(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 12
    assert not [page for page in pages if not (site / page).exists()]


def test_the_site_fetches_nothing(site: Path) -> None:
    found = [
        f"{path.relative_to(site)}: {match[0]}"
        for path in site.rglob("*")
        if path.suffix in {".html", ".css"}
        for match in FETCHED.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_the_tests_that_pages_name_are_there() -> None:
    pages = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
    named = {name for text in pages.values() for name in re.findall(r"`(tests/[a-z_/]+\.py)`", text)}
    assert "tests/sim/test_sim.py" in named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_readme_links_to_files_that_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert len(links) > 5
    assert not [link for link in links if not (ROOT / link).exists()]
