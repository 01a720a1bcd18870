"""The package of guests in Python: what componentize-py makes of the same WIT is a drop-in for it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from obelisk.cli import at_hand
from obelisk.codegen.emit.guest.layout import Guest, of_world
from obelisk.codegen.emit.guest.names import short_names, stable_names
from obelisk.codegen.emit.guest.package import guest_package
from obelisk.codegen.emit.guest.project import project_guest
from obelisk.codegen.model.items import Resolution
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.resolve.load import load
from obelisk.codegen.syntax.printer import print_resolution

ROOT: Final = Path(__file__).resolve().parents[4]
HOSTILE: Final = """
package t:p@1.0.0;
interface a {
  record %list { int: u8, str: string, class: option<option<u8>>, bytes: list<u8> }
  type names = list<string>;
  type again = %list;
  type outcome = result<u8, string>;
  variant v { none, DNS-timeout(tuple<u8, f32, char>), http2x(result), some(list<names>) }
  enum e { a1b, c-d }
  enum flag { x }
  flags f { x, y-z }
  resource file {
    constructor(n: string);
    read: func(n: u32) -> result<list<u8>, e>;
    open: static func() -> file;
    str: func() -> file;
    into: static func(f: file) -> holder;
  }
  record holder { n: names }
  go: func(x: again, y: borrow<file>) -> outcome;
  dataclass: func(x: list<%list>, self: option<v>) -> result<_, v>;
  %import: func() -> result<option<v>>;
}
interface b {
  use a.{%list, file, outcome, v};
  take: func(x: %list, f: file) -> outcome;
  resource owner { constructor(); size: func() -> u8; make: static func() -> owner; }
}
interface c { use b.{owner}; use a.{v}; record inside { v: v } f: func(x: owner, i: inside) -> result<inside, v>; }
interface int { int: func(int: u8, str: string) -> list<bool>; }
world w {
  import a;
  import int;
  export b;
  export c;
  record local { x: u8 }
  import g: func(x: local) -> local;
  import hello: func(x: string) -> result<u8, string>;
  export bye: func(x: string) -> result<u8, string>;
}
"""
TWICE: Final = """
package t:main;
package t:p@1.0.0 { interface log { f: func(); } interface other { g: func(); } }
package t:q@1.0.0 { interface log { record r { x: u8 } f: func(r: r); } }
package t:r@1.2.0 { interface one { use t:q/log@1.0.0.{r}; f: func(r: r); } }
package t:r@2.0.0-a.1 { interface one { use t:q/log@1.0.0.{r}; f: func(r: r); } }
package t:w { world w {
  import t:p/log@1.0.0; import t:q/log@1.0.0; import t:p/other@1.0.0; import t:r/one@1.2.0; export t:r/one@2.0.0-a.1;
  export t:p/log@1.0.0;
} }
"""


def resolved(paths: Sequence[Path]) -> Resolution:
    loaded = load(paths, spares=list(at_hand.shipped()))
    assert loaded.resolution is not None, loaded.diagnostics
    return loaded.resolution


def theirs(tmp_path: Path, text: str, world: str, more: Sequence[str] = ()) -> Mapping[str, str]:
    """What componentize-py makes of a world of that WIT."""
    (tmp_path / "all.wit").write_text(text)
    out = tmp_path / "theirs"
    command = [str(Path(sys.executable).with_name("componentize-py")), "--quiet", "-d", str(tmp_path / "all.wit")]
    ran = subprocess.run([*command, "-w", world, *more, "bindings", str(out)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*.py")}


def shape(source: str) -> dict[str, object]:
    """What a module declares: by class its kind and members, by function its signature; names as WIT has them."""
    found: dict[str, object] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef():
                found[node.name] = list(members(node))
            case ast.FunctionDef():
                found[node.name] = signature(node)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = plain(node.value)
            case _:
                pass
    return found


def members(node: ast.ClassDef) -> Iterator[object]:
    yield sorted(plain(base) for base in node.bases)
    yield [plain(decorator) for decorator in node.decorator_list]
    for item in node.body:
        match item:
            case ast.AnnAssign():
                yield plain(item.target), plain(item.annotation)
            case ast.Assign():
                yield plain(item.targets[0]), plain(item.value)
            case ast.FunctionDef():
                yield item.name, [plain(decorator) for decorator in item.decorator_list], signature(item, node.name)
            case _:
                pass


def signature(node: ast.FunctionDef, own: str = "") -> object:
    params = [(arg.arg, plain(arg.annotation).replace("Self", own)) for arg in node.args.args]
    return params, plain(node.returns).replace("Self", own)


def plain(node: ast.expr | None) -> str:
    """An expression in one way of writing it: ``Optional[X]`` as ``X | None``, ``List`` as ``list``."""
    text = "" if node is None else ast.unparse(_Modern().visit(node))
    return re.sub(r"\b_(?:builtins\.)?(?=[A-Za-z])", "", text)


class _Modern(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
                return ast.BinOp(inner, ast.BitOr(), ast.Constant(None))
            case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=[first, *rest])):
                union: ast.expr = first
                for one in rest:
                    union = ast.BinOp(union, ast.BitOr(), one)
                return union
            case ast.Subscript(value=ast.Name(id="Union"), slice=inner):
                return inner
            case ast.Subscript(value=ast.Name(id="List" | "Tuple" as name)):
                node.value = ast.Name(name.lower())
            case _:
                pass
        return node


def compare(guest: Guest, reference: Mapping[str, str]) -> None:
    ours = guest_package(guest, "# stamp")
    modules = [path for path in reference if path.startswith("wit_world/")]
    assert {path for path in ours if path.startswith("wit_world/")} == set(modules)
    for path in modules:
        expected = {
            name: said
            for name, said in shape(reference[path]).items()
            if name != "WitWorld" or said != [["Protocol"], []]
        }
        assert shape(ours[path]) == expected, path


WORLDS: Final = {
    "demo:trip-worlds/activities": ("trip",),
    "demo:trip-worlds/workflow": ("trip",),
    "demo:stargazers-worlds/in-python": ("stargazers",),
    "demo:stargazers-worlds/workflow": ("stargazers",),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_examples_worlds_have_the_shape_that_componentize_py_gives_them(name: str, tmp_path: Path) -> None:
    folders = [ROOT / "examples" / WORLDS[name][0] / part for part in ("wit", "worlds")]
    extended = ROOT / "generated"
    more = [path for path in extended.glob("demo_*/wit/*") if "stargazers" in path.name]
    resolution = resolved([*folders, *(more if "stargazers" in name else [])])
    world = resolution.world(InterfaceName.parse(name))
    assert world is not None
    compare(of_world(world), theirs(tmp_path, print_resolution(resolution), name))


@pytest.mark.parametrize(("text", "world"), [(HOSTILE, "t:p/w@1.0.0"), (TWICE, "t:w/w")])
def test_hostile_names_have_the_shape_that_componentize_py_gives_them(text: str, world: str, tmp_path: Path) -> None:
    (tmp_path / "in.wit").write_text(text)
    resolution = resolved([tmp_path / "in.wit"])
    found = resolution.world(InterfaceName.parse(world))
    assert found is not None
    compare(of_world(found), theirs(tmp_path, text, world.partition("@")[0]))


TRIP: Final = """
package t:worlds;
world all {
  import demo:trip/activities;
  import demo:trip-obelisk-ext/activities;
  import obelisk:log/log@1.0.0;
  import wasi:http/outgoing-handler@0.2.12;
  import wasi:filesystem/types@0.2.12;
  export demo:trip/workflow;
}
"""


def test_with_the_names_of_the_project_componentize_py_fits_its_package(tmp_path: Path) -> None:
    """Each module that componentize-py makes has in the project's package one of the same names that offers as much."""
    (tmp_path / "worlds.wit").write_text(TRIP)
    trip, extensions = ROOT / "examples/trip/wit", ROOT / "generated/demo_trip/wit/demo_trip-obelisk-ext"
    resolution = resolved([trip, extensions, tmp_path / "worlds.wit"])
    project = resolved([trip])
    guest = project_guest(project, [p for p in resolution.packages if "obelisk-ext" in p.name.name], at_hand.offered())
    names = [("import", name, module) for name, module in guest.import_names.items()]
    flags = [f"--{side}-interface-name={name}={module}" for side, name, module in names]
    flags += [flag.replace("--import", "--export") for flag in flags]
    reference = theirs(tmp_path, print_resolution(resolution), "t:worlds/all", flags)
    assert {"activities", "activities_ext", "log", "wasi_http_types", "wasi_filesystem_types"} <= {
        Path(path).stem for path in reference
    }
    ours = guest_package(guest, "# stamp")
    for path, source in reference.items():
        if path.startswith("wit_world/imports"):
            assert shape(ours[path]) == shape(source), path
    protocols = shape(ours["wit_world/exports/__init__.py"])
    assert shape(reference["wit_world/exports/__init__.py"]).keys() == {"Workflow"} <= protocols.keys()
    declared = shape(reference["wit_world/exports/workflow.py"])
    offered = ours["wit_world/exports/workflow.py"]
    assert all(f"    {name} as {name}," in offered for name in declared)


def test_names_of_modules_say_where_an_interface_comes_from() -> None:
    names = [
        "obelisk:log/log@1.0.0",
        "app:a/greetings@1.0.0",
        "app:a-obelisk-ext/greetings@1.0.0",
        "app:a/log@1.0.0",
        "app:a/shared@1.0.0",
        "app:b/shared",
        "app:b-obelisk-stub/shared",
        "wasi:http/types@0.2.12",
        "app:a/class@1.0.0",
    ]
    known = [InterfaceName.parse(name) for name in names]
    main = {known[1].package, known[5].package}
    assert [stable_names(known, main)[name] for name in known] == [
        "log",
        "greetings",
        "greetings_ext",
        "app_a_log",
        "app_a_shared",
        "app_b_shared",
        "app_b_shared_stub",
        "wasi_http_types",
        "class_",
    ]
    assert short_names(known[:2]) == {known[0]: "log", known[1]: "greetings"}
