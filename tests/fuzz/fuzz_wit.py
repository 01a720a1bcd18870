"""WIT of strangers, as text and encoded, and components.

Promises: whatever the bytes, there is a resolution or there are problems with a place, and nothing is raised; a
resolved text prints as WIT that resolves to the same; a formatted one formats to itself; and what a binary says is,
printed, WIT without an error of syntax, so that no name or gate of it writes WIT of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzzing import Target

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "wit"
TEXT_TOKENS = tuple(
    word.encode()
    for word in (
        "package a:b@1.0.0;",
        "package a:c { }",
        "interface i { }",
        "world w { }",
        "use i.{t};",
        "use a:b/i@1.0.0 as j;",
        "include w with { a as b };",
        "import i;",
        "export f: func();",
        "record r { a: u8 }",
        "variant v { a(t), b }",
        "enum e { a }",
        "flags f { a, b }",
        "resource r { constructor(); m: func(); s: static func() -> r; }",
        "type t = u8;",
        "func(a: borrow<r>) -> result<_, string>",
        "list<u8, 4>",
        "map<string, t>",
        "tuple<t, t>",
        "option<t>",
        "own<r>",
        "stream<u8>",
        "future",
        "error-context",
        "async func()",
        "@since(version = 1.0.0)",
        "@unstable(feature = x)",
        "@deprecated(version = 1.0.0)",
        '@external-id("x")',
        "/// docs\n",
        "//",
        "/*",
        "*/",
        "%",
        "-",
        "_",
        "->",
        ":",
        ";",
        ",",
        ".",
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        "=",
        "@",
        "/",
        "\r\n",
        "\u202e",
        "\x00",
    )
)
SECTIONS = tuple(bytes([number]) for number in range(13))
BINARY_TOKENS = (
    *SECTIONS,
    b"\0asm\x0d\0\x01\0",
    b"\0asm\x01\0\0\0",
    b"\x7f",
    b"\x40",
    b"\x41",
    b"\x42",
    b"\x43",
    b"\x72",
    b"\x71",
    b"\x70",
    b"\x6f",
    b"\x6e",
    b"\x6d",
    b"\x6b",
    b"\x6a",
    b"\x69",
    b"\x68",
    b"\x3f",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x00",
    b"\x00\x05a:b/c",
    b"\x01\x09a:b/c@1.0",
    b"\x03a-b",
    b"[method]r.m",
    b"[constructor]r",
    b"[static]r.s",
    b"package-docs",
    b'{"docs":"x"}',
)


@cache
def _texts() -> Sequence[bytes]:
    texts = [path.read_bytes() for path in sorted(CASES.rglob("*.wit"))]
    return tuple(text for text in texts if len(text) <= 4096)


@cache
def _packages() -> Sequence[bytes]:
    """The texts that the reference tool takes, encoded by it."""
    found: list[bytes] = []
    with TemporaryDirectory() as folder:
        for number, text in enumerate(_texts()):
            source, binary = Path(folder) / f"{number}.wit", Path(folder) / f"{number}.wasm"
            source.write_bytes(text)
            tool = Path(sys.executable).parent / "wasm-tools"
            command = [str(tool), "component", "wit", str(source), "--wasm", "--all-features", "-o", str(binary)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                found.append(binary.read_bytes())
    return tuple(found)


@cache
def _components() -> Sequence[bytes]:
    """The components in the tests and the examples that are written as text, and small ones of the packages' worlds."""
    from wasmtime import WasmtimeError, wat2wasm

    found: list[bytes] = []
    for folder in ("tests", "examples"):
        for path in sorted((ROOT / folder).rglob("*.wat")):
            try:
                data = wat2wasm(path.read_text())
            except WasmtimeError:
                continue
            if len(data) <= 16_384:
                found.append(bytes(data))
    return tuple(found)


def _load_text() -> Callable[[bytes], object]:
    from obelisk.codegen.diagnostics import Collector, render
    from obelisk.codegen.resolve.resolver import resolve_sources
    from obelisk.codegen.source import SourceFile
    from obelisk.codegen.syntax.formatter import format_text
    from obelisk.codegen.syntax.printer import print_resolution

    def feed(data: bytes) -> object:
        file = SourceFile("t.wit", data.decode("utf-8", "surrogateescape"))
        collector = Collector()
        formatted = format_text(file, collector)
        if formatted is not None:
            again = format_text(SourceFile("t.wit", formatted), Collector())
            assert again == formatted, "a formatted text is formatted otherwise"
        loaded = resolve_sources([file])
        render(loaded.diagnostics)
        if loaded.resolution is None:
            assert loaded.diagnostics, "refused without a reason"
            return False
        text = print_resolution(loaded.resolution)
        printed = resolve_sources([SourceFile("p.wit", text)])
        assert printed.resolution is not None, render(printed.diagnostics)
        assert print_resolution(printed.resolution) == text
        return True

    return feed


def _load_binary() -> Callable[[bytes], object]:
    from obelisk.codegen.binary.decoder import decode
    from obelisk.codegen.diagnostics import Collector
    from obelisk.codegen.source import SourceFile
    from obelisk.codegen.syntax.formatter import format_text
    from obelisk.codegen.syntax.printer import print_resolution

    def feed(data: bytes) -> object:
        decoded = decode(data)
        if decoded.resolution is None:
            assert decoded.problems, "refused without a reason"
            assert all(0 <= problem.offset <= len(data) for problem in decoded.problems)
            return False
        if decoded.world is None:
            text = print_resolution(decoded.resolution)
            assert format_text(SourceFile("p.wit", text), Collector()) is not None, text
        return True

    return feed


TEXT = Target(name="wit-text", load=_load_text, seeds=_texts, tokens=TEXT_TOKENS)
BINARY = Target(name="wit-binary", load=_load_binary, seeds=_packages, tokens=BINARY_TOKENS)
COMPONENT = Target(name="component", load=_load_binary, seeds=_components, tokens=BINARY_TOKENS)
