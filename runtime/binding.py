"""A component in this process, for generated bindings: `Component` is their `values.Caller`.

    handles = Handles()
    with Component.load(Path("app.wasm"), imports=app_handlers(Imports(), handles), handles=handles) as component:
        exports = AppExports(component, handles)
        exports.run(["x"])

Every call has an instance of its own, with fresh memory, as executions have; nothing is logged or retried. Calls
through exported interfaces alone: functions and inline interfaces that a world exports by a plain name are not reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from obelisk.codegen.model.items import Interface
from obelisk.codegen.model.types import ResourceType, resources
from obelisk.runtime import guest, registry
from obelisk.runtime.errors import FunctionNotFound, ObeliskError, Unsupported
from obelisk.runtime.guest import ExportFunction, ImportFunction, ImportResource, Prepared, Returned, Trapped, Waiting
from obelisk.runtime.host.guests import WasmtimeHost
from obelisk.runtime.values import Handler, Handles, JsonValue


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
        what is no component (binary or text); ImportRefused naming every import that nobody serves.
        """
        self._host, self._handles = WasmtimeHost(cache), Handles() if handles is None else handles
        try:
            binary = self._host.to_binary(binary)
            described = registry.describe(binary)
            self._exports = {
                (export.interface, export.function.export_name): export for export in _exported(described.exports)
            }
            self._own = {str(export.name) for export in described.exports}
            self._prepared = self._host.prepare(
                binary,
                workflow=False,
                declared=described.imports,
                exports=[export for export in self._exports.values() if self._is_callable(export)],
                imports=list(_served(described.imports, imports or {})),
                resources=list(self._owned(described.imports)),
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
        """Let go of compiled code and threads."""
        self._host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, interface: str, function: str, params: list[JsonValue], /) -> Any:
        """See `values.Caller`. FunctionNotFound, GuestFailed; what a handler raises comes out unchanged.

        Unsupported for a function that passes a resource of the component's own: an instance lives for one call.
        """
        export = self._exports.get((interface, function))
        ffqn = f"{interface}.{function}" if interface else function
        if export is None:
            raise FunctionNotFound(f"the component exports no {ffqn}", ffqn=ffqn)
        if not self._is_callable(export):
            raise Unsupported(f"{ffqn} passes a resource of the component's own, which ends with each call", ffqn=ffqn)
        with self._handles.call():
            return _run(self._prepared, export, params)

    def _is_callable(self, export: ExportFunction) -> bool:
        function = export.function
        handled = resources(*(param.type for param in function.params), function.result)
        return not any(str(resource.owner) in self._own for resource in handled)

    def _owned(self, interfaces: tuple[Interface, ...]) -> Iterator[ImportResource]:
        """The resources that imported interfaces declare: Python implements them."""
        for interface in interfaces:
            for type_ in interface.types:
                if isinstance(type_.body, ResourceType) and not str(interface.name).startswith("wasi:"):
                    yield ImportResource(
                        interface=str(interface.name),
                        name=type_.name,
                        dropped=lambda _, number: self._handles.drop(number),
                    )


def _run(prepared: Prepared, export: ExportFunction, params: list[JsonValue]) -> Any:
    fiber = prepared.start(export, params, None)
    try:
        while True:
            match fiber.poll():
                case Returned(value):
                    return value
                case Trapped(reason, message, backtrace):
                    raise GuestFailed(message, reason=reason.value, backtrace=backtrace)
                case Waiting():
                    raise AssertionError("handlers of bindings answer at once")
                case _:
                    continue
    finally:
        fiber.close()


def _exported(interfaces: tuple[Interface, ...]) -> Iterator[ExportFunction]:
    for interface in interfaces:
        for function in interface.functions:
            yield ExportFunction(interface=str(interface.name), function=function)


def _served(interfaces: tuple[Interface, ...], handlers: Mapping[tuple[str, str], Handler]) -> Iterator[ImportFunction]:
    for interface in interfaces:
        for function in interface.functions:
            handler = handlers.get((str(interface.name), function.export_name))
            if handler is not None:
                yield ImportFunction(
                    interface=str(interface.name), function=function, handler=_answering(handler), waits=False
                )


def _answering(handler: Handler) -> guest.Handler:
    def answer(_: object, params: list[Any]) -> JsonValue:
        return handler(params)

    return answer
