"""Rust bindings of worlds: names, what is lent and what is handed over, what is refused. That they compile and that
values pass is shown by `conformance/test_abi_roundtrip.py` and `conformance/test_wasi_languages.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from obelisk.codegen.diagnostics import render
from obelisk.codegen.emit.c.types import Unsupported
from obelisk.codegen.emit.rust.bindings import RustBindings, bindings
from obelisk.codegen.resolve.load import load


def made(folder: Path, wit: str) -> RustBindings:
    """The bindings of the one world of a package's text."""
    (folder / "a.wit").write_text(f"package a:b;\n{wit}")
    loaded = load([folder])
    assert loaded.resolution is not None, render(loaded.diagnostics)
    (world,) = (world for package in loaded.resolution.packages for world in package.worlds)
    return bindings(world)


def test_names(tmp_path: Path) -> None:
    crate = made(
        tmp_path,
        """
        interface store {
          /// How bad it is.
          enum the-level { low, very-high }
          flags can { read, write-all }
          variant short { none, int(u8), HTTP(string) }
          record %option { %type: u32, pair: tuple<u8, f64> }
          record held { one: bucket, name: string }
          resource bucket {
            constructor(default: the-level);
            get: func(key: string) -> option<list<u8>>;
            open: static func();
          }
          /// Does it.
          register: func(long: can, other: borrow<bucket>, all: list<borrow<bucket>>) -> result<bucket>;
          lend: func(a: option<string>, b: short, c: %option, d: tuple<string, u8>, e: list<string>);
          give: func(one: bucket, more: option<held>);
        }
        interface app { use store.{short as small}; type id = u64; run: func(id: id, small: small) -> tuple<id, bool>; }
        world w { import store; export app; }
        """,
    ).crate
    for text in (
        "/// How bad it is.\n    #[repr(u8)]",
        "    pub enum TheLevel {\n        Low,\n        VeryHigh,\n    }",
        "flags!(Can, u8, { READ = 0, WRITE_ALL = 1 });",
        "    pub enum Short {\n        None_,\n        Int(u8),\n        Http(String),\n    }",
        "#[derive(Clone, Debug, PartialEq)]\n    pub enum Short",
        "#[derive(Clone, Copy, Debug, PartialEq)]\n    pub struct Option_ {\n        pub type_: u32,\n",
        "#[derive(Debug)]\n    pub struct Held {",
        "    impl Bucket {\n        pub fn new(default: crate::store::TheLevel) -> crate::store::Bucket {",
        "pub fn get(&self, key: &str) -> Option<Vec<u8>> {",
        "pub fn open() {",
        "/// Does it.\n    pub fn register(long: crate::store::Can, other: &crate::store::Bucket, "
        "all: &[&crate::store::Bucket]) -> Result<crate::store::Bucket, ()> {",
        "pub fn lend(a: Option<&str>, b: &crate::store::Short, c: crate::store::Option_, d: (&str, u8), "
        "e: &[String]) {",
        "pub fn give(one: crate::store::Bucket, more: Option<crate::store::Held>) {",
        "    pub type Small = crate::store::Short;",
        "    pub trait App {\n"
        "        fn run(id: crate::app::Id, small: crate::store::Short) -> (crate::app::Id, bool);\n    }",
    ):
        assert text in crate, text


def test_generated_names_are_none_of_the_authors(tmp_path: Path) -> None:
    crate = made(
        tmp_path,
        """
        interface i { record point { x: u8 } record point-abi { x: u8 } swap: func(a1: u8, a0: point) -> point-abi; }
        world w { import i; }
        """,
    ).crate
    assert "record!(Point, Point__Abi { x: u8 });" in crate
    assert "record!(PointAbi, PointAbi__Abi { x: u8 });" in crate
    assert "[a__0 = a1, a__1 = a0]" in crate


def test_interfaces_and_functions_that_are_the_same_words_stand_apart(tmp_path: Path) -> None:
    crate = made(
        tmp_path,
        """
        interface memory { resource r { constructor(); new: static func(); } }
        world w { import memory; export c:d/types@1.10.0; export c:d/types@11.0.0; export x:y-z/types; }
        package c:d@1.10.0 { interface types { f: func(); } }
        package c:d@11.0.0 { interface types { f: func(); } }
        package x:y-z { interface types { f: func(); } }
        """,
    ).crate
    assert re.findall(r"pub trait (\w+) {\n *fn f", crate) == ["C__D__1_10_0__Types", "C__D__11_0_0__Types", "XYZTypes"]
    assert "pub fn new() -> crate::memory::R" in crate
    assert "pub fn new_()" in crate
    assert len(re.findall(r"\bmod memory\b", crate)) == 1


def test_c_hands_on_what_lies_behind_pointers(tmp_path: Path) -> None:
    glue = made(
        tmp_path,
        """
        interface i { resource r; f: func(x: string, y: borrow<r>) -> u8; g: func(); }
        interface e { h: func(x: u8) -> string; k: func(); }
        world w { import i; export e; }
        """,
    ).glue
    for text in (
        "void wit_rust_drop_i_R(int32_t handle) { i_r_drop(handle); }",
        "(wit_string_t *a0, i_r_t *a1, uint8_t *ret) {\n    *ret = i_f(*a0, *a1);\n}",
        "(void *ret) {\n    (void)ret; i_g();\n}",
        "wit_string_t exports_e_h(uint8_t a0) {\n    wit_string_t ret;\n",
        "void exports_e_k(void) {\n",
    ):
        assert text in glue, text


@pytest.mark.parametrize(
    ("wit", "reason"),
    [
        ("interface i { resource r; } world w { export i; }", "exports the resource r"),
        ("interface i { f: func(x: stream<u8>); } world w { import i; }", "stream has no form"),
        ("interface i { f: async func(); } world w { import i; }", "f is asynchronous"),
        (
            "interface i { resource r; record b { r: borrow<r> } f: func(b: b); } world w { import i; }",
            "b holds a borr",
        ),
        (
            "interface i { resource r; } interface e { use i.{r}; f: func(r: borrow<r>); } world w { export e; }",
            "f, which takes a borrowed handle",
        ),
    ],
)
def test_what_has_no_form_in_rust_is_named(tmp_path: Path, wit: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        made(tmp_path, wit)
