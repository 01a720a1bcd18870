"""Seals of compiled code: only who has the key makes one, and for one name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.wasmtime import seal
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings

CODE = b"native code"
BINARY, OTHER = (bytes(wat2wasm(f'(component (core module (func (export "{name}"))))')) for name in "ab")


def file_in(folder: Path, name: str = "a.cwasm") -> Path:
    folder.mkdir(exist_ok=True)
    return folder / name


def test_a_seal_is_of_one_content_under_one_name_in_one_cache(tmp_path: Path) -> None:
    path = file_in(tmp_path / "cache")
    whole = CODE + seal.sealed(path, CODE)
    assert seal.is_sealed(path, whole)
    assert not seal.is_sealed(path, b"x" + whole)
    assert not seal.is_sealed(path, whole[:-1])
    assert not seal.is_sealed(path, b"")
    assert not seal.is_sealed(path.with_name("b.cwasm"), whole)
    assert not seal.is_sealed(file_in(tmp_path / "other"), whole)


def test_without_the_key_there_is_no_seal(tmp_path: Path) -> None:
    path = file_in(tmp_path / "cache")
    mark = seal.sealed(path, CODE)[:8]
    assert not seal.is_sealed(path, CODE + mark + hashlib.sha256(CODE).digest())
    assert not seal.is_sealed(path, CODE + b"obelisk1" + hashlib.sha256(CODE).digest())
    key = seal.key_path(path.parent)
    assert key.parent == tmp_path
    assert (key.stat().st_mode & 0o777, key.stat().st_size) == (0o600, 32)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["cache", "cache.key"]


def test_the_key_lasts(tmp_path: Path) -> None:
    path = file_in(tmp_path / "cache")
    whole = CODE + seal.sealed(path, CODE)
    seal.forget()
    assert seal.is_sealed(path, whole)
    seal.key_path(path.parent).write_bytes(bytes(32))
    seal.forget()
    assert not seal.is_sealed(path, whole)


def readable(key: Path) -> None:
    key.chmod(0o644)


def writable(key: Path) -> None:
    key.chmod(0o602)


def short(key: Path) -> None:
    key.write_bytes(b"short")


def link(key: Path) -> None:
    key.rename(key.with_suffix(".real"))
    key.symlink_to(key.with_suffix(".real"))


@pytest.mark.parametrize("spoil", [readable, writable, short, link])
def test_a_key_that_others_may_know_is_none(
    tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = file_in(tmp_path / "cache")
    whole = CODE + seal.sealed(path, CODE)
    spoil(seal.key_path(path.parent))
    seal.forget()
    assert not seal.is_sealed(path, whole), "what was sealed with it is built again"
    assert seal.is_sealed(path, CODE + seal.sealed(path, CODE)), "damage is found all the same"
    assert caplog.text.count("a seal tells damage, not who made the file") == 1


def test_code_under_the_name_of_another_component_is_not_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cache"
    with Engine(activity_settings()) as engine:
        ComponentCache(engine, folder).compile(BINARY)
        (path,) = folder.iterdir()
        ComponentCache(engine, folder).compile(OTHER)
        (other,) = set(folder.iterdir()) - {path}
        before = other.read_bytes()
        os.replace(path, other)
        ComponentCache(engine, folder).compile(OTHER)
        assert "building it again" in caplog.text
        assert len(other.read_bytes()) == len(before)
        assert seal.is_sealed(other, other.read_bytes())
