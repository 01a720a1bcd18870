"""Starting and driving guests over our WASI: `guest.Prepared` and `guest.Fiber` around those of `host.instance`.

A fiber of an activity that says Waiting wants nothing but to be polled again, once `when_ready` has called back:

    polled = fiber.poll()                       # on any thread
    if isinstance(polled, Waiting):
        fiber.when_ready(poll_again)            # on the event loop; no thread waits meanwhile

A fiber of a workflow that says Waiting is resumed by the handler that answered PENDING, as without WASI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from obelisk.codegen.model.items import Interface
from obelisk.runtime.host import instance
from obelisk.runtime.host.component import Compiled
from obelisk.runtime.host.errors import AbiError
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.targets import Limits
from obelisk.runtime.host.wasi.calls.call import Calls
from obelisk.runtime.host.wasi.calls.offer import WITHOUT_HTTP, offer
from obelisk.runtime.host.wasi.guests import ActivityGuest, GuestExit, WasiGuest
from obelisk.runtime.host.wasi.io.pollables import Watch
from obelisk.runtime.ports.guest import (
    PENDING,
    Bound,
    ExportFunction,
    GuestTrap,
    Handler,
    HandOver,
    ImportFunction,
    ImportResource,
    JsonValue,
    Pending,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
)

_NO_LIMITS: Final = Limits()


class NewGuest(Protocol):
    """Makes the WASI of one guest, at its start, for the context that its other handlers get."""

    def __call__(self, context: Any, /) -> WasiGuest:
        """Called on the thread that starts the guest."""
        ...


class WasiFiber:
    """One call of one export; see `guest.Fiber`, and the module for what `when_ready` adds."""

    def __init__(self, fiber: Fiber, wasi: WasiGuest) -> None:
        self._fiber, self._wasi = fiber, wasi
        self._watch: Watch | None = None

    def poll(self, hand_over: HandOver | None = None) -> Poll:
        """As `fiber.Fiber.poll`. A guest that exits is Trapped(EXITED); one that declares types of WASI which the
        host's answers do not fit is Trapped(HOST)."""
        try:
            polled = self._poll(hand_over)
        except GuestExit as end:
            polled = Trapped(TrapReason.EXITED, str(end))
        except AbiError as error:
            polled = Trapped(TrapReason.HOST, error.message)
        if isinstance(polled, Returned | Trapped):
            self._wasi.close()
        return polled

    def _poll(self, hand_over: HandOver | None) -> Poll:
        wasi = self._wasi
        while True:
            if isinstance(wasi, ActivityGuest) and self._fiber.is_waiting:
                self._answer(wasi)
            polled = self._fiber.poll(hand_over)
            if not isinstance(polled, Waiting) or not isinstance(wasi, ActivityGuest) or not wasi.is_due():
                return polled

    def _answer(self, wasi: ActivityGuest) -> None:
        """Answer the call that was parked, if that can be done now."""
        try:
            answer = wasi.take_answer()
        except GuestTrap as trap:
            self._fiber.fail(trap)
            return
        if answer is not PENDING:
            self._fiber.resume(answer)

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, on the event loop, when polling may tell something new; called on the loop, after a
        poll that said Waiting. It is not called after `close`."""
        assert isinstance(self._wasi, ActivityGuest), "a workflow's waits are answered by its execution log"
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._wasi.watch(callback)

    def resume(self, value: JsonValue) -> None:
        """See `guest.Fiber`: the answer to a call that another handler left pending."""
        self._fiber.resume(value)

    def fail(self, trap: GuestTrap) -> None:
        """See `guest.Fiber`."""
        self._fiber.fail(trap)

    def interrupt(self) -> None:
        """See `guest.Fiber`; one that waits is told by its next poll too."""
        self._fiber.interrupt()

    def close(self) -> None:
        """See `guest.Fiber`. On the event loop when `when_ready` was called."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._fiber.close()
        self._wasi.close()

    @property
    def is_waiting(self) -> bool:
        """See `fiber.Fiber`."""
        return self._fiber.is_waiting

    @property
    def is_closed(self) -> bool:
        """See `fiber.Fiber`."""
        return self._fiber.is_closed


class WasiPrepared:
    """See `guest.Prepared`."""

    def __init__(self, prepared: instance.Prepared, new_guest: NewGuest) -> None:
        self._prepared, self._new_guest = prepared, new_guest

    def start(
        self, export: ExportFunction, args: Sequence[JsonValue], context: object, limits: Limits | None = None
    ) -> WasiFiber:
        """As `instance.Prepared.start`; `context` is handed to the handlers that are not WASI's."""
        wasi = self._new_guest(context)
        try:
            return WasiFiber(self._prepared.start(export, args, wasi, limits), wasi)
        except BaseException:
            wasi.close()
            raise


def prepare(
    compiled: Compiled,
    *,
    declared: Iterable[Interface],
    new_guest: NewGuest,
    exports: Sequence[ExportFunction],
    imports: Sequence[ImportFunction] = (),
    resources: Sequence[ImportResource] = (),
    calls: Calls = WITHOUT_HTTP,
    limits: Limits = _NO_LIMITS,
) -> WasiPrepared:
    """As `instance.prepare`, with our WASI for the `wasi:*` among `declared`, the component's own imports."""
    wasi = offer(declared, calls)
    prepared = instance.prepare(
        compiled,
        exports=[_export_of_owner(export) for export in exports],
        imports=(*(_for_owner(function) for function in imports), *wasi.functions),
        resources=(*(_resource_of_owner(resource) for resource in resources), *wasi.resources),
        renamed=wasi.renamed,
        limits=limits,
    )
    return WasiPrepared(prepared, new_guest)


def _for_owner(function: ImportFunction) -> ImportFunction:
    handler = function.handler

    def owned(wasi: WasiGuest, args: list[JsonValue]) -> JsonValue | Pending:
        return handler(wasi.owner, args)

    wrapped: Handler = owned
    return ImportFunction(
        interface=function.interface,
        function=function.function,
        handler=wrapped,
        waits=function.waits,
        bound=_bound_of_owner(function.bound),
    )


def _export_of_owner(export: ExportFunction) -> ExportFunction:
    return ExportFunction(interface=export.interface, function=export.function, bound=_bound_of_owner(export.bound))


def _bound_of_owner(bound: Bound) -> Bound:
    return lambda wasi: bound(wasi.owner)


def _resource_of_owner(resource: ImportResource) -> ImportResource:
    dropped = resource.dropped

    def owned(wasi: WasiGuest, rep: int) -> None:
        dropped(wasi.owner, rep)

    return ImportResource(interface=resource.interface, name=resource.name, dropped=owned)
