"""Preparing a component once, and starting fibers or instances that last from it many times.

Preparation checks the imports, compiles every signature and builds the linker; a start then only makes a wasmtime
Store. The linker's callbacks find their fiber through the store's own data, never through a global that threads share.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import wasmtime
from wasmtime.component import Component, Linker, LinkerInstance, ResourceType

from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.types import TypeDef
from obelisk.runtime.errors import ComponentError, FunctionNotFound
from obelisk.runtime.host.abi.crossing import WHOLE
from obelisk.runtime.host.abi.function import Abi, Imported
from obelisk.runtime.host.abi.handles import GuestTypes, Resources
from obelisk.runtime.host.component import Compiled
from obelisk.runtime.host.fiber import IS_ANSWERED_AT, Fiber, fiber_of
from obelisk.runtime.host.imports import Link, is_wasi, match
from obelisk.runtime.host.lasting import Keeper, LastingInstance, lasting_of
from obelisk.runtime.host.targets import Limits, Place, Target
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.host.wasmtime.contexts import guest_of
from obelisk.runtime.host.wasmtime.natives import Natives
from obelisk.runtime.ports.guest import ExportFunction, Handler, ImportFunction, ImportResource, Trapped

_NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Linked:
    """A linker and the callbacks in it, of which wasmtime holds only the addresses."""

    linker: Linker
    callbacks: tuple[Any, ...]


class Prepared:
    """A component ready to start. Safe from any thread; it is closed with its engine, or before."""

    def __init__(
        self,
        compiled: Compiled,
        linked: Linked,
        targets: dict[tuple[str, str], Target],
        limits: Limits,
        natives: Natives,
        *,
        wasi: bool,
    ) -> None:
        """See `prepare`."""
        self.compiled = compiled
        self.natives = natives
        self._linked = linked
        self.blocks = wasi
        """Whether `poll` may block its thread, in native WASI: use a pool thread. `interrupt` waits until it wakes."""
        self._targets = targets
        self._limits = limits

    def start(
        self, export: ExportFunction, args: Sequence[JsonValue], context: object, limits: Limits | None = None
    ) -> Fiber:
        """A fiber that will call an export with `args` (canonical JSON form); no guest code runs yet.

        `context` is handed to the handlers; without `limits` those of `prepare` hold. `FunctionNotFound` for what was
        not prepared, `AbiError` for wrong arguments, `NoRoom` when no other guest fits into this process.
        """
        target = self._targets.get((export.interface, export.function.export_name))
        if target is None:
            ffqn = f"{export.interface}.{export.function.export_name}"
            raise FunctionNotFound(f"{ffqn} is not among the prepared exports of the component", ffqn=ffqn)
        engine, limits = self.compiled.engine, limits or self._limits
        return Fiber(engine, self.natives, target, args, context, limits, wasi=self.blocks)

    def lasting(self, context: object, keeper: Keeper) -> LastingInstance | Trapped:
        """An instance that stays until it is closed, or what it trapped with at its start.

        `context` is handed to the handlers, none of which may wait; `keeper` numbers the component's own resources.
        Raises what a handler raised; `NoRoom` when no other guest fits into this process.
        """
        made = LastingInstance(self.compiled.engine, self.natives, self._targets, context, keeper, wasi=self.blocks)
        trapped: Trapped | None = None
        try:
            trapped = made.start(
                *(native.address_of(owner.ptr()) for owner in (self._linked.linker, self.compiled.raw))
            )
        except BaseException:
            made.close()
            raise
        if trapped is not None:
            made.close()
            return trapped
        return made

    def close(self) -> None:
        """Start no more; what it takes is deleted when its last guest has ended. Idempotent."""
        self.natives.close()


def prepare(
    compiled: Compiled,
    *,
    exports: Sequence[ExportFunction],
    imports: Sequence[ImportFunction] = (),
    resources: Sequence[ImportResource] = (),
    renamed: Collection[tuple[str, str]] = (),
    own: Collection[TypeDef] = (),
    wasi: bool = False,
    lasting: bool = False,
    limits: Limits = _NO_LIMITS,
) -> Prepared:
    """Check a component's imports against what is offered, and compile what its fibers need.

    `wasi` allows native WASI 0.2 (without network, folders, environment). Raises `ImportRefused` naming every import
    that is not offered, `ComponentError` when an export is missing, `Unsupported` for types that cannot pass. `renamed`
    is that of `imports.match`; `own` are the resources that the component implements: exports that pass them are for
    instances that last. `lasting`: it is for those alone.
    """
    with compiled.natives.used():
        prepared = _prepare(
            compiled, exports, imports, resources, renamed, own, wasi=wasi, lasting=lasting, limits=limits
        )
    compiled.engine.own(prepared)
    return prepared


def _prepare(
    compiled: Compiled,
    exports: Sequence[ExportFunction],
    imports: Sequence[ImportFunction],
    resources: Sequence[ImportResource],
    renamed: Collection[tuple[str, str]],
    own: Collection[TypeDef],
    *,
    wasi: bool,
    lasting: bool,
    limits: Limits,
) -> Prepared:
    links = match(compiled, imports, resources, wasi=wasi, renamed=renamed)
    known = Resources((r.interface, r.name) for r in resources)
    abi = Abi(known, GuestTypes(types=own, holder=lasting_of) if own else None)
    uses_wasi = wasi and any(is_wasi(name) for name in compiled.imports)
    engine = compiled.engine
    linker = _linked(engine.raw, links, abi, known, wasi=uses_wasi, lasting=lasting)
    pooled = None
    if engine.pool is not None and compiled.pooled is not None:
        pooled = (compiled.pooled, _linked(engine.pool.raw, links, abi, known, wasi=uses_wasi, lasting=lasting))
    targets: dict[tuple[str, str], Target] = {}
    for export in exports:
        targets[export.interface, export.function.export_name] = Target(
            signature=abi.exported(export),
            plain=_place(compiled, engine.raw, compiled.raw, linker, export),
            pooled=_place(compiled, engine.pool.raw, *pooled, export) if engine.pool and pooled else None,
        )
    places = [place for target in targets.values() for place in (target.plain, target.pooled) if place is not None]
    linkers = [linker.linker] if pooled is None else [linker.linker, pooled[1].linker]
    natives = Natives("component", *linkers, *(place.index for place in places), parent=compiled.natives)
    return Prepared(compiled, linker, targets, limits, natives, wasi=uses_wasi)


def _linked(
    engine: wasmtime.Engine, links: Sequence[Link], abi: Abi, known: Resources, *, wasi: bool, lasting: bool
) -> Linked:
    linker = Linker(engine)
    if wasi:
        linker.add_wasip2()
    callbacks: list[Any] = []
    with linker.root() as root:
        for link in links:
            with contextlib.nullcontext(root) if link.instance == "" else root.add_instance(link.instance) as instance:
                for resource in link.resources:
                    callbacks.append(_add_resource(instance, resource, known))
                for function in link.functions:
                    callbacks.append(_add_function(instance, function, abi.imported(function), lasting=lasting))
    return Linked(linker, tuple(callbacks))


def _place(
    compiled: Compiled, engine: wasmtime.Engine, component: Component, linked: Linked, export: ExportFunction
) -> Place:
    instance = component.get_export_index(export.interface) if export.interface else None
    index = None
    if instance is not None or not export.interface:
        index = component.get_export_index(export.function.export_name, instance)
    if index is None:
        name = ".".join(filter(None, (export.interface, export.function.export_name)))
        raise ComponentError(f"the component does not export {name}", digest=compiled.digest, ffqn=name)
    natives = (engine, linked.linker, component, index)
    engine_at, linker_at, component_at, index_at = (native.address_of(owner.ptr()) for owner in natives)
    return Place(
        engine=engine_at,
        linker=linker_at,
        component=component_at,
        export=index_at,
        index=index,
        callbacks=linked.callbacks,
    )


def _add_function(instance: LinkerInstance, function: ImportFunction, signature: Imported, *, lasting: bool) -> Any:
    name = function.function.export_name.encode()
    if function.waits or (signature.long and not lasting):  # long arguments are lifted in slices, which takes a while
        callback = native.AsyncCallback(_async_callback(signature, function.handler))
        add = native.add_async_callback
    else:
        callback = native.Callback(_callback(signature, function.handler))
        add = native.add_callback
    error = add(instance.ptr(), name, len(name), callback, None, native.NO_FINALIZER)
    assert not error, "the names of an interface are distinct"
    return callback


def _callback(signature: Imported, handler: Handler) -> Callable[..., int]:
    """The C callback of a function that answers at once."""

    def call(_data: int, context: int, _type: int, args: int, count: int, results: int, _results: int) -> int:
        guest = guest_of(context)
        try:
            signature.lower_result(
                guest.answer(handler, signature.lift_args(args, count, guest.crossing, guest.context, WHOLE)),  # type: ignore[arg-type]
                results,
                context,
            )
        except BaseException as raised:  # ctypes would print it and go on
            return guest.refuse(raised)
        return 0

    return call


def _async_callback(signature: Imported, handler: Handler) -> Callable[..., None]:
    """The C callback of a function that may answer later."""

    def call(
        _data: int,
        context: int,
        _type: int,
        args: int,
        count: int,
        results: int,
        _n: int,
        error: int,
        continuation: int,
    ) -> None:
        fiber = fiber_of(context)
        native.move(continuation, native.continuation(IS_ANSWERED_AT, fiber.token), native.CONTINUATION_SIZE)
        fiber.passage.serve(signature, handler, (context, args, count, results, error))

    return call


def _add_resource(instance: LinkerInstance, resource: ImportResource, known: Resources) -> Any:
    def call(_data: int, context: int, rep: int) -> int:
        guest = guest_of(context)
        try:
            resource.dropped(guest.context, rep)
        except BaseException as raised:
            return guest.refuse(raised)
        return 0

    number = known.number(resource.interface, resource.name)
    assert number is not None, "it was numbered from the same list"
    name, callback = resource.name.encode(), native.Destructor(call)
    type_ = ResourceType.host(number)
    error = native.add_resource(instance.ptr(), name, len(name), type_.ptr(), callback, None, native.NO_FINALIZER)
    assert not error, "the names of an interface are distinct"
    return callback
