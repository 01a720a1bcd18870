"""The Python modules that a component consists of: the file that it begins with, and what that imports of its folder
and of the library for guests.

Read, never run. A module that is imported anywhere counts, in a function too; a name that is put together at run time
cannot be followed, so a component with such an import consists of its whole folder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Final

from obelisk.cli.building import library
from obelisk.cli.errors import CommandError

_BY_NAME: Final = ("import_module", "__import__", "run_module", "run_path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One name that a module imports: ``import a.b`` is module ``a.b``, ``from a import b as c`` module ``a``, name b.

    `bound` is what it is called afterwards, `node` where it stands.
    """

    module: str
    name: str
    bound: str
    node: ast.AST


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A file of the component. `shown` is how messages call it, `folder` how they call the folder of all of them.

    `is_library`: it is of `obelisk_guest`; `is_installed`: of a package that was installed into the folder. Its author
    wrote neither.
    """

    path: Path
    name: str
    shown: str
    folder: str
    tree: ast.Module
    imports: tuple[Import, ...]
    text: str
    is_library: bool = False
    is_installed: bool = False

    @property
    def inside(self) -> str:
        """Where it stands below the folder of all of them: ``parts/words.py``."""
        below = self.name.replace(".", "/")
        return f"{below}/__init__.py" if self.path.name == "__init__.py" else f"{below}.py"


def modules(source: Path, shown: str) -> Mapping[str, Module]:
    """The modules by name, the one in `source` first. `shown` is the path of its folder in messages.

    CommandError ``build_failed`` for a file that is not Python.
    """
    folder = source.parent
    found = {source.stem: _read(source, source.stem, shown)}
    waiting = [found[source.stem]]
    installed = _installed(folder)
    while waiting:
        module = waiting.pop()
        names = [name for one in module.imports for name in _candidates(one)]
        if _is_open(module.tree) and not module.is_library and not module.is_installed:
            names += [_name(path.relative_to(folder)) for path in sorted(folder.rglob("*.py"))]
        for name in names:
            if name in found:
                continue
            path = file_of(folder, name)
            if path is not None:
                found[name] = replace(_read(path, name, shown), is_installed=name.partition(".")[0] in installed)
            elif library.is_of(name) and (path := file_of(library.folder(), name)) is not None:
                found[name] = replace(_read(path, name, "."), is_library=True)
            else:
                continue
            waiting.append(found[name])
    return found


def _installed(folder: Path) -> set[str]:
    """The packages and modules in a folder that an installer put there (``pip install --target``), by its records."""
    files = (file for one in metadata.distributions(path=[str(folder)]) for file in one.files or ())
    return {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"}


def _candidates(one: Import) -> Iterator[str]:
    """The modules that an import may mean, and the packages that these are in."""
    parts = (f"{one.module}.{one.name}" if one.name else one.module).split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def file_of(folder: Path, name: str) -> Path | None:
    """The file of a module or package of the folder; None where there is none."""
    base = folder.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


def _name(inside: Path) -> str:
    return ".".join(inside.with_suffix("").parts).removesuffix(".__init__")


def _read(path: Path, name: str, shown: str) -> Module:
    below = f"{name.replace('.', '/')}/__init__.py" if path.name == "__init__.py" else f"{name.replace('.', '/')}.py"
    inside = below if shown == "." else f"{shown}/{below}"
    try:
        text = path.read_text("utf-8")
        tree = ast.parse(text)
    except SyntaxError as error:
        where = f"{inside}:{error.lineno or 1}:{error.offset or 1}"
        line = f"\n    {error.text.strip()}" if error.text else ""
        raise CommandError("build_failed", f"{where}: this is not Python: {error.msg}{line}") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise CommandError("build_failed", f"{inside}:1:1: this is not Python: {error}") from None
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return Module(
        path=path, name=name, shown=inside, folder=shown, tree=tree, imports=tuple(_imports(tree, package)), text=text
    )


def _imports(tree: ast.Module, package: str) -> Iterator[Import]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    yield Import(module=alias.name, name="", bound=bound, node=alias)
            case ast.ImportFrom(names=names):
                base = _absolute(node, package)
                for alias in names:
                    yield Import(module=base, name=alias.name, bound=alias.asname or alias.name, node=alias)
            case _:
                pass


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that a relative import means."""
    if node.level == 0:
        return node.module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _is_open(tree: ast.Module) -> bool:
    """Whether a module imports others by names that are not written down."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _BY_NAME:
                return True
    return False


def at(module: Module, node: ast.AST) -> str:
    """``src/flow.py:3:8``, where `node` begins."""
    return f"{module.shown}:{getattr(node, 'lineno', 1)}:{getattr(node, 'col_offset', 0) + 1}"
