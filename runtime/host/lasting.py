"""An instance of a component that outlives its calls, and the resources in it that Python holds.

For bindings, whose handlers answer at once: a call runs on the caller's thread until the guest returns, without the
interpreter lock. (wasmtime drops a guest's resource only in a store that never yields, so a fiber cannot.) An interrupt
from the keyboard ends a guest that spins. A trap ends the instance.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from types import FrameType
from typing import Any, Final, Protocol, cast

from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.types import TypeDef
from obelisk.runtime.errors import FunctionNotFound
from obelisk.runtime.host.abi.crossing import WHOLE, Crossing
from obelisk.runtime.host.abi.lowering import release
from obelisk.runtime.host.errors import AbiError, Stopped
from obelisk.runtime.host.output import Capture
from obelisk.runtime.host.targets import Target
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.host.wasmtime.contexts import guest_of, guests, tokens
from obelisk.runtime.host.wasmtime.engine import Engine
from obelisk.runtime.host.wasmtime.natives import Natives
from obelisk.runtime.host.wasmtime.traps import classify
from obelisk.runtime.ports.guest import GuestTrap, Handler, Pending, Returned, Trapped, TrapReason

_OUTPUT_BYTES: Final = 64 * 1024


class Keeper(Protocol):
    """Gives numbers to the resources that come out of an instance, and knows them again."""

    def adopt(self, handle: GuestHandle, /) -> int:
        """The number of a resource that the guest has given away."""
        ...

    def find(self, number: int, /) -> GuestHandle | None:
        """The resource of that number, None for what is no component's."""
        ...

    def give_back(self, number: int, /) -> None:
        """The instance owns the resource of that number again."""
        ...


class GuestHandle:
    """A resource that a component implements, owned from outside. `resource` is its type."""

    __slots__ = ("_address", "_instance", "resource")

    def __init__(self, instance: LastingInstance, address: int, resource: TypeDef) -> None:
        self._instance, self._address, self.resource = instance, address, resource

    def address(self, instance: LastingInstance) -> int:
        """wasmtime's handle; `Stopped` when the resource is gone, `AbiError` when it lives in another instance."""
        if not self._address:
            raise Stopped(f"the resource {self.resource.name} was dropped or given away")
        if instance is not self._instance:
            raise AbiError(f"the resource {self.resource.name} lives in another instance")
        return self._address

    def forget(self) -> int:
        """The handle, 0 when it is gone already; nothing is held any more."""
        address, self._address = self._address, 0
        return address

    def drop(self) -> Trapped | None:
        """See `LastingInstance.drop`."""
        return self._instance.drop(self)


