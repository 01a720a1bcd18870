"""WIT packages in component form: both encodings, worlds, docs and gates, names with attributes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

import pytest

from obelisk.codegen.binary.decoder import Decoded, decode
from obelisk.codegen.binary.package_docs import NO_PACKAGE_DOCS, read_package_docs
from obelisk.codegen.model.items import Interface, Package, Resolution, WorldInterface, world_key
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import EnumType, FlagsType, OwnType, RecordType, ResourceType, Stability, VariantType

DEMO = PackageName("local", "demo", "1.0.0")

PACKAGE = """(component
  (type (component (export "local:demo/types@1.0.0" (instance
    (type $shape (record (field "x" u32)))
    (export "pt" (type $pt (eq $shape)))
    (type $e' (enum "a" "b")) (export "e" (type $e (eq $e')))
    (type $v' (variant (case "a") (case "b" $pt))) (export "v" (type $v (eq $v')))
    (type $g' (flags "a" "b")) (export "g" (type $g (eq $g')))
    (export "file" (type $file (sub resource)))
    (export "[method]file.read" (func (param "self" (borrow $file)) (result (list u8))))
    (export "f" (func (param "p" $pt)))))))
  (export "types" (type 0))
  (type (component
    (import "other:pkg/base" (instance $base (export "r" (type (sub resource)))))
    (import "local:demo/types@1.0.0" (instance $types (export "file" (type (sub resource)))))
    (alias export $base "r" (type $r))
    (alias export $types "file" (type $file))
    (export "local:demo/api@1.0.0" (instance
      (export "r" (type $r' (eq $r)))
      (export "file" (type $file' (eq $file)))
      (export "g" (func (param "r" (own $r')) (param "f" (own $file'))))))))
  (export "api" (type 2))
  (type (component (export "local:demo/w@1.0.0" (component
    (import "local:demo/types@1.0.0" (instance $types
      (export "file" (type $file (sub resource)))
      (export "f" (func))))
    (alias export $types "file" (type $file))
    (import "file" (type $file' (eq $file)))
    (import "log" (func (param "f" (own $file'))))
    (import "inside" (instance (export "h" (func))))
    (export "run" (func (result (own $file'))))
    (export "inside" (instance (export "h" (func))))
    (export "other:pkg/base" (instance
      (export "r" (type $r (sub resource))) (export "made" (func (result (own $r))))))))))
  (export "w" (type 4))
  @DOCS@)"""


def package(decoded: Decoded) -> Package:
    assert decoded.problems == ()
    assert decoded.resolution is not None
    found = decoded.resolution.package(DEMO)
    assert found is not None
    return found


def interface(resolution: Resolution | None, name: str) -> Interface:
    assert resolution is not None
    found = resolution.interface(InterfaceName.parse(name))
    assert found is not None
    return found


@pytest.fixture
def plain(decode_text: Callable[[str], Decoded]) -> Decoded:
    return decode_text(PACKAGE.replace("@DOCS@", ""))


def test_interfaces(plain: Decoded) -> None:
    demo = package(plain)
    assert plain.world is None
    assert plain.resolution is not None
    assert plain.resolution.main == (DEMO,)
    assert [str(p.name) for p in plain.resolution.packages] == ["other:pkg", "local:demo@1.0.0"]
    assert [i.name.name for i in demo.interfaces] == ["types", "api"]
    types, api = demo.interfaces
    assert [t.name for t in types.types] == ["pt", "e", "v", "g", "file"]
    assert [f.export_name for f in types.functions] == ["[method]file.read", "f"]
    base = interface(plain.resolution, "other:pkg/base")
    assert [t.body for t in api.types] == [base.types[0], types.types[4]]
    assert [p.type for p in api.functions[0].params] == [OwnType(t) for t in api.types]


def test_a_foreign_interface_has_what_is_known_of_it(plain: Decoded) -> None:
    base = interface(plain.resolution, "other:pkg/base")
    assert [(t.name, t.body) for t in base.types] == [("r", ResourceType())]
    assert [f.name for f in base.functions] == ["made"]


def test_worlds(plain: Decoded) -> None:
    (world,) = package(plain).worlds
    assert [world_key(i) for i in world.imports] == ["local:demo/types@1.0.0", "file", "log", "inside"]
    assert [world_key(i) for i in world.exports] == ["run", "inside", "other:pkg/base"]
    inline = world.imports[3]
    assert isinstance(inline, WorldInterface)
    assert (inline.interface.inline_name, inline.interface.name) == ("inside", world.name)
    imported = world.imports[0]
    assert isinstance(imported, WorldInterface)
    assert imported.interface == package(plain).interfaces[0]


DOCS = {
    "docs": "the package",
    "interfaces": {
        "types": {
            "docs": "some types",
            "stability": {"stable": {"since": "1.0.0", "deprecated": "1.1.0"}},
            "types": {
                "pt": {"docs": "a point", "items": {"x": "across"}},
                "e": {"items": {"b": "second"}},
                "v": {"items": {"a": "nothing"}, "stability": {"unstable": {"feature": "vs"}}},
                "g": {"items": {"b": "a flag"}},
                "gone": {"docs": "no such type"},
            },
            "funcs": {
                "f": {"docs": "does f", "stability": {"stable": {"since": "1.0.0"}}},
                "[method]file.read": "reads",
                "gone": {"docs": "no such function"},
            },
        },
        "gone": {"docs": "no such interface"},
    },
    "worlds": {
        "w": {
            "docs": "a world",
            "stability": {"unstable": {"feature": "ws"}},
            "types": {"file": {"docs": "used"}},
            "funcs": {"log": {"docs": "logs"}},
            "func_exports": {"run": {"docs": "runs"}},
            "interfaces": {"inside": {"docs": "imported", "stability": {"stable": {"since": "0.1.0"}}}},
            "interface_exports": {"inside": {"docs": "exported", "funcs": {"h": {"docs": "helps"}}}},
            "interface_import_docs": {"local:demo/types@1.0.0": "the statement"},
            "interface_import_stability": {"local:demo/types@1.0.0": {"stable": {"since": "0.2.0"}}},
            "interface_export_stability": {"other:pkg/base": {"stable": {"since": "0.3.0"}}},
        }
    },
}


@pytest.fixture
def documented(decode_text: Callable[[str], Decoded]) -> Decoded:
    text = json.dumps(DOCS).replace('"', "\\22")
    return decode_text(PACKAGE.replace("@DOCS@", f'(@custom "package-docs" "\\01{text}")'))


def test_docs_and_gates_of_interfaces(documented: Decoded) -> None:
    demo = package(documented)
    types = demo.interfaces[0]
    assert (demo.docs, types.docs) == ("the package", "some types")
    assert types.stability == Stability(since="1.0.0", deprecated="1.1.0")
    pt, e, v, g, file = types.types
    assert isinstance(pt.body, RecordType)
    assert isinstance(e.body, EnumType)
    assert isinstance(v.body, VariantType)
    assert isinstance(g.body, FlagsType)
    assert (pt.docs, pt.body.fields[0].docs, e.body.cases[1].docs) == ("a point", "across", "second")
    assert (v.body.cases[0].docs, v.stability, g.body.flags[1].docs) == ("nothing", Stability(feature="vs"), "a flag")
    assert (file.docs, file.stability) == ("", Stability())
    read, f = types.functions
    assert (read.docs, f.docs, f.stability) == ("reads", "does f", Stability(since="1.0.0"))


def test_docs_and_gates_of_worlds(documented: Decoded) -> None:
    (world,) = package(documented).worlds
    assert (world.docs, world.stability) == ("a world", Stability(feature="ws"))
    types, file, log, inside = world.imports
    assert isinstance(types, WorldInterface)
    assert (types.docs, types.stability) == ("the statement", Stability(since="0.2.0"))
    assert not isinstance(file, WorldInterface)
    assert not isinstance(log, WorldInterface)
    assert (file.docs, log.docs) == ("used", "logs")
    run, exported, base = world.exports
    assert not isinstance(run, WorldInterface)
    assert run.docs == "runs"
    assert isinstance(inside, WorldInterface)
    assert isinstance(exported, WorldInterface)
    assert isinstance(base, WorldInterface)
    assert (inside.interface.docs, inside.stability) == ("imported", Stability(since="0.1.0"))
    assert (exported.interface.docs, exported.interface.functions[0].docs) == ("exported", "helps")
    assert base.stability == Stability(since="0.3.0")


@pytest.mark.parametrize(
    "section",
    [None, b"", b"\x07{}", b"\x01", b"\x01[]", b'\x01{"docs": 1}', b"\x01" + b"[" * 5000, b'\x01{"docs": "\xff"}'],
)
def test_an_unreadable_docs_section_is_no_docs(section: bytes | None) -> None:
    assert read_package_docs(None if section is None else memoryview(section)) == NO_PACKAGE_DOCS


def test_odd_gates_are_none() -> None:
    section = memoryview(b'\x00{"interfaces": {"a": {"stability": "unknown"}, "b": {"stability": {}}}}')
    assert [i.gates for i in read_package_docs(section).interfaces.values()] == [Stability(), Stability()]


def test_the_old_encoding(decode_text: Callable[[str], Decoded]) -> None:
    decoded = decode_text("""(component
      (type (component
        (import "other:pkg/base" (instance $base (export "r" (type (sub resource)))))
        (alias export $base "r" (type $r))
        (export "local:demo/types@1.0.0" (instance (export "r" (type $r' (eq $r))) (export "f" (func))))
        (export "local:demo/w@1.0.0" (component (export "run" (func))))))
      (export "local:demo/wit" (type 0)))""")
    demo = package(decoded)
    assert [i.name.name for i in demo.interfaces] == ["types"]
    assert [w.name.name for w in demo.worlds] == ["w"]
    assert demo.interfaces[0].types[0].body == interface(decoded.resolution, "other:pkg/base").types[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '(type (component (export "a:b/c" (instance)))) (export "c" (type 0))'
            '(type (component (export "a:x/d" (instance)))) (export "d" (type 2))',
            "is not of the package a:b",
        ),
        ('(type (component (export "a:b/c" (func)))) (export "c" (type 0))', "is no interface"),
        ('(type (component)) (export "a:b/wit" (type 0))', "is not the name of a type"),
        ('(type (component)) (export "a:b/other" (type 0))', "is not the name of a type"),
        (
            '(type (component (import "x" (instance)) (export "a:b/c" (instance)))) (export "c" (type 0))',
            "no interface",
        ),
    ],
)
def test_no_package(decode_text: Callable[[str], Decoded], text: str, said: str) -> None:
    decoded = decode_text(f"(component {text})")
    assert decoded.resolution is None
    assert decoded.problems[0].code == "not-in-wit"
    assert said in decoded.problems[0].message


class Assembler(Protocol):
    def name(self, text: str) -> bytes: ...
    def items(self, items: list[bytes]) -> bytes: ...
    def component(self, *sections: tuple[int, bytes]) -> bytes: ...


def test_attributes_of_names(assembler: Assembler) -> None:
    def attribute(code: int, text: str) -> bytes:
        return bytes([code]) + assembler.name(text)

    def named(text: str, *attributes: bytes) -> bytes:
        return b"\x02" + assembler.name(text) + assembler.items(list(attributes))

    instance = (7, assembler.items([b"\x42\x00", b"\x40\x00\x01\x00"]))
    imports = [
        named("one", attribute(0, "a:b/store@1.0.0"), attribute(2, "//One")) + b"\x05\x00",
        named("a:b/other@1", attribute(1, ".2.3")) + b"\x05\x00",
        named("f", attribute(2, "//F")) + b"\x01\x01",
        b"\x01" + assembler.name("g") + b"\x01\x01",
    ]
    world = decode(assembler.component(instance, (10, assembler.items(imports)))).world
    assert world is not None
    one, other, f, g = world.imports
    assert isinstance(one, WorldInterface)
    assert isinstance(other, WorldInterface)
    assert (one.label, str(one.interface.name), one.external_id) == ("one", "a:b/store@1.0.0", "//One")
    assert str(other.interface.name) == "a:b/other@1.2.3"
    assert [(world_key(i), getattr(i, "external_id", "")) for i in (f, g)] == [("f", "//F"), ("g", "")]


@pytest.mark.parametrize(
    ("extra", "code"),
    [(b"\x01\x03\x01x", "unknown-code"), (b"\x01\x00\x03a:b", "not-in-wit"), (b"\x05", "truncated")],
)
def test_bad_attributes(assembler: Assembler, extra: bytes, code: str) -> None:
    instance = (7, assembler.items([b"\x42\x00"]))
    data = assembler.component(instance, (10, b"\x01\x02\x01a" + extra + b"\x05\x00"))
    assert decode(data).problems[0].code == code
