"""C bindings of worlds: names, what is refused. That values pass is shown by `conformance/test_abi_roundtrip.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from obelisk.codegen.diagnostics import render
from obelisk.codegen.emit.c.bindings import CBindings, bindings
from obelisk.codegen.emit.c.types import Unsupported
from obelisk.codegen.resolve.load import load


def made(folder: Path, wit: str) -> CBindings:
    """The bindings of the one world of a package's text."""
    (folder / "a.wit").write_text(f"package a:b;\n{wit}")
    loaded = load([folder])
    assert loaded.resolution is not None, render(loaded.diagnostics)
    (world,) = (world for package in loaded.resolution.packages for world in package.worlds)
    return bindings(world)


def test_names(tmp_path: Path) -> None:
    header = made(
        tmp_path,
        """
        interface store {
          /// How bad it is.
          enum the-level { low, very-high }
          flags can { read, write-all }
          variant short { none, int(u8), HTTP(string) }
          resource bucket {
            constructor(default: the-level);
            get: func(key: string) -> option<list<u8>>;
            open: static func();
          }
          /// Does it.
          register: func(long: can, other: borrow<bucket>) -> result<bucket>;
        }
        interface app { use store.{short as small}; type id = u64; run: func(id: id, small: small) -> tuple<id, bool>; }
        world w { import store; export app; }
        """,
    ).header
    for line in (
        "typedef uint8_t store_the_level_t;",
        "#define STORE_THE_LEVEL_VERY_HIGH 1",
        "#define STORE_CAN_WRITE_ALL (UINT32_C(1) << 1)",
        "        uint8_t int_;",
        "        wit_string_t http;",
        "typedef int32_t store_bucket_t;",
        "void store_bucket_drop(store_bucket_t handle);",
        "store_bucket_t store_bucket_new(store_the_level_t default_);",
        "wit_option_list_u8_t store_bucket_get(store_bucket_t self, wit_string_t key);",
        "void store_bucket_open(void);",
        "// Does it.\nwit_result_store_bucket_void_t store_register(store_can_t long_, store_bucket_t other);",
        "wit_tuple2_app_id_bool_t exports_app_run(app_id_t id, store_short_t small);",
    ):
        assert line in header


def test_interfaces_of_one_name_are_told_apart(tmp_path: Path) -> None:
    header = made(
        tmp_path,
        """
        interface types { f: func(); }
        world w { import types; import c:d/types@1.0.0; }
        package c:d@1.0.0 { interface types { f: func(); } }
        """,
    ).header
    assert "void a_b_types_f(void);" in header
    assert "void c_d_types_f(void);" in header


@pytest.mark.parametrize(
    ("wit", "reason"),
    [
        ("interface i { resource r; } world w { export i; }", "exports the resource r"),
        ("interface i { f: func(x: stream<u8>); } world w { import i; }", "stream has no form in these bindings"),
        ("interface i { f: func(x: future); } world w { import i; }", "future has no form in these bindings"),
        ("interface i { f: async func(); } world w { import i; }", "f is asynchronous"),
        ("world w { export f: func(); }", "stands in no interface"),
        ("world w { import i: interface { f: func(); } }", "stands in no interface"),
    ],
)
def test_what_has_no_form_in_c_is_named(tmp_path: Path, wit: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        made(tmp_path, wit)


def test_names_that_are_the_same_words_in_c(tmp_path: Path) -> None:
    text = made(
        tmp_path,
        """
        interface i { enum a { b-c } enum a-b { c } type x = u8; x-t: func(); f: func(p: x, l: list<a>, m: list<a-b>); }
        interface a { type b = u8; type b-a-b = u8; f: func() -> result<b, b-a-b>; g: func() -> result<b-a-b, b>; }
        interface a-b { type c = u8; f: func(c: c); }
        interface a2 { type b-c = u16; g: func(c: b-c); }
        world w { import i; import a; import a-b; }
        """,
    ).header
    constants = re.findall(r"#define (\w+)", text)
    assert constants == ["A__B__I__A__B_C", "A__B__I__A_B__C"]
    types = re.findall(r"(?:^typedef \w+|^}) (\w+);", text, re.MULTILINE)
    functions = re.findall(r"(\w+)\(", text)
    assert len({*types}) == len(types)
    assert not {*types} & {*functions}
    assert "wit_result___a__b__a__b___a__b__a__b_a_b_t a_f(void);" in text
    assert "wit_result___a__b__a__b_a_b___a__b__a__b_t a_g(void);" in text
    assert "void a_b_i_x_t(void);" not in text
    assert "void a__b__i__x_t(void);" in text


def test_functions_of_a_resource_that_are_called_as_its_own_are(tmp_path: Path) -> None:
    made_of = made(
        tmp_path,
        """
        interface i {
          resource r { constructor(); new: static func(); drop: func(); f: func(); }
          r-f: func();
        }
        world w { import i; }
        """,
    )
    assert sorted(function.name for function in made_of.imports.values()) == [
        "a__b__i__r___drop",
        "a__b__i__r___drop_",
        "a__b__i__r___f",
        "a__b__i__r___new",
        "a__b__i__r___new_",
        "a__b__i__r_f",
    ]


def test_interfaces_that_are_the_same_words_stand_apart(tmp_path: Path) -> None:
    header = made(
        tmp_path,
        """
        interface types { f: func(); }
        interface wit { f: func(); }
        interface wit-list { type %u8 = u64; f: func(l: list<%u8>); }
        interface exports { f: func(); }
        world w {
          import types; import wit; import wit-list; import exports;
          import c:d/types@1.0.0; import c:d/types@2.0.0; import x:y-z/types; import x-y:z/types;
        }
        package c:d@1.0.0 { interface types { f: func(); } }
        package c:d@2.0.0 { interface types { f: func(); } }
        package x:y-z { interface types { f: func(); } }
        package x-y:z { interface types { f: func(); } }
        """,
    ).header
    names = re.findall(r"^void (\w+)\(", header, re.MULTILINE)
    assert sorted(names) == [
        "a_b_exports_f",
        "a_b_types_f",
        "a_b_wit_f",
        "a_b_wit_list_f",
        "c__d__1_0_0__types_f",
        "c__d__2_0_0__types_f",
        "x__y_z__types_f",
        "x_y__z__types_f",
    ]


def test_documentation_never_takes_the_next_line_with_it(tmp_path: Path) -> None:
    header = made(
        tmp_path,
        """
        interface i {
          /// Looks below C:\\
          f: func();
        }
        world w { import i; }
        """,
    ).header
    assert "// Looks below C:\\ //\nvoid i_f(void);" in header
