"""Writes `docs/reference/`: what can be read off the code is read off the code. `python docs/generate.py [--check]`.

Each page is Markdown, a function of the code alone. With ``--check`` nothing is written; the exit status is 1 when a
page is not what it should be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import reference_cli
import reference_configuration
import reference_http

OUT: Final = Path(__file__).parent / "reference"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": reference_cli.page,
    "configuration.md": reference_configuration.page,
    "http.md": reference_http.page,
}
HEAD: Final = "<!-- Made from the code by docs/generate.py: do not edit. -->\n"


def pages() -> Mapping[str, str]:
    """File name → what should be in it."""
    return {name: f"{HEAD}{make().rstrip()}\n" for name, make in PAGES.items()}


def stale() -> list[str]:
    """The pages that are not as they should be, or are not there."""
    found = {path.name: path.read_text(encoding="utf-8") for path in OUT.glob("*.md")}
    wanted = pages()
    return sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))


def main(*arguments: str) -> int:
    """Write the pages, or check them; the exit status."""
    changed = stale()
    if arguments == ("--check",):
        for name in changed:
            print(f"docs/reference/{name} is stale: make regen", file=sys.stderr)
        return 1 if changed else 0
    for name, text in pages().items():
        OUT.mkdir(exist_ok=True)
        (OUT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
