"""Texts that are small but mean much, and texts that are large and mean nothing: refused, soon, without exceptions."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import pytest

from obelisk.codegen.resolve.facts import MAX_DEPTH
from obelisk.codegen.resolve.resolver import Loaded, resolve_sources
from obelisk.codegen.source import SourceFile

MEGABYTE = 1_000_000
WORDS = 'package interface world use type record func import export { } ( ) < > , ; : . @ a b-c %x u32 list -> = 1 "s"'


def resolve(text: str) -> Loaded:
    return resolve_sources([SourceFile("t.wit", text)])


def codes(text: str) -> list[str]:
    return [d.code for d in resolve(text).diagnostics]


def interface(lines: list[str]) -> str:
    return "package a:b;\ninterface i {\n" + "\n".join(lines) + "\n}"


def test_types_nested_in_text() -> None:
    assert codes(interface(["type t = " + "list<" * 99 + "u8" + ">" * 99 + ";"])) == []
    assert codes(interface(["type t = " + "list<" * 101 + "u8" + ">" * 101 + ";"])) == ["nesting-too-deep"]


def test_types_nested_by_name() -> None:
    chain = [f"type t{n} = t{n - 1};" if n else "type t0 = u8;" for n in range(MAX_DEPTH + 5)]
    assert codes(interface(chain[: MAX_DEPTH - 1])) == []
    assert codes(interface(chain)) == ["type-too-large"]


def test_a_chain_of_uses() -> None:
    text = "package a:b; interface i0 { type t = u8; }"
    text += "".join(f"interface i{n + 1} {{ use i{n}.{{t}}; }}\n" for n in range(MAX_DEPTH + 5))
    assert codes(text) == ["type-too-large"]


def test_types_that_are_exponentially_large() -> None:
    doubling = [f"type t{n} = tuple<t{n - 1}, t{n - 1}>;" if n else "type t0 = u8;" for n in range(40)]
    assert codes(interface(doubling)) == ["type-too-large"]


def test_worlds_that_are_quadratically_large() -> None:
    text = "package a:b; world w0 {}"
    text += "".join(f"world w{n + 1} {{ include w{n}; import g{n}: func(); }}\n" for n in range(700))
    assert set(codes(text)) == {"worlds-too-large"}


@pytest.mark.parametrize("depth", [101, 5000])
def test_packages_nested_in_one_another(depth: int) -> None:
    assert "nesting-too-deep" in codes("package a:b;" + "package a:c {\n" * depth + "}" * depth)


def test_long_chains_that_are_allowed() -> None:
    interfaces = "package a:b;" + "".join(f"interface i{n} {{ use i{n + 1}.{{}}; }}\n" for n in range(3000))
    worlds = "".join(f"world w{n} {{ include w{n + 1}; }}\n" for n in range(3000))
    assert codes(interfaces + "interface i3000 {}" + worlds + "world w3000 {}") == []
    packages = "package a:b;" + "".join(f"package a:c{n} {{ use a:c{n + 1}/i; }}\n" for n in range(3000))
    assert codes(packages + "package a:c3000 { interface i {} }") != []


def pieces(alphabet: str) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choices(alphabet, k=MEGABYTE))


def words(rng: random.Random) -> str:
    return " ".join(rng.choices([*WORDS.split(), "//\n", "/* */"], k=MEGABYTE // 4))


GARBAGE: dict[str, Callable[[random.Random], str]] = {
    "printable": pieces(string.printable),
    "unicode": pieces("".join(map(chr, range(1, 0x3000)))),
    "words": words,
    "punctuation": pieces('{}()<>,;:."%@-/*\n'),
    "open braces": lambda _: "{" * MEGABYTE,
    "close braces": lambda _: "}" * MEGABYTE,
    "comments": lambda _: "/*" * (MEGABYTE // 2),
    "quotes": lambda _: '"' * MEGABYTE,
    "backslashes": lambda _: '"' + "\\" * MEGABYTE,
    "types": lambda _: "package a:b; interface i { type t = " + "list<" * (MEGABYTE // 5),
    "packages": lambda _: "package a:b {\n" * (MEGABYTE // 14),
    "gates": lambda _: "@since(version = 1.0.0) " * (MEGABYTE // 24),
    "version": lambda _: "package a:b@1.0.0-" + "1." * (MEGABYTE // 2),
    "number": lambda _: "package a:b@" + "1" * MEGABYTE + ".0.0;",
    "spaces": lambda _: " " * MEGABYTE,
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_megabyte_of_garbage_is_refused_with_linear_work(
    kind: str, calls_of: Callable[[Callable[[], object]], int]
) -> None:
    text = GARBAGE[kind](random.Random(kind))
    loaded = resolve(text)
    assert loaded.resolution is None
    assert 1 <= len(loaded.diagnostics) <= 201
    quarter = text[: MEGABYTE // 4]
    assert calls_of(lambda: resolve(quarter)) < 10 * len(quarter)  # of calls, per character
