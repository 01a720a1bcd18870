"""Extension packages: names and signatures of the functions that drive, schedule and stub others."""

from __future__ import annotations

from obelisk.cli import at_hand
from obelisk.codegen.extensions import extend, is_extended
from obelisk.codegen.model.items import Package
from obelisk.codegen.model.json_form import wit_text
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.model.types import TypeDef
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile

ENGINE = at_hand.engine_types()


def package(text: str) -> Package:
    loaded = resolve_sources([SourceFile("a.wit", text)])
    assert loaded.resolution is not None, loaded.diagnostics
    return loaded.resolution.packages[-1]


def signatures(text: str) -> dict[str, list[str]]:
    """The functions of each extension interface, as text."""
    return {
        str(interface.name): [
            f"{f.name}({', '.join(f'{p.name}: {wit_text(p.type)}' for p in f.params)}) -> {wit_text(f.result)}"
            for f in interface.functions
        ]
        for extension in extend(package(text), ENGINE).packages
        for interface in extension.interfaces
    }


def uses(text: str, interface: str) -> list[str]:
    """What an extension interface uses, as ``owner.name as name``."""
    found = next(i for e in extend(package(text), ENGINE).packages for i in e.interfaces if str(i.name) == interface)
    bodies = [(type_.body, type_.name) for type_ in found.types]
    return [f"{body.owner}.{body.name} as {name}" for body, name in bodies if isinstance(body, TypeDef)]


def test_signatures() -> None:
    assert signatures("package t:p@1.0.0; interface fibo { fibo: func(n: u8, m: u32) -> result<u64>; }") == {
        "t:p-obelisk-ext/fibo@1.0.0": [
            "fibo-submit(join-set: borrow<join-set>, n: u8, m: u32) -> execution-id",
            "fibo-await-next(join-set: borrow<join-set>) -> result<result<u64>, await-next-extension-error>",
            "fibo-get(execution-id: execution-id) -> result<result<u64>, get-extension-error>",
        ],
        "t:p-obelisk-schedule/fibo@1.0.0": [
            "fibo-schedule(schedule-at: schedule-at, n: u8, m: u32) -> execution-id",
        ],
        "t:p-obelisk-stub/fibo@1.0.0": [
            "fibo-stub(execution-id: execution-id, execution-result: result<u64>) -> result<_, stub-error>",
        ],
    }


def test_a_function_without_a_result() -> None:
    found = signatures("package t:p; interface i { f: func(); }")
    assert found["t:p-obelisk-ext/i"][1:] == [
        "f-await-next(join-set: borrow<join-set>) -> result<_, await-next-extension-error>",
        "f-get(execution-id: execution-id) -> result<_, get-extension-error>",
    ]
    assert found["t:p-obelisk-stub/i"] == ["f-stub(execution-id: execution-id) -> result<_, stub-error>"]


def test_types_are_used_from_where_they_are_declared() -> None:
    text = """package t:p;
    interface types { record response { a: u8 } type ids = list<u8>; }
    interface i {
      use types.{response as answer, ids};
      enum e { x }
      f: func(a: option<answer>, b: list<tuple<ids, e>>) -> result<map<u8, e>, answer>;
    }"""
    assert uses(text, "t:p-obelisk-ext/i") == [
        "t:p/types.response as response",
        "t:p/types.ids as ids",
        "t:p/i.e as e",
        "obelisk:types/execution@5.0.0.execution-id as execution-id",
        "obelisk:types/execution@5.0.0.await-next-extension-error as await-next-extension-error",
        "obelisk:types/execution@5.0.0.get-extension-error as get-extension-error",
        "obelisk:types/join-set@5.0.0.join-set as join-set",
    ]
    assert uses(text, "t:p-obelisk-stub/i")[:2] == ["t:p/i.e as e", "t:p/types.response as response"]
    assert "submit(join-set: borrow<join-set>, a: option<response>, b: list<tuple<list<u8>, e>>)" in str(
        signatures(text)
    )


def test_names_that_clash_with_the_extensions_own() -> None:
    text = """package t:p;
    interface a { type execution-id = string; }
    interface i {
      use a.{execution-id as other};
      record execution-id { a: other }
      f: func(join-set: u8, obelisk-join-set: u8, schedule-at: execution-id, o: other) -> execution-id;
    }"""
    assert uses(text, "t:p-obelisk-schedule/i") == [
        "t:p/i.execution-id as i-execution-id",
        "t:p/a.execution-id as a-execution-id",
        "obelisk:types/execution@5.0.0.execution-id as execution-id",
        "obelisk:types/time@5.0.0.schedule-at as schedule-at",
    ]
    found = signatures(text)
    assert found["t:p-obelisk-ext/i"][0].startswith("f-submit(obelisk-obelisk-join-set: borrow<join-set>, join-set: u8")
    assert found["t:p-obelisk-schedule/i"][0].startswith("f-schedule(obelisk-schedule-at: schedule-at, join-set: u8")


def test_functions_without_json_form_are_left_out() -> None:
    found = extend(package("package t:p; interface i { resource r; f: func() -> r; g: func(); }"), ENGINE)
    assert [left.ffqn for left in found.left_out] == ["t:p/i.f"]
    assert [f.name for f in found.packages[1].interfaces[0].functions] == ["g-schedule"]
    assert extend(package("package t:p; interface i { resource r; f: func() -> r; }"), ENGINE).packages == ()


def test_which_packages_are_extended() -> None:
    assert is_extended(PackageName("demo", "fibo"))
    for name in ("obelisk:log", "wasi:cli", "demo:fibo-obelisk-ext", "demo:fibo-obelisk-stub@1.0.0"):
        assert not is_extended(PackageName.parse(name))
    assert extend(ENGINE, ENGINE).packages == ()
