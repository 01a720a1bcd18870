"""`generated/` is what `obelisk gen` makes of the project's own WIT; ``make regen`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from obelisk.cli.generating import shell as generating

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "wit", *sorted(ROOT.glob("examples/*/wit"))]


def test_generated_is_fresh() -> None:
    outcome = generating.run(SOURCES, ROOT / "generated", check=True)
    assert outcome.is_good, f"run `make regen`\n{outcome.messages}{outcome.summary()}"
    assert outcome.changes is not None
    tree = (path for path in (ROOT / "generated").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {path.relative_to(ROOT / "generated").as_posix() for path in tree} == set(outcome.changes.fresh)
