"""Reads WIT from the file system and resolves it: the only module of the front end that touches files.

A path is a ``.wit`` file, a folder whose ``.wit`` files make up one package (with a ``deps`` folder of further
packages, each a file or a folder), or a folder that holds only such folders. Several paths are resolved together.
Source: WIT.md "Filesystem structure".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from obelisk.codegen.diagnostics import Collector
from obelisk.codegen.resolve.gates import Features
from obelisk.codegen.resolve.packages import Group
from obelisk.codegen.resolve.resolver import Loaded, resolve_groups
from obelisk.codegen.source import SourceFile


def load(paths: Sequence[Path], *, features: frozenset[str] = frozenset(), all_features: bool = False) -> Loaded:
    """Read and resolve `paths`; what cannot be read is a diagnostic (``unreadable``, ``no-wit``), no exception."""
    reader = _Reader()
    for path in paths:
        reader.root(path)
    selected = Features(names=features, all_of_them=all_features)
    return resolve_groups(reader.groups, features=selected, collector=reader.collector)


@dataclass(slots=True)
class _Reader:
    """Collects the files of all packages."""

    groups: list[Group] = field(default_factory=list[Group])
    collector: Collector = field(default_factory=Collector)

    def root(self, path: Path) -> None:
        """Read one of the paths given."""
        if not path.exists():
            self.collector.error("unreadable", None, f"{path}: there is no such file or folder")
        elif not path.is_dir():
            self.add([path], is_main=True)
        elif files := self.wit_files(path):
            self.add(files, is_main=True)
            self.deps(path / "deps")
        else:
            self.folder_of_packages(path)

    def folder_of_packages(self, path: Path) -> None:
        """Read a folder without ``.wit`` files: every folder in it that has some is a package."""
        found = False
        for entry in self.entries(path):
            if entry.is_dir() and entry.name != "deps" and (files := self.wit_files(entry)):
                self.add(files, is_main=True)
                found = True
        if found:
            self.deps(path / "deps")
        else:
            self.collector.error("no-wit", None, f"{path}: there is no `.wit` file in this folder")

    def deps(self, path: Path) -> None:
        """Read a ``deps`` folder, if there is one; files that are not WIT are passed over."""
        if not path.is_dir():
            return
        for entry in self.entries(path):
            if entry.is_dir():
                self.add(self.wit_files(entry))
            elif entry.suffix == ".wit":
                self.add([entry])

    def entries(self, path: Path) -> list[Path]:
        """What is in a folder, by name."""
        try:
            return sorted(path.iterdir())
        except OSError as error:
            self.collector.error("unreadable", None, f"{path}: {error.strerror or error}")
            return []

    def wit_files(self, path: Path) -> list[Path]:
        """The ``.wit`` files directly in a folder."""
        return [entry for entry in self.entries(path) if entry.name.endswith(".wit") and not entry.is_dir()]

    def add(self, files: Sequence[Path], *, is_main: bool = False) -> None:
        """Read the files of one package."""
        sources = [source for file in files if (source := self.read(file)) is not None]
        if sources:
            self.groups.append(Group(files=tuple(sources), is_main=is_main))

    def read(self, path: Path) -> SourceFile | None:
        """The text of one file."""
        try:
            return SourceFile(str(path), path.read_bytes().decode("utf-8"))
        except OSError as error:
            self.collector.error("unreadable", None, f"{path}: {error.strerror or error}")
        except UnicodeDecodeError as error:
            self.collector.error("unreadable", None, f"{path}: not UTF-8 text (byte {error.start})")
        return None
