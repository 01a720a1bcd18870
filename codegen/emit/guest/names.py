"""Names in a Python guest: those of componentize-py for what an interface holds, and names of its modules.

An interface is a module of `wit_world.imports` and of `wit_world.exports`. componentize-py calls it after the interface
alone until a second interface of that name comes along: then both change their names (`short_names`). In the package of
a project a name depends on the project's WIT, and never on what else a component imports (`stable_names`); builds of
such components tell componentize-py these names.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from obelisk.codegen.emit.writer import NameTable
from obelisk.codegen.model.names import EXTENSION_SUFFIXES, InterfaceName, PackageName

ENGINE: Final = "obelisk"
"""The namespace of the engine's own packages, whose interfaces every guest knows by their names alone."""


def snake(label: str) -> str:
    """``class`` → ``class_``, ``price-cents`` → ``price_cents``: modules, functions, parameters, fields."""
    return _escape(label.lower().replace("-", "_"))


def camel(label: str) -> str:
    """``DNS-timeout`` → ``DnsTimeout``: types, cases of variants, protocols."""
    return _escape("".join(word.capitalize() for word in re.split("[-_]", label)))


def shouty(label: str) -> str:
    """``late-checkout`` → ``LATE_CHECKOUT``: members of enums and flags."""
    return label.upper().replace("-", "_")


def short_names(interfaces: Iterable[InterfaceName]) -> Mapping[InterfaceName, str]:
    """The modules of a world's imports, or of its exports, as componentize-py names them without being told."""
    known = list(dict.fromkeys(interfaces))
    packages: dict[str, set[tuple[str, str]]] = {}
    versions = Counter((name.package.namespace, name.package.name, name.name) for name in known)
    for name in known:
        packages.setdefault(name.name, set()).add((name.package.namespace, name.package.name))
    named: dict[InterfaceName, str] = {}
    for name in known:
        package = name.package
        if versions[package.namespace, package.name, name.name] > 1:
            version = f"-{package.version.replace('.', '-')}" if package.version else ""
            named[name] = snake(f"{package.namespace}-{package.name}-{name.name}{version}")
        elif len(packages[name.name]) > 1:
            named[name] = snake(f"{package.namespace}-{package.name}-{name.name}")
        else:
            named[name] = snake(name.name)
    return named


def stable_names(interfaces: Iterable[InterfaceName], main: Collection[PackageName]) -> Mapping[InterfaceName, str]:
    """The modules of a project's package; `main` are the packages that the project itself declares.

    Interfaces of the engine and of the project are called by their names alone, extensions of the latter with an
    ending (``greetings_ext``), all others with their packages (``wasi_http_types``). The project's own have their
    packages' names before theirs, too, where the engine or another package of the project has the same name.
    """
    known = sorted(set(interfaces), key=lambda name: (_rank(name, main), name))
    engine = {name.name for name in known if name.package.namespace == ENGINE}
    own = Counter({(_base(name.package), name.name): 1 for name in known if _base(name.package) in main})
    count = Counter(label for _, label in own)
    table = NameTable()
    named: dict[InterfaceName, str] = {}
    for name in known:
        package = _base(name.package)
        ending = name.package.name.removeprefix(package.name).removeprefix("-obelisk")
        is_plain = name.package.namespace == ENGINE or (
            package in main and name.name not in engine and count[name.name] == 1
        )
        place = "" if is_plain else f"{package.namespace}-{package.name}-"
        named[name] = table.unique(snake(f"{place}{name.name}{ending}"))
    return named


def _rank(name: InterfaceName, main: Collection[PackageName]) -> int:
    """Who takes a name first that two would have, which only labels made for it can bring about."""
    return 0 if name.package.namespace == ENGINE else 1 if name.package in main else 2


def _base(package: PackageName) -> PackageName:
    """The package that an extension package extends; others are themselves."""
    for suffix in EXTENSION_SUFFIXES:
        if package.name.endswith(suffix):
            return PackageName(package.namespace, package.name.removesuffix(suffix), package.version)
    return package


def _escape(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name
