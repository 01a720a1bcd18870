"""Reads WIT from the file system and resolves it: the only module of the front end that touches files.

A path is a ``.wit`` file, a folder whose ``.wit`` files make up one package (with a ``deps`` folder of further
packages, each a file or a folder), or a folder that holds only such folders. Several paths are resolved together. A
component binary (``.wasm``) or its text form (``.wat``) may stand where a ``.wit`` file may, if the caller can read
it. Source: WIT.md "Filesystem structure".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from obelisk.codegen.diagnostics import Collector, Diagnostic, Severity
from obelisk.codegen.model.items import Resolution
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.resolve.gates import Features
from obelisk.codegen.resolve.packages import Group
from obelisk.codegen.resolve.resolver import Loaded, resolve_groups
from obelisk.codegen.source import SourceFile

BinaryReader: TypeAlias = Callable[[bytes], tuple[Resolution | None, Sequence[str]]]
"""Reads a component's binary or text form: its packages, or None, and what is wrong with it or was left out. It must
not raise."""

_MAGIC: Final = b"\0asm"
_BINARIES: Final = frozenset({".wasm", ".wat"})


def load(
    paths: Sequence[Path],
    *,
    features: frozenset[str] = frozenset(),
    all_features: bool = False,
    read_binary: BinaryReader | None = None,
    spares: Sequence[Group] = (),
) -> Loaded:
    """Read and resolve `paths`; `spares` are packages that are at hand where `paths` use and do not bring them.

    What cannot be read is a diagnostic (``unreadable``, ``no-wit``, ``bad-binary``), never an exception. Without
    `read_binary` a component is refused.
    """
    reader = _Reader(read_binary=read_binary)
    for path in paths:
        reader.root(path)
    return resolve_groups(
        [*reader.groups, *spares],
        decoded=reader.decoded,
        decoded_main=reader.decoded_main,
        features=Features(names=features, all_of_them=all_features),
        collector=reader.collector,
    )


@dataclass(slots=True)
class _Reader:
    """Collects the files of all packages."""

    read_binary: BinaryReader | None
    groups: list[Group] = field(default_factory=list[Group])
    decoded: list[Resolution] = field(default_factory=list[Resolution])
    decoded_main: list[PackageName] = field(default_factory=list[PackageName])
    collector: Collector = field(default_factory=Collector)

    def refuse(self, code: str, path: Path, reason: str) -> None:
        """Report what is wrong with a file or folder as a whole."""
        self.collector.error(code, None, f"{path}: {reason}")

    def root(self, path: Path) -> None:
        """Read one of the paths given."""
        if not _is_folder(path):
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
            if _is_folder(entry) and entry.name != "deps" and (files := self.wit_files(entry)):
                self.add(files, is_main=True)
                found = True
        if found:
            self.deps(path / "deps")
        else:
            self.refuse("no-wit", path, "there is no `.wit` file in this folder")

    def deps(self, path: Path) -> None:
        """Read a ``deps`` folder, if there is one; files of other kinds are passed over."""
        if not _is_folder(path):
            return
        for entry in self.entries(path):
            if _is_folder(entry):
                self.add(self.wit_files(entry))
            elif entry.suffix == ".wit" or entry.suffix in _BINARIES:
                self.add([entry])

    def entries(self, path: Path) -> list[Path]:
        """What is in a folder, by name."""
        try:
            return sorted(path.iterdir())
        except OSError as error:
            self.refuse("unreadable", path, str(error.strerror or error))
            return []

    def wit_files(self, path: Path) -> list[Path]:
        """The ``.wit`` files directly in a folder."""
        return [entry for entry in self.entries(path) if entry.name.endswith(".wit") and not _is_folder(entry)]

    def add(self, files: Sequence[Path], *, is_main: bool = False) -> None:
        """Read the files of one package."""
        sources: list[SourceFile] = []
        for file in files:
            data = self.read(file)
            if data is None:
                continue
            if data.startswith(_MAGIC) or file.suffix in _BINARIES:
                self.binary(file, data, is_main=is_main)
            elif (source := self.text(file, data)) is not None:
                sources.append(source)
        if sources:
            self.groups.append(Group(files=tuple(sources), is_main=is_main))

    def read(self, path: Path) -> bytes | None:
        """The bytes of one file."""
        try:
            return path.read_bytes()
        except (OSError, ValueError) as error:
            self.refuse("unreadable", path, getattr(error, "strerror", None) or str(error))
            return None

    def text(self, path: Path, data: bytes) -> SourceFile | None:
        """The text of one file."""
        try:
            return SourceFile(str(path), data.decode("utf-8"))
        except UnicodeDecodeError as error:
            self.refuse("unreadable", path, f"not UTF-8 text (byte {error.start})")
            return None

    def binary(self, path: Path, data: bytes, *, is_main: bool) -> None:
        """Decode a component."""
        if self.read_binary is None:
            self.refuse("bad-binary", path, "component binaries are not read here")
            return
        resolution, problems = self.read_binary(data)
        severity = Severity.ERROR if resolution is None else Severity.WARNING
        for problem in problems or ([] if resolution else ["it cannot be read"]):
            self.collector.add(Diagnostic(code="bad-binary", severity=severity, message=f"{path}: {problem}"))
        if resolution is not None:
            self.decoded.append(resolution)
            self.decoded_main += resolution.main if is_main else ()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
