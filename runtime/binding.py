"""A component in this process, for generated bindings: `Component` and `Instance` are their `values.Caller`.

    handles = Handles()
    with Component.load(Path("app.wasm"), imports=app_handlers(Imports(), handles), handles=handles) as component:
        AppExports(component, handles).run(["x"])        # every call has an instance of its own, with fresh memory
        with component.instance() as instance:           # one for all calls, which keeps its memory and its resources
            with AppExports(instance, handles).sessions.session() as session:
                session.next()

Nothing is logged or retried, as it is with executions. A trap ends an instance, and so does what a handler raises.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from obelisk.codegen.model.items import Function, WorldInterface, WorldItem, world_key
from obelisk.codegen.model.types import ResourceType, TypeDef, definition, resources
from obelisk.runtime.catalog.description import world_of
from obelisk.runtime.errors import FunctionNotFound, ObeliskError, Unsupported
from obelisk.runtime.host import component, instance
from obelisk.runtime.host.lasting import GuestHandle
from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings
from obelisk.runtime.ports import guest
from obelisk.runtime.ports.guest import ExportFunction, ImportFunction, ImportResource, Trapped
from obelisk.runtime.resources import Handles, Held
from obelisk.runtime.values import Handler, JsonValue


class GuestFailed(ObeliskError):
    """A call ended in a trap; `fields["reason"]` says which kind, `fields["backtrace"]` where."""

    code = "guest_failed"


class Component:
    """A component with its imports served by Python. Safe from any thread; close it after the last call."""

    def __init__(
        self,
        binary: bytes,
        *,
        imports: Mapping[tuple[str, str], Handler] | None = None,
        handles: Handles | None = None,
        cache: Path | None = None,
    ) -> None:
        """`imports` by interface and function, as generated ``…_handlers`` give them for a world.

        `handles` are the resources that those share. Compiled code is kept in the folder `cache`. ComponentError for
        what is no component (binary or text); ImportRefused naming every import that nothing serves.
        """
        self.handles = Handles() if handles is None else handles
        self._instances: weakref.WeakSet[Instance] = weakref.WeakSet()
        self._engine = Engine(EngineSettings())
        try:
            binary = component.to_binary(binary)
            world = world_of(binary)
            self._exports = {(e.interface, e.function.export_name): e for e in _exported(world.exports)}
            self._own = dict(_own(world.exports))
            compiled = component.ComponentCache(self._engine, cache).compile(binary)
            self._prepared = instance.prepare(
                compiled,
                exports=list(self._exports.values()),
                imports=list(_served(world.imports, imports or {})),
                resources=list(self._offered(world.imports)),
                own=self._own.keys(),
                wasi=True,
                lasting=True,
            )
        except BaseException:
            self.close()
            raise

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        imports: Mapping[tuple[str, str], Handler] | None = None,
        handles: Handles | None = None,
        cache: Path | None = None,
    ) -> Self:
        """The component in a file; OSError when it cannot be read."""
        return cls(path.read_bytes(), imports=imports, handles=handles, cache=cache)

    def close(self) -> None:
        """End all instances, and let go of compiled code and threads."""
        for made in list(self._instances):
            made.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, interface: str, function: str, params: list[JsonValue], /) -> Any:
        """Call in an instance of its own: see `Instance.call`.

        Unsupported for a function that passes a resource of the component's own, which would end with the instance.
        """
        export = self.export(interface, function)
        types = (*(param.type for param in export.function.params), export.function.result)
        if any(definition(resource) in self._own for resource in resources(*types)):
            ffqn = f"{interface}.{function}" if interface else function
            raise Unsupported(
                f"{ffqn} passes a resource of the component's own, which ends with each call: use Component.instance()",
                ffqn=ffqn,
            )
        # What the instance leaves behind goes at the end of the outermost call, which may yet take a result out of it.
        with self.handles.call(), Instance(self, self._prepared, keeps=False) as made:
            return made.call(interface, function, params)

    def instance(self) -> Instance:
        """A new instance for many calls; close it. GuestFailed when it traps at its start."""
        made = Instance(self, self._prepared, keeps=True)
        self._instances.add(made)
        return made

    def export(self, interface: str, function: str) -> ExportFunction:
        """An exported function; FunctionNotFound."""
        found = self._exports.get((interface, function))
        if found is None:
            ffqn = f"{interface}.{function}" if interface else function
            raise FunctionNotFound(f"the component exports no {ffqn}", ffqn=ffqn)
        return found

    def interface_of(self, resource: TypeDef) -> str:
        """The export that declares a resource of the component's own."""
        return self._own[definition(resource)]

    def _offered(self, items: Sequence[WorldItem]) -> Iterator[ImportResource]:
        """The resources that imported interfaces declare: Python implements them."""
        for item in items:
            if isinstance(item, WorldInterface) and not str(item.interface.name).startswith("wasi:"):
                for type_ in item.interface.types:
                    if isinstance(type_.body, ResourceType):
                        yield ImportResource(
                            interface=world_key(item),
                            name=type_.name,
                            dropped=lambda _, number: self.handles.drop(number),
                        )


