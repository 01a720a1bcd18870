"""The classes that a project's Python workers implement, generated from the WIT of its external components."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from obelisk.cli.errors import CommandError
from obelisk.cli.generating import shell as generating
from obelisk.cli.generating.tree import Changes
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.wiring import wit_folders
from obelisk.runtime.wiring.config import Config

OUT: Final = "generated"
"""The folder beside the configuration, which workers import from: they run in the folder of the configuration."""


def wanted(config: Config) -> dict[str, Path]:
    """The external components, with the places of their WIT, of a project that has a worker in Python; else none."""
    if not any(worker.module for worker in config.workers.values()):
        return {}
    external = (c for c in config.components if c.is_wit and c.settings.get("kind") == "external")
    return {component.name: component.path for component in external}


def write(config: Config) -> Changes | None:
    """Write the classes; None when there is none to write. CommandError ``build_failed``: the WIT is wrong."""
    components = wanted(config)
    if not components:
        return None
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as scratch:
        texts: list[Path] = []
        for name, path in components.items():
            try:
                text = wit_folders.read(path)
            except ComponentError as error:
                raise CommandError("build_failed", f"component.{name}.wit: {error.message}") from None
            texts.append(Path(scratch) / f"{name}.wit")
            texts[-1].write_bytes(text)
        outcome = generating.run(texts, config.folder.resolve() / OUT, only={"worker"})
    if not outcome.is_good:
        raise CommandError("build_failed", outcome.messages.strip())
    return outcome.changes
