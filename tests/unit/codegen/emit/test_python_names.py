"""Python names: of labels, of modules and folders, of imports between generated modules."""

from __future__ import annotations

import pytest

from obelisk.codegen.emit.json_schema import title_word
from obelisk.codegen.emit.layout import Layout, package_folder
from obelisk.codegen.emit.python_names import (
    attribute_name,
    class_name,
    converter_name,
    member_name,
    module_name,
    parameter_name,
)
from obelisk.codegen.emit.scope import Scope
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile


@pytest.mark.parametrize(
    ("label", "class_", "attribute", "member", "module"),
    [
        ("booking-error", "BookingError", "booking_error", "BOOKING_ERROR", "booking_error"),
        ("none", "None_", "none", "NONE", "none"),
        ("class", "Class", "class_", "CLASS", "class_"),
        ("list", "List", "list_", "LIST", "list"),
        ("self", "Self", "self_", "SELF", "self"),
        ("a-1b", "A1b", "a_1b", "A_1B", "a_1b"),
        ("HTTP-get", "HTTPGet", "HTTP_get", "HTTP_GET", "HTTP_get"),
    ],
)
def test_names_of_a_label(label: str, class_: str, attribute: str, member: str, module: str) -> None:
    names = (class_name(label), attribute_name(label), member_name(label), module_name(label))
    assert names == (class_, attribute, member, module)


def test_parameters_never_hide_converters() -> None:
    assert parameter_name("point-to-json") == "point_to_json_"
    assert parameter_name("params-json") == "params_json"
    assert converter_name("point", "to") == "point_to_json"
    assert converter_name("float", "from") == "float__from_json"


def test_folders() -> None:
    assert package_folder(PackageName("demo", "trip-log", "1.2.0-rc.1")) == "demo_trip_log"
    name = PackageName("demo", "trip", "1.2.0-rc.1")
    assert package_folder(name, versioned=True) == "demo_trip_1_2_0_rc_1"
    assert package_folder(PackageName("my-demo", "trip")) == "my_demo__trip"


@pytest.mark.parametrize(
    ("label", "word"),
    [("store", "Store"), ("blob-store", "BlobStore"), ("store-1", "Store_1"), ("a-1b-c2-30", "A_1bC2_30")],
)
def test_words_of_interfaces_keep_dashes_before_digits(label: str, word: str) -> None:
    assert title_word(label) == word


def test_a_package_keeps_its_folder_when_others_of_its_name_come() -> None:
    text = "package t:p@1.2.0; interface i { use t:p/j@1.1.0.{r}; } package t:p@1.1.0 { interface j { resource r; } }"
    assert {str(name): folder for name, folder in layout(text).folders.items()} == {
        "t:p@1.1.0": "t_p_1_1_0",
        "t:p@1.2.0": "t_p",
    }


def layout(text: str) -> Layout:
    loaded = resolve_sources([SourceFile("a.wit", text)])
    assert loaded.resolution is not None, loaded.diagnostics
    return Layout(loaded.resolution)


def test_classes_that_would_clash() -> None:
    text = """package t:p; interface i {
      record ok { a: u8 }
      record any { a: u8 }
      variant shape { a-b(u8), none }
      record shape-a-b { a: u8 }
      record none { a: u8 }
    }"""
    (unit,) = layout(text).units.values()
    assert unit.classes == {
        "ok": "Ok_",
        "any": "Any_",
        "shape": "Shape",
        "shape-a-b": "ShapeAB",
        "none": "None_",
        "shape.a-b": "Shape_AB",
        "shape.none": "Shape_None",
    }


def test_modules_of_interfaces_worlds_and_inline_interfaces() -> None:
    text = """package t:p;
    interface import { enum e { x } }
    interface w-i { enum e { x } }
    world w { import i: interface { enum e { x } } export i: interface { enum e { x } } import j: interface {} }"""
    units = layout(text.replace("import {", "%import {")).units
    assert [(unit.title, unit.module) for unit in units.values()] == [
        ("t:p/import", "import_"),
        ("t:p/w-i", "w_i"),
        ("t:p/w", "w"),
        ("t:p/w.i", "w__i"),
        ("t:p/w.j", "w__j"),
    ]


def test_imports() -> None:
    scope = Scope(("app", "bindings", "api"), "size_to_json")
    scope.use("typing", "Any")
    scope.use("dataclasses", "dataclass")
    scope.value("Ok")
    scope.value("case_of")
    scope.value("MISSING")
    assert scope.sibling(("app", "bindings", "api"), "own") == "own"
    assert scope.sibling(("app", "types", "api"), "Size") == "Size"
    assert scope.sibling(("lib", "types", "shapes"), "Size") == "Size_2"
    assert scope.sibling(("lib", "types", "shapes"), "Size") == "Size_2"
    assert scope.sibling(("app", "bindings", "other"), "size_to_json") == "size_to_json_2"
    assert scope.imports() == [
        "from dataclasses import dataclass",
        "from typing import Any",
        "",
        "from obelisk.runtime.values import MISSING, Ok, case_of",
        "",
        "from ...lib.types.shapes import Size as Size_2",
        "from ..types.api import Size",
        "from .other import size_to_json as size_to_json_2",
    ]
    assert Scope(("a", "b")).imports() == []
