"""Decoding is total: any bytes give a resolution or problems, never an exception, with work linear in their number.

A resolution that came out of damaged bytes can be written as JSON and as text, and problems point into the bytes.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.codegen.binary.decoder import Decoded, decode
from obelisk.codegen.emit.wit_json import to_json
from obelisk.codegen.syntax.printer import print_resolution

PREAMBLE = b"\0asm\x0d\0\x01\0"
TEXTS = (
    """(component
      (import "t:p/types@1.2.3" (instance $t
        (type $l (list u8)) (type $pt' (record (field "x" u32) (field "y" $l))) (export "pt" (type $pt (eq $pt')))
        (export "res" (type $res (sub resource)))
        (type $v' (variant (case "a") (case "b" $pt))) (export "v" (type $v (eq $v')))
        (type $e' (enum "a" "b")) (export "e" (type (eq $e'))) (type $f' (flags "a" "b")) (export "f" (type (eq $f')))
        (export "[constructor]res" (func (param "a" u32) (result (own $res))))
        (export "[method]res.m" (func async (param "self" (borrow $res)) (param "p" $pt) (result (option $v))))
        (export "s" (func (param "s" (stream u8)) (param "m" (map string u8)) (result (future))))))
      (alias export $t "pt" (type $pt)) (alias export $t "res" (type $res))
      (import "plain" (func $f (param "p" $pt) (param "r" (own $res))))
      (component $shim
        (type $pt' (record (field "x" u32) (field "y" (list u8))))
        (import "pt" (type $pt (eq $pt'))) (import "res" (type $res (sub resource)))
        (import "f" (func $f (param "p" $pt) (param "r" (own $res))))
        (export $ept "pt" (type $pt)) (export $eres "res" (type $res))
        (export "f" (func $f) (func (param "p" $ept) (param "r" (own $eres)))))
      (instance $i (instantiate $shim (with "pt" (type $pt)) (with "res" (type $res)) (with "f" (func $f))))
      (export "t:p/api" (instance $i)) (export "run" (func $f)))""",
    """(component
      (type (component (export "a:b/types@1.0.0" (instance (export "r" (type $r (sub resource)))
        (export "f" (func (param "r" (borrow $r)) (result (tuple u8 string))))))))
      (export "types" (type 0))
      (type (component (export "a:b/w@1.0.0" (component
        (import "a:b/types@1.0.0" (instance $t (export "r" (type (sub resource)))))
        (alias export $t "r" (type $r)) (import "r" (type $r' (eq $r)))
        (export "x" (instance (export "g" (func (result (result u8 (error string)))))))
        (export "run" (func (result (own $r'))))))))
      (export "w" (type 2))
      (@custom "package-docs" "\\01{\\22interfaces\\22:{\\22types\\22:{\\22docs\\22:\\22some\\22}}}"))""",
    """(component
      (core module $m (memory (export "m") 1) (func (export "f") (param i32) (result i32) (i32.const 0)))
      (core instance $i (instantiate $m)) (type $r (resource (rep i32)))
      (core func (canon resource.new $r)) (core func (canon resource.drop $r))
      (func $f (param "n" u8) (result (result u8 (error char)))
        (canon lift (core func $i "f") (memory (core memory $i "m"))))
      (instance $e (export "f" (func $f))) (export "a:b/c" (instance $e)))""",
)


@functools.cache
def seeds() -> list[bytes]:
    return [bytes(wasmtime.wat2wasm(text)) for text in TEXTS]


def check(data: bytes) -> Decoded:
    decoded = decode(data)
    assert (decoded.resolution is None) == bool(decoded.problems)
    for problem in decoded.problems:
        assert 0 <= problem.offset <= len(data)
        assert problem.code in str(problem)
    if decoded.resolution is not None:
        to_json(decoded.resolution, decoded=True)
        print_resolution(decoded.resolution)
    return decoded


def test_the_seeds_are_sound() -> None:
    for data in seeds():
        assert check(data).problems == ()


@given(st.binary(max_size=200), st.sampled_from([b"", PREAMBLE, PREAMBLE + b"\x07\x7f"]))
def test_any_bytes(data: bytes, start: bytes) -> None:
    check(start + data)


@given(st.integers(0, 2), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_binaries(seed: int, data: st.DataObject) -> None:
    binary = bytearray(seeds()[seed])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(binary) - 1))
        match data.draw(st.sampled_from(["set", "flip", "cut", "put"])):
            case "set":
                binary[at] = data.draw(st.integers(0, 255))
            case "flip":
                binary[at] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del binary[at : at + data.draw(st.integers(1, max(1, min(6, len(binary) - 10))))]
            case _:
                binary[at:at] = data.draw(st.binary(min_size=1, max_size=6))
        if len(binary) < 10:
            break
    check(bytes(binary))


def test_many_damaged_bytes_of_each_seed() -> None:
    """Every single byte replaced by a few others: faults right behind valid beginnings."""
    randomness = random.Random(20)
    accepted = 0
    for seed in seeds():
        for at in range(8, len(seed)):
            binary = bytearray(seed)
            binary[at] = randomness.choice([0, 1, 0x40, 0x7F, 0x80, 0xFF, (binary[at] + 1) % 256])
            accepted += check(bytes(binary)).resolution is not None
    assert accepted > 0


@pytest.mark.parametrize(
    "start", [b"", PREAMBLE, PREAMBLE + b"\x07\xc0\x84\x3d\xff\xff\x3c", PREAMBLE + b"\x0a\xc0\x84\x3d"]
)
def test_work_on_garbage_is_linear(start: bytes, calls_of: Callable[[Callable[[], object]], int]) -> None:
    data = start + random.Random(7).randbytes(1_000_000)
    assert check(data).problems
    assert calls_of(lambda: decode(data)) < 5 * calls_of(lambda: decode(data[: len(data) // 4])) + 1_000
