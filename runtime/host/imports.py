"""What the host offers to guests: functions, resources, WASI; and the check that a component asks for nothing else.

A function that a component imports by itself, not in an interface, is offered under the interface ``""``.
The offer itself (`ImportFunction`, `ImportResource`, handlers) is described in `runtime.ports.guest`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wasmtime import component as wasmtime_component

from obelisk.runtime.errors import ImportRefused
from obelisk.runtime.host.abi.handles import is_compatible
from obelisk.runtime.host.component import Compiled
from obelisk.runtime.ports.guest import ImportFunction, ImportResource

WASI_TRACK: Final = "0.2.0"
WASI_INTERFACES: Final = frozenset(
    {
        *(f"wasi:io/{name}" for name in ("error", "poll", "streams")),
        *(f"wasi:clocks/{name}" for name in ("monotonic-clock", "wall-clock")),
        *(f"wasi:random/{name}" for name in ("random", "insecure", "insecure-seed")),
        *(f"wasi:cli/{name}" for name in ("environment", "exit", "stdin", "stdout", "stderr")),
        *(f"wasi:cli/terminal-{name}" for name in ("input", "output", "stdin", "stdout", "stderr")),
        *(f"wasi:filesystem/{name}" for name in ("types", "preopens")),
        *(f"wasi:sockets/{name}" for name in ("network", "instance-network", "ip-name-lookup")),
        *(f"wasi:sockets/{name}" for name in ("tcp", "tcp-create-socket", "udp", "udp-create-socket")),
    }
)
"""What native WASI provides, at any version 0.2.x."""


def is_wasi(name: str) -> bool:
    """Whether an import is one that native WASI provides."""
    plain, _, version = name.partition("@")
    return plain in WASI_INTERFACES and is_compatible(f"{plain}@{WASI_TRACK}", f"{plain}@{version}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One imported instance and what of the host's offer fills it; the wanted name is the component's.

    `instance` ``""`` stands for the functions that are imported by themselves.
    """

    instance: str
    functions: tuple[ImportFunction, ...]
    resources: tuple[ImportResource, ...]


def match(
    compiled: Compiled,
    functions: Sequence[ImportFunction],
    resources: Sequence[ImportResource],
    *,
    wasi: bool,
    renamed: Collection[tuple[str, str]] = (),
) -> tuple[Link, ...]:
    """What to link for a component; what it does not import is left out. `ImportRefused` names all that is missing.

    `renamed` are resource types, by interface and name, that are those of another interface under a name of their own.
    """
    links: list[Link] = []
    missing: list[str] = []
    plain = {f.function.export_name: f for f in functions if not f.interface}
    alone: list[ImportFunction] = []
    for name, item in compiled.raw.type.imports(compiled.engine.raw).items():
        type_ = item.ty
        if wasi and is_wasi(name):
            continue
        if isinstance(type_, wasmtime_component.FuncType) and name in plain:
            alone.append(plain[name])
            continue
        if not isinstance(type_, wasmtime_component.ComponentInstanceType):
            missing.append(name)
            continue
        wanted = dict(_wanted(type_, compiled))
        exact = [f for f in functions if f.interface == name]
        compatible = exact or [f for f in functions if is_compatible(f.interface, name)]
        offered = {f.function.export_name: f for f in compatible}
        owned = {r.name: r for r in resources if is_compatible(r.interface, name)}
        known = {r.name for r in resources} | {alias for interface, alias in renamed if interface == name}
        if not offered and not owned and wanted:
            missing.append(name)
            continue
        absent = [export for export, kind in wanted.items() if export not in (offered if kind == "function" else known)]
        missing += [f"{name}.{export}" for export in absent]
        links.append(
            Link(
                instance=name,
                functions=tuple(f for export, f in offered.items() if wanted.get(export) == "function"),
                resources=tuple(r for export, r in owned.items() if wanted.get(export) == "resource"),
            )
        )
    if missing:
        raise ImportRefused(f"the component imports what is not offered here: {', '.join(missing)}", imports=missing)
    return (*links, Link(instance="", functions=tuple(alone), resources=())) if alone else tuple(links)


def _wanted(type_: wasmtime_component.ComponentInstanceType, compiled: Compiled) -> Iterator[tuple[str, str]]:
    """The functions and resources of an imported instance; types need nothing from the host."""
    for export, extern in type_.exports(compiled.engine.raw).items():
        try:
            item = extern.ty
        except TypeError:  # the public API does not know every type; a type is nothing to link
            continue
        if isinstance(item, wasmtime_component.FuncType):
            yield export, "function"
        elif isinstance(item, wasmtime_component.ResourceType):
            yield export, "resource"