class LastingInstance:
    """Made by `instance.Prepared.lasting`; close it. Safe from any thread; calls are made one at a time."""

    def __init__(
        self,
        engine: Engine,
        natives: Natives,
        targets: Mapping[tuple[str, str], Target],
        context: object,
        keeper: Keeper,
        *,
        wasi: bool,
    ) -> None:
        """See `instance.Prepared.lasting`; nothing of the guest has run yet, see `start`."""
        self.context = context
        self._engine, self._natives, self._targets, self._keeper = engine, natives, targets, keeper
        self._token = next(tokens)
        engine.room.require()
        natives.enter(self._token)
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._raised: BaseException | None = None
        self._is_dead = self._is_closed = self._is_interrupted = False
        self._before: Callable[[int, FrameType | None], Any] | None = None
        self._functions: dict[tuple[str, str], ctypes.Array[ctypes.c_char]] = {}
        self._handles: set[GuestHandle] = set()
        self._moving: list[tuple[int, GuestHandle]] = []
        self._dropped: list[GuestHandle] = []
        self._instance = native.Instance()
        self._store = native.store_new(engine.raw.ptr(), self._token, 0)
        self._context = native.store_context(self._store)
        self.crossing = Crossing(self._context)
        self._output = Capture(_OUTPUT_BYTES) if wasi else None
        if self._output is not None:
            self._output.attach(self._context)
        native.store_on_deadline(self._store, _tick, self._token, native.NO_FINALIZER)
        native.context_set_deadline(self._context, 1)
        guests[self._token] = self

    def start(self, linker: int, component: int) -> Trapped | None:
        """Instantiate the component; what it trapped with. Raises what a handler raised."""
        with self._entered():
            address = ctypes.addressof(self._instance)
            error = self._run(lambda: native.instantiate_now(linker, self._context, component, address))
            return self._failed(error, instantiating=True) if error else None

    def call(self, key: tuple[str, str], args: Sequence[JsonValue]) -> Returned | Trapped:
        """Call an export, by interface and function, with `args` (canonical JSON form).

        Raises what a handler raised; `FunctionNotFound`, `AbiError` for wrong arguments, and `Stopped` when the
        instance has ended or is in a call of this very thread.
        """
        target = self._targets.get(key)
        if target is None:
            ffqn = ".".join(filter(None, key))
            raise FunctionNotFound(f"{ffqn} is not among the prepared exports of the component", ffqn=ffqn)
        with self._entered():
            if self._is_dead:
                raise Stopped("the instance has ended in a trap")
            try:
                image = self._lower(target, args)
            except GuestTrap as trap:
                return Trapped(trap.reason, str(trap))
            arguments = (ctypes.c_char * len(image)).from_buffer(image)
            result = (ctypes.c_char * native.VAL_SIZE)()
            function, count = self._function(key, target), len(image) // native.VAL_SIZE
            places = ctypes.addressof(function), ctypes.addressof(arguments), ctypes.addressof(result)
            wanted = target.signature.result_count
            try:
                error = self._run(
                    lambda: native.call_now(places[0], self._context, places[1], count, places[2], wanted)
                )
            finally:
                release(image)
            if error:
                return self._failed(error)
            try:
                return Returned(target.signature.lift_result(result.raw, self.crossing, self.context, WHOLE))
            except GuestTrap as trap:
                return Trapped(trap.reason, str(trap))
            finally:
                native.value_delete(places[2])

    def drop(self, handle: GuestHandle) -> Trapped | None:
        """Drop a resource inside the component, after the call under way on this thread; nothing when it is gone.

        Gives what the destructor trapped with; raises what a handler raised that it called.
        """
        if self._thread == threading.get_ident():
            self._dropped.append(handle)
            return None
        with self._entered(closing=True):
            return self._drop(handle)

    def close(self) -> None:
        """End the instance, and the resources in it without their destructors; idempotent."""
        with self._entered(closing=True):
            if self._is_closed:
                return
            self._is_dead = self._is_closed = True
            for handle in self._handles:
                native.guest_handle_delete(handle.forget())
            self._handles.clear()
            native.store_delete(self._store)
            self._natives.leave(self._token)
            if self._output is not None:
                self._output.detach()
            guests.pop(self._token, None)

    # --- from lifting and lowering, see `handles.GuestTypes` ---------------------------------------------------------
    def adopt(self, address: int, resource: TypeDef) -> int:
        """The number of a resource that the guest gives away, from its handle (which is copied)."""
        handle = GuestHandle(self, native.guest_handle_copy(address), resource)
        self._handles.add(handle)
        return self._keeper.adopt(handle)

    def handle(self, number: object, resource: TypeDef, *, owned: bool) -> int:
        """A new handle for the resource of a number, to be given or lent to the guest."""
        found = self._keeper.find(number) if type(number) is int else None
        if found is None:
            raise AbiError(f"expected a {resource.name} that the component made, not one of Python's")
        if any(handle is found for _, handle in self._moving):
            raise AbiError(f"the same {resource.name} is given away twice")
        address = found.address(self)
        if owned:
            self._moving.append((cast(int, number), found))
        return native.guest_handle_copy(address)

    # --- from callbacks ----------------------------------------------------------------------------------------------
    def answer(self, handler: Handler, args: list[JsonValue], /) -> JsonValue | Pending:
        """See `contexts.Guest`."""
        return handler(self.context, args)

    def refuse(self, raised: BaseException, /) -> int:
        """See `contexts.Guest`."""
        self._raised = raised
        return native.error_new(b"refused by the host")

    def tick(self) -> int:
        """The guest has run for a tick: 0, or the address of the error that ends it."""
        return native.error_new(b"interrupted") if self._is_interrupted else 0

    def _heed_interrupts(self) -> None:
        """During a call on the main thread a keyboard interrupt is noted where it would be lost: in the callback of a
        tick, the first one too."""
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._on_interrupt)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code is _TICK_CODE:
            self._is_interrupted = True
        elif self._before is not None:
            self._before(number, frame)

    @contextlib.contextmanager
    def _entered(self, *, closing: bool = False) -> Generator[None]:
        if self._thread == threading.get_ident():
            raise Stopped("the instance is in a call, and a component cannot be entered twice")
        with self._lock:
            if self._is_closed and not closing:
                raise Stopped("the instance was closed")
            self._thread = threading.get_ident()
            try:
                yield
                while self._dropped:
                    self._drop(self._dropped.pop())
            finally:
                self._thread = None

    def _run(self, enter: native.Entering) -> int | None:
        try:
            if self._engine.natives.is_closed:
                raise Stopped("the engine was closed")
            self._heed_interrupts()
            self._engine.ticker.enter(self._token)
            return enter()
        finally:
            self._engine.ticker.running.discard(self._token)
            before, self._before = self._before, None
            if before is not None:
                signal.signal(signal.SIGINT, before)
                if self._is_interrupted:
                    self._is_dead = True
                    before(signal.SIGINT, None)

    def _lower(self, target: Target, args: Sequence[JsonValue]) -> bytearray:
        try:
            image = target.signature.lower_args(args, self._context)
            for number, handle in self._moving:
                self._handles.discard(handle)
                native.guest_handle_delete(handle.forget())
                self._keeper.give_back(number)
        finally:
            self._moving.clear()
        return image

    def _function(self, key: tuple[str, str], target: Target) -> ctypes.Array[ctypes.c_char]:
        function = self._functions.get(key)
        if function is None:
            function = native.Func()
            found = native.get_func(
                ctypes.addressof(self._instance), self._context, target.plain.export, ctypes.addressof(function)
            )
            assert found, "the export was found when the component was prepared"
            self._functions[key] = function
        return function

    def _drop(self, handle: GuestHandle) -> Trapped | None:
        self._handles.discard(handle)
        address = handle.forget()
        if not address:
            return None
        try:
            if self._is_dead:
                return None
            error = self._run(lambda: native.guest_handle_drop(self._context, address))
        finally:
            native.guest_handle_delete(address)
        return self._failed(error) if error else None

    def _failed(self, error: int, *, instantiating: bool = False) -> Trapped:
        self._is_dead = True
        trapped = classify(error, instantiating=instantiating)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            if isinstance(raised, GuestTrap):
                return Trapped(raised.reason, str(raised), trapped.backtrace)
            raise raised
        if trapped.reason is TrapReason.NO_ROOM:
            self._engine.room.refused(trapped.message)
            raise self._engine.room.refusal(begun=True)
        return trapped


def lasting_of(context: int) -> LastingInstance:
    """The instance whose wasmtime Store this is."""
    return cast(LastingInstance, guest_of(context))


def _on_tick(context: int, _data: int, ticks: int, _kind: int) -> int:
    """The callback of each tick while a guest runs."""
    ctypes.c_uint64.from_address(ticks).value = 1
    return lasting_of(context).tick()


_TICK_CODE: Final = _on_tick.__code__
_tick: Final = native.OnDeadline(_on_tick)
