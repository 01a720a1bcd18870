"""What is a component, and the cache of compiled ones."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wasmtime
from wasmtime.component import Component

from obelisk.runtime.errors import ComponentError
from obelisk.runtime.host.component import ComponentCache, digest_of, to_binary
from obelisk.runtime.host.wasmtime import cache
from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings, workflow_settings

TEXT = b'(component (import "a:b/c@1.0.0" (instance)) (core module (func)))'
BINARY = to_binary(TEXT)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(workflow_settings()) as engine:
        yield engine


def test_text_becomes_binary_and_binary_stays() -> None:
    assert BINARY.startswith(b"\0asm\x0d\0\x01\0")
    assert to_binary(BINARY) is BINARY
    assert to_binary(b"\n ;; a comment\n" + TEXT) == BINARY


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "neither a WebAssembly binary nor text"),
        (b"hello", "does not parse as component text"),
        (b"(component (func", "does not parse as component text"),
        (b"\0asm\x01\0\0\0", "core WebAssembly module"),
        (b"(module)", "core WebAssembly module"),
        (b"\0asm\x0d", "ends within the WebAssembly header"),
    ],
)
def test_what_is_no_component_is_refused(source: bytes, message: str) -> None:
    with pytest.raises(ComponentError, match=message) as caught:
        to_binary(source)
    assert caught.value.code == "component_invalid"


@pytest.mark.parametrize("binary", [BINARY[:-3], b"\0asm\x0d\0\x01\0\xff\xff", b"\0asm\x01\0\0\0", b"no"])
def test_broken_binaries_are_refused(engine: Engine, binary: bytes, tmp_path: Path) -> None:
    with pytest.raises(ComponentError):
        ComponentCache(engine, tmp_path).compile(binary)
    assert list(tmp_path.iterdir()) == []


def test_fixed_length_lists_are_refused(engine: Engine) -> None:
    binary = to_binary(b'(component (import "f" (func (param "a" (list u8 4)))))')
    with pytest.raises(ComponentError, match=r"(?i)fixed-length lists"):
        ComponentCache(engine, None).compile(binary)


def test_the_cache_is_used(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ComponentCache(engine, tmp_path / "new" / "cache").compile(BINARY)
    assert first.digest == digest_of(BINARY) == f"sha256:{first.digest[7:]}"
    assert first.imports == ("a:b/c@1.0.0",)
    (entry,) = (tmp_path / "new" / "cache").iterdir()
    assert entry.name == f"{first.digest[7:]}-{engine.fingerprint}.cwasm"

    def fail(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr("obelisk.runtime.host.component.Component.__init__", fail)
    second = ComponentCache(engine, tmp_path / "new" / "cache").compile(BINARY)
    assert (second.digest, second.imports) == (first.digest, first.imports)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "unsealed", "foreign"])
def test_a_damaged_entry_is_built_again(
    engine: Engine, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    compiled = ComponentCache(engine, tmp_path)
    compiled.compile(BINARY)
    (entry,) = tmp_path.iterdir()
    good = entry.read_bytes()
    foreign = Component(wasmtime.Engine(), BINARY).serialize()
    bad = {
        "flip": good[:2000] + bytes([good[2000] ^ 1]) + good[2001:],
        "cut": good[:-100],
        "empty": b"",
        "unsealed": good[:-40],
        "foreign": bytes(foreign),
    }
    entry.write_bytes(bad[damage])
    with caplog.at_level(logging.WARNING):
        assert compiled.compile(BINARY).digest == digest_of(BINARY)
    assert "building it again" in caplog.text
    assert entry.read_bytes() == good


def test_a_sealed_entry_of_other_settings_is_built_again(engine: Engine, tmp_path: Path) -> None:
    with Engine(EngineSettings(fuel=True)) as other:
        assert other.fingerprint != engine.fingerprint
        ComponentCache(other, tmp_path).compile(BINARY)
        (entry,) = tmp_path.iterdir()
        entry.rename(tmp_path / entry.name.replace(other.fingerprint, engine.fingerprint))
    assert ComponentCache(engine, tmp_path).compile(BINARY).digest == digest_of(BINARY)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        assert ComponentCache(engine, tmp_path / "file").compile(BINARY).digest == digest_of(BINARY)
    assert "cannot be" in caplog.text


def test_threads_and_processes_share_a_cache(engine: Engine, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from obelisk.runtime.host.component import ComponentCache\n"
        "from obelisk.runtime.host.wasmtime.engine import Engine, workflow_settings\n"
        "with Engine(workflow_settings()) as engine:\n"
        "    print(ComponentCache(engine, Path(sys.argv[1])).compile(Path(sys.argv[2]).read_bytes()).digest)\n"
    )
    binary = tmp_path / "c.wasm"
    binary.write_bytes(BINARY)
    folder = tmp_path / "cache"
    with ThreadPoolExecutor(6) as pool:
        command = [sys.executable, "-c", script, str(folder), str(binary)]
        process = pool.submit(subprocess.check_output, command, text=True)
        inside = [pool.submit(ComponentCache(engine, folder).compile, BINARY) for _ in range(10)]
        assert {compiled.result().digest for compiled in inside} == {process.result().strip()}
    assert len(list(folder.iterdir())) == 1


def test_who_comes_at_the_same_time_compiles_once(engine: Engine, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from obelisk.runtime.host.component import ComponentCache\n"
        "from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings\n"
        "build = ComponentCache._build\n"
        "def slowly(self, binary, digest):\n"
        "    with open(sys.argv[3], 'a') as file: file.write('built\\n')\n"
        "    time.sleep(1)\n"
        "    return build(self, binary, digest)\n"
        "ComponentCache._build = slowly\n"
        "with Engine(EngineSettings()) as engine:\n"
        "    print(ComponentCache(engine, Path(sys.argv[1])).compile(Path(sys.argv[2]).read_bytes()).digest)\n"
    )
    binary, built, folder = tmp_path / "c.wasm", tmp_path / "built", tmp_path / "cache"
    binary.write_bytes(BINARY)
    command = [sys.executable, "-c", script, str(folder), str(binary), str(built)]
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    digests = {process.communicate(timeout=300)[0].strip() for process in together}
    assert digests == {digest_of(BINARY)}
    assert built.read_text() == "built\n"
    assert [entry.suffix for entry in folder.iterdir()] == [".cwasm"]


def test_a_compiler_that_dies_leaves_no_lock(engine: Engine, tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path\n"
        "from obelisk.runtime.host.wasmtime.cache import CompiledFile\n"
        "with CompiledFile(Path(sys.argv[1])).alone(): os._exit(1)\n"
    )
    name = f"{digest_of(BINARY)[7:]}-{engine.fingerprint}.cwasm"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=False, timeout=300)
    assert [entry.suffix for entry in tmp_path.iterdir()] == [".lock"]
    ComponentCache(engine, tmp_path).compile(BINARY)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


HOUR_S, DAY_S = 3_600, 86_400


def aged(folder: Path, name: str, age_s: float, size: int = 1000) -> Path:
    path = folder / name
    path.write_bytes(bytes(size))
    at_s = time.time() - age_s
    os.utime(path, (at_s, at_s))
    return path


def test_what_is_old_or_too_much_goes(tmp_path: Path) -> None:
    def name(number: int, ending: str = ".cwasm") -> str:
        return f"{number:064x}-0123456789abcdef{ending}"

    ages = {1: 0, 2: 2 * HOUR_S, 3: 3 * HOUR_S, 4: 4 * HOUR_S, 5: 40 * DAY_S}
    for number, age_s in ages.items():
        aged(tmp_path, name(number), age_s)
    aged(tmp_path, name(6, ".cwasmab_12cde"), 2 * DAY_S)
    aged(tmp_path, name(7, ".cwasmab_12cde"), 60)
    aged(tmp_path, "mine.cwasm", 90 * DAY_S)
    aged(tmp_path, name(8, ".lock"), 0)
    held = os.open(aged(tmp_path, name(9, ".lock"), 0), os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert cache.prune(tmp_path, max_bytes=3_000, unused_s=30 * DAY_S) == 3
    os.close(held)
    left = [name(1), name(2), name(3), name(7, ".cwasmab_12cde"), name(9, ".lock"), "mine.cwasm"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(left)
    assert cache.prune(tmp_path, max_bytes=0, unused_s=0) == 2, "what was used within the hour stays"
    assert cache.prune(tmp_path / "none", max_bytes=0, unused_s=0) == 0


def test_what_is_used_is_not_old(engine: Engine, tmp_path: Path) -> None:
    compiled = ComponentCache(engine, tmp_path)
    compiled.compile(BINARY)
    (entry,) = tmp_path.iterdir()
    at_s = time.time() - 50 * DAY_S
    os.utime(entry, (at_s, at_s))
    compiled.compile(BINARY)
    assert cache.prune(tmp_path, max_bytes=0, unused_s=DAY_S) == 0
    assert entry.exists()


def test_others_may_use_what_goes(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_FRESH_S", -1.0)
    done = threading.Event()

    def prune() -> int:
        removed = 0
        while not done.is_set():
            removed += cache.prune(tmp_path, max_bytes=0, unused_s=0)
        return removed

    with ThreadPoolExecutor(4) as pool:
        pruning = pool.submit(prune)
        compiling = [pool.submit(ComponentCache(engine, tmp_path).compile, BINARY) for _ in range(60)]
        assert {compiled.result().digest for compiled in compiling} == {digest_of(BINARY)}
        done.set()
        assert pruning.result() > 0


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_to_is_not_used(
    engine: Engine, tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    assert ComponentCache(engine, folder).compile(BINARY).digest == digest_of(BINARY)
    assert list(folder.iterdir()) == []
    assert f"others may write to {folder}" in caplog.text


def test_a_new_folder_is_for_its_owner_alone(engine: Engine, tmp_path: Path) -> None:
    ComponentCache(engine, tmp_path / "cache").compile(BINARY)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_both_purposes_share_compiled_code(engine: Engine) -> None:
    with Engine(EngineSettings(async_stack_bytes=1 << 20, wasm_stack_bytes=1 << 19, tick_us=5_000)) as other:
        assert other.fingerprint == engine.fingerprint
