"""Decoded binaries beside the reference (`wasm-tools`, a development dependency): the same JSON, index for index.

The reference itself makes the binaries from our WIT cases: every package encoded as wasm, a component for every world.
What it prints of a component must in turn be what our text means.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from obelisk.codegen.binary.decoder import decode
from obelisk.codegen.emit.wit_json import to_json
from obelisk.codegen.syntax.printer import print_resolution

Json = Any  # what json.loads gives; its shape is the reference's

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "cases" / "wit"
WASM_TOOLS = Path(sysconfig.get_path("scripts")) / "wasm-tools"
WITS = sorted(p for p in CASES.iterdir() if p.suffix == ".wit" or p.is_dir())


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(WASM_TOOLS), "component", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def reference(path: Path) -> Json:
    done = run("wit", "--json", "--all-features", path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compare(path: Path) -> None:
    """Decode `path`; the JSON must be the reference's, and our text of it must mean the same to the reference."""
    decoded = decode(path.read_bytes())
    assert decoded.problems == ()
    assert decoded.resolution is not None
    expected = reference(path)
    assert to_json(decoded.resolution, decoded=True) == expected
    printed = path.with_suffix(".wit")
    printed.write_text(print_resolution(decoded.resolution))
    assert named(reference(printed)) == named(expected)


def named(document: Json) -> Json:
    """Which interfaces, types, functions and worlds there are, without indices."""
    result: dict[str, list[object]] = {}
    for package in document["packages"]:
        listed = result[package["name"]] = []
        for name, index in package["interfaces"].items():
            interface = document["interfaces"][index]
            listed.append((name, sorted(interface["types"]), sorted(interface["functions"])))
        for name, index in package["worlds"].items():
            world = document["worlds"][index]
            listed.append((name, *(sorted(world[side].keys() - ids(document)) for side in ("imports", "exports"))))
    return result


def ids(document: Json) -> set[str]:
    return {f"interface-{index}" for index in range(len(document["interfaces"]))}


@pytest.mark.parametrize("wit", WITS, ids=lambda p: p.stem)
def test_packages(tmp_path: Path, wit: Path) -> None:
    binary = tmp_path / "package.wasm"
    done = run("wit", "--all-features", "--wasm", wit, "-o", binary)
    if wit.stem == "alike":
        assert "conflicts with previous name" in done.stderr  # text may have such names, a binary may not
        return
    assert done.returncode == 0, done.stderr
    compare(binary)


@pytest.mark.parametrize("wit", WITS, ids=lambda p: p.stem)
def test_components_of_every_world(tmp_path: Path, wit: Path) -> None:
    document = reference(wit)
    made = 0
    for world in document["worlds"]:
        package, at, version = document["packages"][world["package"]]["name"].partition("@")
        core, component = tmp_path / "core.wasm", tmp_path / f"{made}.wasm"
        name = f"{package}/{world['name']}{at}{version}"
        if run("embed", "--dummy", "--all-features", wit, "-w", name, "-o", core).returncode:
            continue  # the reference's command line knows no world whose name is a keyword
        if run("new", core, "-o", component).returncode:
            continue  # nor can it make a component of everything that a world may say
        compare(component)
        made += 1
    assert made or len(document["worlds"]) == 0 or wit.stem in ("alike", "names")


@pytest.mark.parametrize(
    "text",
    [
        '(import "f" (func (param "x" u32)))',
        """(import "a:b/t" (instance $t (export "r" (type $r (sub resource))) (export "f" (func (param "r" (own $r))))))
           (alias export $t "r" (type $r)) (import "a:b/u" (instance (export "r" (type $q (eq $r)))
             (export "l" (func (param "x" (list (borrow $q))) (result (list u8)))))) (import "g" (func))""",
        """(import "z:z/t@0.2.1" (instance $t (export "e" (type (sub resource))))) (alias export $t "e" (type $e))
           (import "inl" (instance (export "e" (type $x (eq $e))) (export "f" (func (result (own $x))))))
           (import "e" (type $y (eq $e))) (import "p" (func (param "e" (option (own $y)))))""",
        """(import "a:b/c" (instance $c (type $s (record (field "x" (list u8)))) (export "s" (type (eq $s)))))
           (alias export $c "s" (type $s)) (component $k (type $r (record (field "x" (list u8))))
             (import "s" (type $t (eq $r))) (export "s" (type $t)) (type $n (list u8)) (export "n" (type $n)))
           (instance $i (instantiate $k (with "s" (type $s)))) (export "a:b/d" (instance $i))""",
    ],
)
def test_hand_written_components(tmp_path: Path, text: str) -> None:
    path = tmp_path / "component.wasm"
    path.write_bytes(wasmtime.wat2wasm(f"(component {text})"))
    compare(path)


def test_the_old_package_encoding(tmp_path: Path) -> None:
    path = tmp_path / "old.wasm"
    path.write_bytes(
        wasmtime.wat2wasm("""(component (type (component
          (import "x:y/z" (instance $z (export "r" (type (sub resource))))) (alias export $z "r" (type $r))
          (export "a:b/c" (instance (export "r" (type $q (eq $r))) (export "f" (func (param "r" (borrow $q))))))
          (export "a:b/w" (component (import "x:y/z" (instance (export "r" (type (sub resource)))))
            (export "run" (func (param "l" (list string))))))))
          (export "a:b/wit" (type 0)))""")
    )
    compare(path)
