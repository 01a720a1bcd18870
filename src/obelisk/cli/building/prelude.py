"""The module that componentize-py begins with: it imports the author's module, then what that imports later.

A component has no files of Python. So imports in functions, and the usual ones that Python's own library makes when it
needs them, are made while it is built; the rest of the library and the time zones are kept in it (`carried`).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Final

from obelisk.cli.building import carried
from obelisk.cli.building.modules import Module

NAME: Final = "obelisk_component"
_CARRIED: Final = "obelisk_carried"
_ZONES: Final = "zones"
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
    entry = next(iter(modules))
    others = [name for name, module in modules.items() if not module.is_installed and name != entry]
    names = dict.fromkeys([*_LATE, *_needed(modules), *(name for name, one in modules.items() if one.is_installed)])
    lines = [
        f"# {carried_digest()}",
        "from importlib import abc as _abc, import_module as _import_module",
        f"import {_CARRIED} as _carried",
        "_carried.refuse_threads_and_sockets()",
        f"for _name in {(entry, *bindings, *others)!r}:",
        "    _import_module(_name)",
        f"for _name in {tuple(names)!r}:",
        "    try:",
        "        _import_module(_name)",
        "    except Exception:  # not part of Python here, tried by the code itself, or a part of a package for others",
        "        pass",
        "_carried.carry_library(_abc.__file__.rpartition('/importlib/')[0])",
        f"_carried.carry_zones(f\"{{__file__.rpartition('/')[0]}}/{_ZONES}\")",
        f"globals().update(vars(_import_module({entry!r})))  # last: these may be any names",
    ]
    return "\n".join([*lines, ""])


def files(text: str) -> Mapping[str, bytes]:
    """The folder of the module `NAME`, with this text: file names and contents."""
    return {
        f"{NAME}.py": text.encode(),
        f"{_CARRIED}.py": Path(carried.__file__).read_bytes(),
        _ZONES: carried.packed_zones(_zones()),
    }


@cache
def carried_digest() -> str:
    """What `files` adds to every component, as a comment: a change of it builds them again."""
    digest = hashlib.sha256(Path(carried.__file__).read_bytes()).hexdigest()
    return f"{_CARRIED} {digest[:16]}, tzdata {metadata.version('tzdata')}"


def _zones() -> Mapping[str, bytes]:
    """The time zones of the package `tzdata`, whatever those of this machine are."""
    package = resources.files("tzdata")
    names = (package / "zones").read_text("utf-8").split()
    return {name: (package / "zoneinfo" / name).read_bytes() for name in names}


def _needed(modules: Mapping[str, Module]) -> Iterator[str]:
    """The modules of Python's library that the component imports anywhere, each after the package that it is in."""
    for module in modules.values():
        for one in module.imports:
            if one.module.partition(".")[0] in sys.stdlib_module_names:
                yield one.module
                if one.name and one.name != "*":
                    yield f"{one.module}.{one.name}"
