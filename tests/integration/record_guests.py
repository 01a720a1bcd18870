"""Components whose functions keep their names and change their types: a workflow that calls one by name, and theirs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from wasmtime import wat2wasm

ROOT = Path(__file__).parents[2]
TOOL = Path(sys.executable).with_name("wasm-tools")
SUPPORT = "obelisk:workflow/workflow-support@6.0.0"
ASK, FLOW, TYPED = "demo:letter/child.ask", "demo:letter/flow.run", "demo:letter/typed.run"
MEMORY = """
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 8192))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))"""

# Calls the child by name, sleeps for a day, then tells what `get-result-json` gives for it: the tags of the result, of
# the one inside and of the option in that, and the text.
WORKFLOW = f"""(module
  (import "{SUPPORT}" "call-json" (func $call (param i32 i32 i32 i32 i32 i32 i32)))
  (import "{SUPPORT}" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
  (import "{SUPPORT}" "last-direct-call-id" (func $last (param i32)))
  (import "{SUPPORT}" "get-result-json" (func $get (param i32 i32 i32)))
  {MEMORY}
  (data (i32.const 1024) "demo:letter/child")
  (data (i32.const 1056) "ask")
  (data (i32.const 1072) "PARAMS")
  (func (export "demo:letter/flow#run") (result i32)
    (call $call (i32.const 1024) (i32.const 17) (i32.const 1056) (i32.const 3)
                (i32.const 1072) (i32.const LENGTH) (i32.const 256))
    (call $sleep (i32.const 2) (i64.const 4) (i64.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 320))
    (call $last (i32.const 384))
    (call $get (i32.load (i32.const 388)) (i32.load (i32.const 392)) (i32.const 256))
    (i32.store8 (i32.const 64) (i32.load8_u (i32.const 256)))
    (i32.store8 (i32.const 65) (i32.load8_u (i32.const 260)))
    (i32.store8 (i32.const 66) (i32.load8_u (i32.const 264)))
    (i32.store (i32.const 68) (i32.load (i32.const 268)))
    (i32.store (i32.const 72) (i32.load (i32.const 272)))
    (i32.const 64)))"""
# Calls the child as it is typed, sleeps for a day, then returns the text that it was answered.
TYPED_WORKFLOW = f"""(module
  (import "demo:letter/child" "ask" (func $ask (param i32 i32)))
  (import "{SUPPORT}" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
  {MEMORY}
  (func (export "demo:letter/typed#run") (result i32)
    (call $ask (i32.const 1) (i32.const 256))
    (call $sleep (i32.const 2) (i64.const 4) (i64.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 320))
    (i32.const 260)))"""
# The two words at 64 are the text, or the tag of a result and its text.
TEXT = f"""(module {MEMORY}
  (data (i32.const 1024) "boom")
  (func (export "demo:letter/child#ask") (param PARAM) (result i32)
    (i32.store (i32.const 64) (i32.const 1024)) (i32.store (i32.const 68) (i32.const 4))
    (i32.const 64)))"""
RESULT = f"""(module {MEMORY}
  (data (i32.const 1024) "boom")
  (func (export "demo:letter/child#ask") (param PARAM) (result i32)
    (i32.store8 (i32.const 64) (i32.const 1))
    (i32.store (i32.const 68) (i32.const 1024)) (i32.store (i32.const 72) (i32.const 4))
    (i32.const 64)))"""


def _component(core: str, wit: str, folder: Path) -> bytes:
    """The component of a core module for the world `w`."""
    shutil.rmtree(folder / "wit", ignore_errors=True)
    shutil.copytree(ROOT / "wit", folder / "wit/deps", ignore=shutil.ignore_patterns("*.md", "__*"))
    (folder / "wit/w.wit").write_text(f"package demo:letter;\n{wit}")
    (folder / "m.wasm").write_bytes(wat2wasm(core))
    embed = ["component", "embed", "--all-features", "wit", "-w", "w", "m.wasm", "-o", "e.wasm"]
    for arguments in (embed, ["component", "new", "e.wasm", "-o", "c.wasm"]):
        subprocess.run([TOOL, *arguments], cwd=folder, check=True)
    return (folder / "c.wasm").read_bytes()


def workflow(folder: Path, params: str = "[1]") -> bytes:
    """A workflow that calls `ask` by name with these parameters."""
    text = params.replace('"', '\\"')
    core = WORKFLOW.replace("PARAMS", text).replace("LENGTH", str(len(params)))
    wit = f"""
        interface flow {{ run: func() -> tuple<u8, u8, u8, string>; }}
        world w {{ import {SUPPORT}; export flow; }}"""
    return _component(core, wit, folder)


def typed_workflow(folder: Path, result: str = "result<string, string>") -> bytes:
    """A workflow that imports `ask` with this result."""
    wit = f"""
        interface child {{ ask: func(p: u32) -> {result}; }}
        interface typed {{ run: func() -> string; }}
        world w {{ import child; import {SUPPORT}; export typed; }}"""
    return _component(TYPED_WORKFLOW, wit, folder)


def child(folder: Path, *, param: str = "u32", result: str = "result<string, string>") -> bytes:
    """The activity `ask`: it returns the text ``boom``, as ``err`` where that is a result."""
    core = RESULT if result.startswith("result") else TEXT
    core = core.replace("PARAM", "i32 i32" if param == "string" else "i32")
    wit = f"interface child {{ ask: func(p: {param}) -> {result}; }} world w {{ export child; }}"
    return _component(core, wit, folder)
