"""What makes a generated tree a distribution to publish: ``pyproject.toml``, ``README.md`` and ``py.typed``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from obelisk.codegen.emit.writer import render

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\Z")
UNVERSIONED: Final = "0.1.0"


def is_distribution_name(text: str) -> bool:
    """Whether a distribution may be called so."""
    return _NAME.match(text) is not None


def distribution(
    files: Mapping[str, str], name: str, packages: Sequence[tuple[str, str]], stamp: str
) -> dict[str, str]:
    """The files that are to stand next to `files`, all below the tree's root.

    `name` is the distribution's, `packages` are the WIT packages it is for and their versions (the first one's is the
    distribution's, if it has one that Python's packaging also knows), `stamp` is the first line of the files.
    """
    folders = sorted({path.partition("/")[0] for path in files if path.endswith(".py") and "/" in path})
    clients = sorted(path.partition("/")[0] for path in files if path.endswith("/client.py"))
    version = next((version for _, version in packages if _VERSION.match(version)), UNVERSIONED)
    values = {"stamp": stamp, "name": name, "version": version, "folders": folders, "clients": clients}
    titles = [f"{package}@{number}" if number else package for package, number in packages]
    return {
        "pyproject.toml": render("package_toml.j2", **values, titles=titles),
        "README.md": render("package_readme.j2", **values, titles=titles),
        **{f"{folder}/py.typed": f"# {stamp}\n" for folder in folders},
    }
