"""Reading WIT from the file system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from obelisk.codegen.diagnostics import Severity
from obelisk.codegen.model.items import Package, Resolution
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.resolve.load import load
from obelisk.codegen.resolve.resolver import Loaded


def tree(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def packages(loaded: Loaded) -> list[str]:
    assert loaded.resolution is not None, loaded.diagnostics
    return [str(package.name) for package in loaded.resolution.packages]


def messages(loaded: Loaded) -> list[tuple[str, str]]:
    assert loaded.resolution is None
    return [(d.code, d.message) for d in loaded.diagnostics]


def test_a_file(tmp_path: Path) -> None:
    tree(tmp_path, {"a.wit": "package a:a;", "b.wit": "package b:b;"})
    assert packages(load([tmp_path / "a.wit"])) == ["a:a"]


def test_a_folder_with_deps(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.wit": "package a:a;",
        "b.wit": "interface i {}",
        "notes.md": "not WIT",
        "sub/x.wit": "package not:read;",
        "deps/one.wit": "package c:c;",
        "deps/two/x.wit": "package d:d;",
        "deps/two/y.wit": "interface y {}",
        "deps/two/deps/z.wit": "package not:read;",
        "deps/readme.txt": "not WIT",
        "deps/empty/none.txt": "",
    }
    loaded = load([tree(tmp_path, files)])
    assert packages(loaded) == ["a:a", "c:c", "d:d"]
    assert loaded.resolution is not None
    assert loaded.resolution.main == (PackageName("a", "a"),)
    assert [Path(source.path).name for source in loaded.sources] == ["a.wit", "b.wit", "one.wit", "x.wit", "y.wit"]


def test_a_folder_of_packages(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "one@1.0.0/a.wit": "package a:one@1.0.0; interface i { type t = u8; }",
        "two/b.wit": "package a:two; interface i { use a:one/i@1.0.0.{t}; use a:three/i.{u}; }",
        "deps/three/c.wit": "package a:three; interface i { type u = u8; }",
        "nothing/readme.txt": "",
    }
    tree(tmp_path, files)
    (tmp_path / "one@latest").symlink_to(tmp_path / "one@1.0.0")
    loaded = load([tmp_path])
    assert packages(loaded) == ["a:one@1.0.0", "a:three", "a:two"]
    assert loaded.resolution is not None
    assert set(loaded.resolution.main) == {PackageName("a", "one", "1.0.0"), PackageName("a", "two")}


def test_several_paths_see_one_another(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "x/a.wit": "package a:a; interface i { use b:b/i.{t}; }",
        "x/deps/b.wit": "package b:b; interface i { type t = u8; }",
        "b.wit": "package b:b; interface i { type t = u8; }",
    }
    tree(tmp_path, files)
    loaded = load([tmp_path / "x", tmp_path / "b.wit"])
    assert packages(loaded) == ["b:b", "a:a"]
    assert loaded.resolution is not None
    assert set(loaded.resolution.main) == {PackageName("a", "a"), PackageName("b", "b")}


def test_what_cannot_be_read(tmp_path: Path) -> None:
    tree(tmp_path, {"empty/readme.txt": "", "latin.wit": b"package a:b; // \xe9", "a.wit": "package a:b;"})
    (tmp_path / "loop.wit").symlink_to(tmp_path / "loop.wit")
    found = messages(
        load([tmp_path / "none", tmp_path / "empty", tmp_path / "latin.wit", tmp_path / "loop.wit", Path("a\0b")])
    )
    assert sorted(found) == sorted(
        [
            ("unreadable", f"{tmp_path}/none: No such file or directory"),
            ("no-wit", f"{tmp_path}/empty: there is no `.wit` file in this folder"),
            ("unreadable", f"{tmp_path}/latin.wit: not UTF-8 text (byte 16)"),
            ("unreadable", f"{tmp_path}/loop.wit: Too many levels of symbolic links"),
            ("unreadable", "a\0b: embedded null byte"),
        ]
    )


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert messages(load([tmp_path]))[0] == ("unreadable", f"{tmp_path}: Permission denied")


def test_a_path_whose_kind_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert messages(load([tmp_path])) == [("unreadable", f"{tmp_path}: Is a directory")]


WASM = b"\0asm and more"
DECODED = Resolution(packages=(Package(name=PackageName("c", "c")),), main=(PackageName("c", "c"),))


def reader(data: bytes) -> tuple[Resolution | None, Sequence[str]]:
    if data == b"(component)":
        return DECODED, ["a part has no form in WIT"]
    return (DECODED, ()) if data == WASM else (None, ["this is no component"] if data == b"\0asm!" else ())


def test_binaries(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.wit": "package a:a;",
        "deps/c.wasm": WASM,
        "deps/c.wat": "(component)",
        "no-suffix": WASM,
        "bad.wasm": b"\0asm!",
        "silent.wasm": b"\0asm?",
    }
    tree(tmp_path, files)
    loaded = load([tmp_path], read_binary=reader)
    assert packages(loaded) == ["c:c", "a:a"]
    assert [(d.severity, d.message) for d in loaded.diagnostics] == [
        (Severity.WARNING, f"{tmp_path}/deps/c.wat: a part has no form in WIT")
    ]
    assert loaded.resolution is not None
    assert loaded.resolution.main == (PackageName("a", "a"),)
    alone = load([tmp_path / "no-suffix"], read_binary=reader).resolution
    assert alone == DECODED
    bad = tmp_path / "bad.wasm"
    assert messages(load([bad], read_binary=reader)) == [("bad-binary", f"{bad}: this is no component")]
    silent = tmp_path / "silent.wasm"
    assert messages(load([silent], read_binary=reader)) == [("bad-binary", f"{silent}: it cannot be read")]
    assert messages(load([bad])) == [("bad-binary", f"{bad}: component binaries are not read here")]
