"""Guests in C, Rust, Python and JavaScript, built by `obelisk build`'s own functions and kept in ``.cache/tests``."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import kept
import needs
from obelisk.cli.building import languages, toolchains
from obelisk.cli.building.languages import Task
from obelisk.cli.building.worlds import BuildWorld, assemble

GUESTS = Path(__file__).parent / "guests_wasi"
_BUILDERS: Final[dict[str, tuple[Callable[[Task], bytes], dict[str, str]]]] = {
    "c": (languages.c, toolchains.C),
    "python": (languages.python, toolchains.PYTHON),
    "rust": (languages.rust, toolchains.C),
    "quickjs": (languages.quickjs, toolchains.QUICKJS),
    "starlingmonkey": (languages.starlingmonkey, toolchains.STARLINGMONKEY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """What a guest is built from: `name` is the language or the engine, `source` and `wit` are files of `GUESTS`.

    StarlingMonkey comes without its HTTP, which imports `wasi:http`, unless it `fetches`. `probes` is what it is asked.
    """

    name: str
    source: str
    wit: str
    world: str
    fetches: bool = False
    probes: tuple[str, ...] = ()


@cache
def built(guest: Guest) -> bytes:
    """The guest's component; built once and kept, by the digest of its sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OBELISK_TOOLS", str(kept.TOOLS))
        source, (build, tools) = GUESTS / guest.source, _BUILDERS[guest.name]
        world = assemble(guest.world, [GUESTS / guest.wit, *_more_wit(guest)], [], [])
        made_from = (source.read_bytes(), world.text, tuple(tools.items()), guest.fetches)
        key = hashlib.sha256(repr(made_from).encode()).hexdigest()[:16]
        patch.setattr(languages, "_FEATURES", ("http", "fetch-event"))
        name = f"{guest.name}-{source.stem}-{key}.wasm"
        return kept.file(name, lambda: _build(guest, build, source, world)).read_bytes()


def _build(guest: Guest, build: Callable[[Task], bytes], source: Path, world: BuildWorld) -> bytes:
    if guest.name == "rust":
        needs.require("rustc")
    with tempfile.TemporaryDirectory() as scratch:
        alone = Path(scratch) / "source" / guest.source
        alone.parent.mkdir()
        alone.write_bytes(source.read_bytes())
        task = Task(
            name=guest.name,
            source=alone,
            folder=Path(scratch),
            world=world,
            wasi=guest.name != "starlingmonkey" or guest.fetches,
            scratch=Path(scratch),
            bindings=Path(scratch),
            say=lambda text: None,
        )
        return build(task)


def _more_wit(guest: Guest) -> list[Path]:
    """WIT that `obelisk build` does not bring along."""
    if "wasi:sockets" not in (GUESTS / guest.wit).read_text():
        return []
    tools = toolchains.from_npm(toolchains.ADAPTER, lambda text: None)
    return [tools.folder / "node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12/wasi-sockets/package.wit"]
