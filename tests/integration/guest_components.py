"""Components of `tests/golden/guests`: one that implements resources, one that uses those of another component."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from wasmtime import wat2wasm

ROOT = Path(__file__).parents[2]
TOOL = Path(sys.executable).with_name("wasm-tools")
S, U = "test:guests/sessions@1.0.0", "test:guests/users@1.0.0"
MEMORY = """
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 4096))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))"""

# A session is a cell of memory; its address is what the component knows it by.
SERVER = f"""(module
  (import "[export]{S}" "[resource-new]session" (func $new (param i32) (result i32)))
  (import "[export]{S}" "[resource-rep]session" (func $rep (param i32) (result i32)))
  (import "[export]{S}" "[resource-drop]session" (func $drop (param i32)))
  (import "$root" "ended" (func $ended (param i32) (result i32)))
  (import "tools" "double" (func $double (param i32) (result i32)))
  {MEMORY}
  (global $live (mut i32) (i32.const 0))
  (func $make (param $at i32) (result i32) (local $cell i32)
    (local.set $cell (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 4)))
    (i32.store (local.get $cell) (local.get $at))
    (global.set $live (i32.add (global.get $live) (i32.const 1)))
    (call $new (local.get $cell)))
  (func $use_up (param $handle i32) (result i32) (local $at i32)
    (local.set $at (i32.load (call $rep (local.get $handle))))
    (call $drop (local.get $handle))
    (local.get $at))
  (func (export "{S}#[dtor]session") (param $cell i32)
    (global.set $live (i32.sub (global.get $live) (i32.const 1)))
    (if (i32.eqz (call $ended (i32.load (local.get $cell)))) (then unreachable)))
  (func (export "{S}#[constructor]session") (param i32) (result i32) (call $make (local.get 0)))
  (func (export "{S}#[method]session.next") (param $cell i32) (result i32)
    (i32.store (local.get $cell) (i32.add (i32.load (local.get $cell)) (i32.const 1)))
    (i32.load (local.get $cell)))
  (func (export "{S}#[method]session.absorb") (param $cell i32) (param $other i32) (result i32)
    (i32.store (local.get $cell) (i32.add (i32.load (local.get $cell)) (call $use_up (local.get $other))))
    (i32.load (local.get $cell)))
  (func (export "{S}#[method]session.is-same") (param i32 i32) (result i32) (i32.eq (local.get 0) (local.get 1)))
  (func (export "{S}#[static]session.merge") (param $a i32) (param $b i32) (result i32)
    (call $make (i32.add (call $use_up (local.get $a)) (call $use_up (local.get $b)))))
  (func (export "{S}#open") (param $at i32) (param $count i32) (result i32) (local $i i32)
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $i) (local.get $count)))
      (i32.store (i32.add (i32.const 1024) (i32.shl (local.get $i) (i32.const 2)))
        (call $make (i32.load (i32.add (local.get $at) (i32.shl (local.get $i) (i32.const 2))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (i32.store (i32.const 64) (i32.const 1024))
    (i32.store (i32.const 68) (local.get $count))
    (i32.const 64))
  (func (export "{S}#total") (param $at i32) (param $count i32) (result i32) (local $sum i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (local.set $sum (i32.add (local.get $sum) (i32.load (i32.load (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))
    (local.get $sum))
  (func $seat (export "{S}#move") (param $number i32) (param $handle i32) (result i32)
    (i32.store (i32.const 64) (i32.add (local.get $number) (i32.const 1)))
    (i32.store (i32.const 68) (local.get $handle))
    (i32.const 64))
  (func (export "{S}#maybe") (param $given i32) (param $handle i32) (result i32)
    (i32.store (i32.const 64) (i32.eqz (local.get $given)))
    (i32.store (i32.const 68) (local.get $handle))
    (i32.store (i32.const 72) (i32.const 0))
    (i32.const 64))
  (func (export "{S}#live") (result i32) (global.get $live))
  (func (export "{U}#finish") (param i32) (result i32) (call $use_up (local.get 0)))
  (func (export "{U}#seat-of") (param i32) (result i32) (call $seat (i32.const 0) (call $make (local.get 0))))
  (func (export "{U}#spin") (loop $l (br $l)))
  (func $quadruple (export "extra#quadruple") (param i32) (result i32)
    (call $double (call $double (local.get 0))))
  (func (export "twice") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1))))"""

CLIENT = f"""(module
  (import "{S}" "[constructor]session" (func $new (param i32) (result i32)))
  (import "{S}" "[method]session.next" (func $next (param i32) (result i32)))
  (import "{S}" "[static]session.merge" (func $merge (param i32 i32) (result i32)))
  (import "{S}" "[resource-drop]session" (func $drop (param i32)))
  {MEMORY}
  (func (export "run") (param $start i32) (result i32) (local $session i32)
    (local.set $session (call $merge (call $new (local.get $start)) (call $new (i32.const 100))))
    (drop (call $next (local.get $session)))
    (call $next (local.get $session))
    (call $drop (local.get $session)))
  (func (export "keep") (param $start i32) (result i32) (call $next (call $new (local.get $start)))))"""


def build(core: str, world: str, folder: Path) -> bytes:
    """The component of a core module in text form."""
    (folder / "m.wasm").write_bytes(wat2wasm(core))
    embed = ["component", "embed", ROOT / "tests/golden/guests/wit", "-w", world, "m.wasm", "-o", "e.wasm"]
    for arguments in (embed, ["component", "new", "e.wasm", "-o", "c.wasm"]):
        subprocess.run([TOOL, *arguments], cwd=folder, check=True)
    return (folder / "c.wasm").read_bytes()
