"""The package of a whole project: everything that one of its components may import or implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obelisk.codegen.emit.guest.layout import Guest, of_packages
from obelisk.codegen.emit.guest.names import ENGINE, stable_names
from obelisk.codegen.model.items import Package, Resolution
from obelisk.codegen.model.names import EXTENSION_SUFFIXES

_CALLED: Final = (ENGINE, "wasi")
"""Namespaces of the packages that the host implements."""


def project_guest(resolution: Resolution, extensions: Sequence[Package], offered: Sequence[Package]) -> Guest:
    """What components of a project see: its packages, their `extensions`, and what is `offered` that it has no copy of.

    Packages are in topological order, those of the resolution after what they use.
    """
    own = {(package.name.namespace, package.name.name) for package in resolution.packages}
    more = [package for package in offered if (package.name.namespace, package.name.name) not in own]
    packages = (*more, *resolution.packages, *extensions)
    names = [interface.name for package in packages for interface in package.interfaces]
    implemented = [
        package
        for package in resolution.packages
        if package.name.namespace not in _CALLED and not package.name.name.endswith(EXTENSION_SUFFIXES)
    ]
    return of_packages(packages, implemented, stable_names(names, resolution.main))
