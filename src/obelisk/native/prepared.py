"""A component made of its source: bindings that ask the engine, and a fresh copy of the code for each call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from obelisk.codegen.emit.guest.layout import Guest
from obelisk.codegen.emit.guest.names import snake
from obelisk.codegen.model.items import Function, Interface
from obelisk.codegen.model.names import InterfaceName
from obelisk.native import library
from obelisk.native.bindings import Bindings
from obelisk.native.fiber import PATIENCE_S, NativeFiber, Observer, Senses, Unobserved, current
from obelisk.native.seats import Seats
from obelisk.native.senses import OfActivity, OfWorkflow
from obelisk.native.space import Files, Space
from obelisk.native.values import raises
from obelisk.runtime.ports.guest import (
    ExportFunction,
    GuestTrap,
    ImportFunction,
    ImportResource,
    JsonValue,
    Pending,
    TrapReason,
)
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.host_calls import HostCalls

_encode: Final = msgspec.json.encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The source of a component in Python. `entry` is the module that has its classes, in the first of `folders`;
    `guest` what its bindings have; `wasi` whether it has a clock and randomness; `environment` its variables."""

    name: str
    entry: str
    folders: tuple[Path, ...]
    guest: Guest
    wasi: bool = True
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


class TooLarge(GuestTrap):
    """A value is larger than the component may hand over."""

    reason = TrapReason.TOO_LARGE


class NativePrepared:
    """See `guest.Prepared`."""

    def __init__(
        self,
        program: Program,
        *,
        workflow: bool,
        imports: Sequence[ImportFunction],
        resources: Sequence[ImportResource],
        seats: Seats,
        observer: Observer | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        library.watch()
        self._program, self._workflow, self._seats = program, workflow, seats
        self._observer: Observer = observer or Unobserved()
        self._patience_s = patience_s
        self._files = Files(program.folders)
        self._imports = {(one.interface, one.function.export_name): one for one in imports}
        self._dropped = {(one.interface, one.name): one.dropped for one in resources}
        self._bindings = Bindings(program.guest, program.name)
        self._bindings.answer(self._asked)
        self._bindings.hold(self._drop)

    def observed(self, observer: Observer) -> NativePrepared:
        """The same component, anew, whose guests are told to another observer."""
        return NativePrepared(
            self._program,
            workflow=self._workflow,
            imports=tuple(self._imports.values()),
            resources=tuple(ImportResource(interface=i, name=n, dropped=d) for (i, n), d in self._dropped.items()),
            seats=self._seats,
            observer=observer,
            patience_s=self._patience_s,
        )

    def start(self, export: ExportFunction, args: Sequence[JsonValue], context: object) -> NativeFiber:
        """See `guest.Prepared`."""
        seed = [0]
        space = Space(
            base=self._bindings.space,
            files=self._files,
            replaced=library.replaced(self._program.environment, lambda: seed[0]),
            more={"print": _print, "breakpoint": _breakpoint},
        )
        fiber = NativeFiber(
            lambda: self._run(fiber, space, export, args, seed),
            context,
            space=space,
            seats=self._seats,
            senses=cast("Senses", None),
            observer=self._observer,
            is_own=self._files.own,
            is_workflow=self._workflow,
            patience_s=self._patience_s,
        )
        if isinstance(context, HostCalls):
            fiber.senses = OfWorkflow(context)
        else:
            assert isinstance(context, ActivityAttempt)
            fiber.senses = OfActivity(context, fiber.wake_in)
        return fiber

    def _run(
        self, fiber: NativeFiber, space: Space, export: ExportFunction, args: Sequence[JsonValue], seed: list[int]
    ) -> JsonValue:
        """The guest's whole run, on its thread."""
        if self._program.wasi:  # as in a component, whose first call seeds `random`: it is on record
            read = fiber.senses.random_bytes
            seed[0] = library.seed_of(fiber.sense(lambda: [read(size) for size in library.seed_parts()]))
        values, function = self._bindings.values, export.function
        method = self._method(space, export)
        lifted = values.lift_params(function, args)
        try:
            answer = method(*lifted)
        except self._bindings.err as error:
            if not raises(function):
                raise
            answer = error
        lowered = values.lower_result(function, answer)
        self._require_fit(export.bound(fiber.context), lowered, "the result")
        return cast("JsonValue", lowered)

    def _method(self, space: Space, export: ExportFunction) -> Callable[..., Any]:
        """What implements an export, in a fresh copy of the code."""
        interface = InterfaceName.parse(export.interface)
        module = space.load(self._program.entry)
        name = self._bindings.class_name(interface)
        class_ = getattr(module, name, None)
        if class_ is None:
            raise TypeError(f"{self._program.entry} has no class {name}, which is to implement {interface}")
        method = getattr(class_(), snake(export.function.name), None)
        if method is None:
            raise TypeError(f"{name} has no method {snake(export.function.name)}, which {interface} has")
        return cast("Callable[..., Any]", method)

    def _asked(self, interface: Interface, function: Function) -> Callable[..., Any]:
        """A function of the bindings that asks the engine."""
        shown = f"{interface.name}.{function.export_name}"
        answered = self._imports.get((str(interface.name), function.export_name))
        names, values = [snake(param.name) for param in function.params], self._bindings

        def ask(*args: Any, **named: Any) -> Any:
            fiber = current()
            if fiber is None:
                raise RuntimeError(f"{shown} is called where no guest runs")
            if answered is None:
                fiber.forbid(f"{shown} is not offered to code that runs natively")
                raise AssertionError("it was forbidden")
            given = [*args, *(named.pop(name) for name in names[len(args) :] if name in named)]
            if named or len(given) != len(names):
                raise TypeError(f"{shown} takes {len(names)} arguments: {', '.join(names) or 'none'}")
            lowered = values.values.lower_params(function, given)
            fiber_context = fiber.context
            self._require_fit(answered.bound(fiber_context), lowered, f"the arguments of {shown}")
            return values.values.lift_result(function, fiber.ask(answered.handler, lowered))

        return ask

    def _require_fit(self, bound: int, value: object, what: str) -> None:
        size = len(_encode(value))
        if size > bound:
            raise TooLarge(f"{what}: {size} bytes as JSON, at most {bound} are allowed")

    def _drop(self, interface: InterfaceName, resource: str, handle: int) -> None:
        """A handle is let go, perhaps by the collector, on whatever thread: tell the engine if its guest still runs."""
        fiber, dropped = current(), self._dropped.get((str(interface), resource))
        if fiber is not None and dropped is not None:
            dropped(fiber.context, handle)


def _print(
    *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
) -> None:
    """`print` of a guest: into the lines of its execution."""
    fiber = current()
    if fiber is None or (file is not None and file not in (sys.stdout, sys.stderr)):
        print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
    output = cast("Any", fiber.context).output

    def write() -> JsonValue | Pending:
        output.write(text.encode(errors="replace"), to_stderr=file is sys.stderr)
        return None

    fiber.sense(write)


def _breakpoint(*args: Any, **named: Any) -> None:
    """`breakpoint` of a guest: it may stand still as long as it will."""
    fiber = current()
    if fiber is not None:
        fiber.patience_s = 1e6
    sys.breakpointhook(*args, **named)
