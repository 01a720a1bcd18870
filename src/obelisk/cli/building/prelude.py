"""The module that componentize-py begins with: it imports the author's module, then what that imports later.

A component has no files of Python: what was imported when it was built is all there is. So imports in functions, and
those that Python's own library makes when it needs them, are made while it is built.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from obelisk.cli.building.modules import Module

NAME: Final = "obelisk_component"
_LATE: Final = (
    "_strptime",
    *(f"encodings.{name}" for name in ("ascii", "latin_1", "cp1252", "iso8859_1", "iso8859_15", "utf_8_sig")),
    *(f"encodings.{name}" for name in ("utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be")),
    *(f"encodings.{name}" for name in ("idna", "punycode", "hex_codec", "base64_codec")),
)
"""What Python's library imports when it is used: `strptime`, the usual encodings of text."""


def prelude(modules: Mapping[str, Module], bindings: Sequence[str] = ()) -> str:
    """The source of the module `NAME`, for the component of these modules, which begins with the first.

    `bindings` are modules of `wit_world` that are found by name when the component runs.
    """
    entry, *others = modules
    names = dict.fromkeys([*_LATE, *_needed(modules)])
    lines = [
        "from importlib import import_module as _import_module",
        f"globals().update(vars(_import_module({entry!r})))",
        f"for _name in {(*bindings, *others)!r}:",
        "    _import_module(_name)",
        f"for _name in {tuple(names)!r}:",
        "    try:",
        "        _import_module(_name)",
        "    except ImportError:  # not part of Python here, or tried by the code itself",
        "        pass",
    ]
    return "\n".join([*lines, ""])


def _needed(modules: Mapping[str, Module]) -> Iterator[str]:
    """The modules of Python's library that the component imports anywhere, each after the package that it is in."""
    for module in modules.values():
        for one in module.imports:
            if one.module.partition(".")[0] in sys.stdlib_module_names:
                yield one.module
                if one.name and one.name != "*":
                    yield f"{one.module}.{one.name}"