class Instance:
    """One instance of a component, for any number of calls, one at a time. Safe from any thread; close it.

    Its own resources may be held as long as it lives; what Python has given it stays until it is dropped or closed.
    """

    def __init__(self, owner: Component, prepared: instance.Prepared, *, keeps: bool) -> None:
        """Made by `Component.instance`; `keeps` says whether what Python gives it stays beyond the call."""
        self._component, self._handles, self._keeps = owner, owner.handles, keeps
        with self._call():
            started = prepared.lasting(self, self)
        if isinstance(started, Trapped):
            self._handles.leave(self)
            raise _failed(started)
        self._instance = started

    def call(self, interface: str, function: str, params: list[JsonValue], /) -> Any:
        """See `values.Caller`. FunctionNotFound, GuestFailed; what a handler raises comes out unchanged.

        AbiError for values of another type; the code ``host_stopped`` after the end of the instance or of a resource,
        and for a call from within a call.
        """
        self._component.export(interface, function)
        with self._call():
            outcome = self._instance.call((interface, function), params)
        if isinstance(outcome, Trapped):
            raise _failed(outcome)
        return outcome.value

    def close(self) -> None:
        """End the instance: its own resources without their destructors, Python's as if they were dropped."""
        self._instance.close()
        self._handles.leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _call(self) -> Generator[None]:
        with self._handles.call():
            try:
                yield
            finally:
                if self._keeps:
                    self._handles.keep(self)

    # --- `host.lasting.Keeper` ---------------------------------------------------------------------------------------
    def adopt(self, handle: GuestHandle, /) -> int:
        """A resource that the component gives away."""
        return self._handles.give(_Held(self, self._component.interface_of(handle.resource), handle))

    def find(self, number: int, /) -> GuestHandle | None:
        """The component's own resource of that number."""
        held = self._handles.component_own(number)
        return held.handle if isinstance(held, _Held) else None

    def give_back(self, number: int, /) -> None:
        """The component owns it again."""
        self._handles.take(number)


class _Held(Held):
    """A resource in an instance."""

    def __init__(self, caller: Instance, interface: str, handle: GuestHandle) -> None:
        self.caller, self.interface, self.handle = caller, interface, handle

    def drop(self) -> None:
        trapped = self.handle.drop()
        if trapped is not None:
            raise _failed(trapped)


def _failed(trapped: Trapped) -> GuestFailed:
    return GuestFailed(trapped.message, reason=trapped.reason.value, backtrace=trapped.backtrace)


def _functions(items: Sequence[WorldItem]) -> Iterator[tuple[str, Function]]:
    """Each function with the name of its interface, ``""`` without one."""
    for item in items:
        if isinstance(item, WorldInterface):
            yield from ((world_key(item), function) for function in item.interface.functions)
        elif isinstance(item, Function):
            yield "", item


def _exported(items: Sequence[WorldItem]) -> Iterator[ExportFunction]:
    for interface, function in _functions(items):
        yield ExportFunction(interface=interface, function=function)


def _own(items: Sequence[WorldItem]) -> Iterator[tuple[TypeDef, str]]:
    for item in items:
        if isinstance(item, WorldInterface):
            yield from ((t, world_key(item)) for t in item.interface.types if isinstance(t.body, ResourceType))


def _served(items: Sequence[WorldItem], handlers: Mapping[tuple[str, str], Handler]) -> Iterator[ImportFunction]:
    for interface, function in _functions(items):
        handler = handlers.get((interface, function.export_name))
        if handler is not None:
            yield ImportFunction(interface=interface, function=function, handler=_answering(handler), waits=False)


def _answering(handler: Handler) -> guest.Handler:
    def answer(_: object, params: list[Any]) -> JsonValue:
        return handler(params)

    return answer
