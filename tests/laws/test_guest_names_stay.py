"""What a guest in Python imports keeps its name, whatever else a project's components import or its folders hold."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from obelisk.cli import at_hand
from obelisk.codegen import extensions
from obelisk.codegen.emit.guest.package import guest_package
from obelisk.codegen.emit.guest.project import project_guest
from obelisk.codegen.model.items import Resolution
from obelisk.codegen.resolve.resolver import resolve_sources
from obelisk.codegen.source import SourceFile

OFFERED = at_hand.offered()
ENGINE = at_hand.engine_types()
# Names of the engine's and of WASI's interfaces, of the project's, keywords, and such as join to one another.
LABELS = [
    "log",
    "types",
    "time",
    "streams",
    "greetings",
    "greetings-ext",
    "class",
    "import",
    "wasi-http-types",
    "x",
    "x-stub",
]
LABEL = st.sampled_from(LABELS)
PACKAGES = st.sampled_from(["app:a", "app:b@1.0.0", "lib:c", "lib:d@0.1.0"])
Interfaces = dict[str, list[str]]
TREES = st.dictionaries(PACKAGES, st.lists(LABEL, min_size=1, max_size=5, unique=True), min_size=1, max_size=4)


def resolution(packages: Interfaces, imports: list[tuple[str, str]]) -> Resolution:
    """The packages; those of `app` are the project's own, and a world of the first imports these interfaces."""
    texts = {
        name: f"package {name};\n" + "\n".join(f"interface %{label} {{ f: func() -> u8; }}" for label in labels)
        for name, labels in packages.items()
    }
    lines = "\n".join(f"  import {path(name, label)};" for name, label in imports)
    world = SourceFile("world.wit", f"package app:worlds;\nworld w {{\n{lines}\n}}\n")
    loaded = resolve_sources([world], [[SourceFile(f"{name}.wit", text)] for name, text in texts.items()])
    assert loaded.resolution is not None, loaded.diagnostics
    own = tuple(package.name for package in loaded.resolution.packages if package.name.namespace == "app")
    return Resolution(packages=loaded.resolution.packages, main=own)


def path(package: str, label: str) -> str:
    name, at, version = package.partition("@")
    return f"{name}/%{label}{at}{version}"


def modules(found: Resolution) -> dict[str, str]:
    """The modules by the interfaces' names; each is there, and under a name that Python takes."""
    extended = [
        extension
        for package in found.packages
        if package.name in found.main
        for extension in extensions.extend(package, ENGINE).packages
    ]
    guest = project_guest(found, extended, OFFERED)
    files = guest_package(guest, "# stamp")
    names = {str(interface): name for interface, name in guest.import_names.items()}
    assert len(set(names.values())) == len(names)
    for name in names.values():
        assert name.isidentifier()
        compile(files[f"wit_world/imports/{name}.py"], name, "exec")
    return names


@settings(max_examples=40, deadline=None)
@given(TREES, st.data())
@example({"app:a": ["log"]}, None)
def test_an_import_more_renames_nothing(packages: Interfaces, data: st.DataObject | None) -> None:
    every = [(name, label) for name, labels in packages.items() for label in labels]
    few = [one for one in every if data is not None and data.draw(st.booleans())]
    assert modules(resolution(packages, few)) == modules(resolution(packages, every))


@settings(max_examples=40, deadline=None)
@given(TREES, st.sampled_from(["other:e", "other:f@2.0.0"]), st.lists(LABEL, min_size=1, max_size=5, unique=True))
def test_a_package_of_others_more_renames_nothing(packages: Interfaces, name: str, labels: list[str]) -> None:
    before = modules(resolution(packages, []))
    after = modules(resolution({**packages, name: labels}, []))
    assert before.items() <= after.items()
