"""What a component in Python imports that is neither its own nor works in WebAssembly: found before it is built.

A component consists of the modules next to its source, of Python's own library and of nothing else: what is installed
on the machine that builds has no part in it. Imports that are only tried (``try … except ImportError``) and those for
type checkers may name anything.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

from obelisk.cli.building import library
from obelisk.cli.building.modules import Import, Module, at, file_of
from obelisk.cli.errors import CommandError

_GIVEN: Final = ("wit_world", "componentize_py_types", "componentize_py_async_support", "componentize_py_runtime")
_HTTP: Final = (
    "a component has no sockets: HTTP goes through the engine. Use `from obelisk_guest import http` in an activity, or "
    "write the activity outside the engine (docs/python-workers.md)"
)
_HTTPX: Final = (
    "it has no sockets. Use `from obelisk_guest import http`, or give the component httpx itself as a package, and "
    "its clients `transport=obelisk_guest.httpx.Transport()`"
)
_CHILDREN: Final = (
    "a component has one thread: to do several things at the same time a workflow starts children "
    "(`from obelisk_guest.workflow import call, gather`)"
)
_MODULES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            *("requests", "aiohttp", "urllib3", "urllib.request", "http.client", "http.server", "socket"),
            *("socketserver", "ssl", "smtplib", "ftplib", "imaplib", "poplib", "xmlrpc.client", "websockets", "grpc"),
        ),
        _HTTP,
    ),
    "httpx": _HTTPX,
    **dict.fromkeys(["multiprocessing", "concurrent.futures", "subprocess", "_thread"], _CHILDREN),
}
_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("threading", "Thread"): _CHILDREN,
    ("threading", "Timer"): _CHILDREN,
}
_ASYNC: Final = (
    "a workflow is plain code that the engine suspends where it waits: call functions without `await`, and start "
    "children to run them at the same time (`from obelisk_guest.workflow import call, gather`)"
)


def check(modules: Mapping[str, Module], *, is_workflow: bool) -> None:
    """Refuse what cannot work. CommandError ``build_failed`` with every place. Other languages have no modules."""
    if not modules:
        return
    folder = next(iter(modules.values())).path.parent
    own = [module for module in modules.values() if not module.is_library and not module.is_installed]
    problems = [
        problem
        for module in own
        for one in _firm(module)
        if (problem := _problem(module, one, folder, is_workflow=is_workflow))
    ]
    problems += [problem for module in own for problem in _attributes(module)]
    if problems:
        raise CommandError("build_failed", "\n".join(dict.fromkeys(problems)))


def _problem(module: Module, one: Import, folder: Path, *, is_workflow: bool) -> str:
    """What is wrong with an import; empty when it is right."""
    top = one.module.partition(".")[0]
    whole = f"{one.module}.{one.name}" if one.name else one.module
    if not top or top in _GIVEN or file_of(folder, top) is not None or (folder / top).is_dir():
        return ""
    where = at(module, one.node)
    if library.is_of(top):
        return _of_library(where, one)
    for name in (one.module, whole):
        if name in _MODULES:
            return f"{where}: `{name}` does not work in a component: {_MODULES[name]}"
    if (one.module, one.name) in _NAMES:
        return f"{where}: `{whole}` does not work in a component: {_NAMES[one.module, one.name]}"
    if top == "asyncio" and is_workflow:
        return f"{where}: `asyncio` does not work in a workflow: {_ASYNC}"
    if top in sys.stdlib_module_names:
        return ""
    native = _native(top)
    if native:
        return (
            f"{where}: `{top}` has code for this machine ({native}), which does not run in WebAssembly: do without it, "
            "or write the activity that needs it outside the engine (docs/python-workers.md)"
        )
    folder_of_all = "the folder of its source" if module.folder == "." else module.folder
    return (
        f"{where}: there is no module `{top}` in the component: it consists of Python's own library and of the modules "
        f"in {folder_of_all}, whatever is installed here. A package in pure Python works when it is installed "
        "there: `pip install --target`"
    )


def _of_library(where: str, one: Import) -> str:
    """What is wrong with an import of the library for guests."""
    offered = ", ".join(library.offered())
    if one.module == library.NAME and one.name not in library.offered():
        return f"{where}: {library.NAME} has no module `{one.name or '…'}`; there are {offered}"
    if one.module != library.NAME and file_of(library.folder(), one.module) is None:
        return f"{where}: there is no module `{one.module}`; {library.NAME} has {offered}"
    return ""


def _attributes(module: Module) -> Iterator[str]:
    """Uses of what stands in a module that itself is right."""
    bound = {one.bound: one.module for one in module.imports if not one.name}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            key = (bound.get(node.value.id, ""), node.attr)
            if key in _NAMES:
                yield f"{at(module, node)}: `{'.'.join(key)}` does not work in a component: {_NAMES[key]}"


def _firm(module: Module) -> Iterator[Import]:
    """The imports that have to succeed when the component runs."""
    tentative = set(_tentative(module.tree))
    return (one for one in module.imports if id(one.node) not in tentative)


def _tentative(tree: ast.AST) -> Iterator[int]:
    """The imports, by identity, that may fail, and those that are never run."""
    for node in ast.walk(tree):
        inside: list[ast.stmt] = []
        match node:
            case ast.Try(body=body, handlers=handlers) if any(map(_catches, handlers)):
                inside = body
            case ast.If(test=test, body=body) if ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING":
                inside = body
            case _:
                pass
        for statement in inside:
            yield from (id(found) for found in ast.walk(statement) if isinstance(found, ast.alias))


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {ast.unparse(one) for one in (handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def _native(top: str) -> str:
    """A file of compiled code of an installed package or of one that it needs; empty when there is none."""
    needed = [top]
    for name in metadata.packages_distributions().get(top, ()):
        for requirement in metadata.requires(name) or ():
            if ";" not in requirement:
                label = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
                needed.append(label.replace("-", "_").lower())
    return next((found for name in needed if (found := _compiled(name))), "")


def _compiled(top: str) -> str:
    """A file of compiled code in an installed package."""
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ""
    if found is None:
        return ""
    if found.origin and found.origin.endswith(tuple(EXTENSION_SUFFIXES)):
        return Path(found.origin).name
    for place in found.submodule_search_locations or ():
        for path in sorted(Path(place).rglob("*")):
            if path.name.endswith(tuple(EXTENSION_SUFFIXES)):
                return f"{top}/{path.relative_to(place).as_posix()}"
    return ""
