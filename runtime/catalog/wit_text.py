"""Components that are WIT alone: what a worker or people outside answer, so that only the interface is deployed. Pure.

Such a component is stored as one canonical text: its package first, then the packages that it uses. Two texts of one
interface, laid out or spread over files in different ways, are one text then, and have one digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from obelisk.codegen import diagnostics
from obelisk.codegen.model.items import Interface, Resolution
from obelisk.codegen.resolve.gates import Features
from obelisk.codegen.resolve.packages import Group
from obelisk.codegen.resolve.resolver import resolve_groups
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax.printer import print_resolution
from obelisk.runtime.errors import ComponentError

_MAGIC: Final = b"\0asm"
_COMPONENT_TEXT: Final = (b"(", b";;")
_FILE: Final = "component.wit"


def is_wit(content: bytes) -> bool:
    """Whether the content of a component is WIT, as opposed to a binary or component text."""
    text = content.lstrip()
    return bool(text) and not content.startswith(_MAGIC) and not text.startswith(_COMPONENT_TEXT)


def canonical(content: bytes) -> bytes:
    """The one text for all WIT texts of the same meaning. ComponentError: the diagnostics, or there is no function."""
    return _print(_resolved(content))


def packed(groups: Sequence[Group], spares: Iterable[Group] = ()) -> bytes:
    """The canonical text of a package whose files are `groups`; `spares` are there for what they use and do not bring.

    ComponentError: with the diagnostics, or when these are several packages.
    """
    loaded = resolve_groups([*groups, *spares], features=Features(names=frozenset(), all_of_them=False))
    if loaded.resolution is None:
        raise ComponentError(diagnostics.render(loaded.diagnostics).rstrip())
    main = loaded.resolution.main
    if len(main) != 1:
        names = ", ".join(str(name) for name in main)
        raise ComponentError(f"these are several packages: {names}; name the folder of the one that is to be deployed")
    return _print(loaded.resolution)


def exports(content: bytes) -> tuple[Interface, ...]:
    """The interfaces that a canonical text declares; ComponentError as `canonical`."""
    resolution = _resolved(content)
    package = resolution.package(resolution.main[-1])
    assert package is not None
    return tuple(interface for interface in package.interfaces if interface.functions)


def _resolved(content: bytes) -> Resolution:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ComponentError(f"the WIT is no UTF-8 text (byte {error.start})") from None
    group = Group(files=(SourceFile(_FILE, text),), is_main=True)
    loaded = resolve_groups([group], features=Features(names=frozenset(), all_of_them=False))
    if loaded.resolution is None or not loaded.resolution.main:
        raise ComponentError(diagnostics.render(loaded.diagnostics).rstrip() or "the WIT declares no package")
    return loaded.resolution


def _print(resolution: Resolution) -> bytes:
    first = resolution.main[-1]  # others may be nested in its file
    package = resolution.package(first)
    if package is None or not any(interface.functions for interface in package.interfaces):
        raise ComponentError(f"the package {first} declares no function")
    return print_resolution(Resolution(packages=resolution.packages, main=(first,))).encode()
