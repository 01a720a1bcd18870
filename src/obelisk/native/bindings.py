"""One copy of the package `wit_world` that guests import: its classes, and functions that ask the guest's host.

`obelisk gen --only guest` writes the same text; its functions raise NotImplementedError there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final, cast

from obelisk.codegen.emit.guest.annotations import VALUES
from obelisk.codegen.emit.guest.layout import EXPORTS, IMPORTS, ROOT, Guest, is_bound
from obelisk.codegen.emit.guest.names import camel, snake
from obelisk.codegen.emit.guest.package import guest_package
from obelisk.codegen.model.items import Function, FunctionKind, Interface
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import ResourceType, TypeDef, definition
from obelisk.native.space import Source, Space, source_of_text
from obelisk.native.values import Converters

_STAMP: Final = "# Made from WIT by obelisk, for code that runs natively."


class Bindings:
    """See the module's text; `values` converts with its classes. `label` tells copies apart in tracebacks."""

    def __init__(self, guest: Guest, label: str) -> None:
        self.guest = guest
        self.space = Space(sources=sources(guest, label))
        with self.space.installed():
            for name in self.space_names():
                self.space.load(name)
        values = self.space.load(VALUES)
        self.ok, self.err, self.some = values.Ok, values.Err, values.Some
        self.values = Converters(self)

    def space_names(self) -> list[str]:
        """All modules of the package."""
        guest = self.guest
        inside = [f"{ROOT}.{IMPORTS}.{guest.import_names[i.name]}" for i in guest.imports]
        outside = [f"{ROOT}.{EXPORTS}.{guest.export_names[i.name]}" for i in guest.exports]
        sides = [f"{ROOT}.{IMPORTS}"] * bool(inside) + [f"{ROOT}.{EXPORTS}"] * bool(outside)
        return [VALUES, ROOT, *sides, *inside, *outside]

    def of(self, type_: TypeDef) -> Any:
        """See `values.Classes`."""
        return getattr(self._home(type_), camel(definition(type_).name))

    def case(self, type_: TypeDef, name: str) -> Any:
        """See `values.Classes`."""
        return getattr(self._home(type_), f"{camel(definition(type_).name)}_{camel(name)}")

    def _home(self, type_: TypeDef) -> ModuleType:
        home = self.guest.home(definition(type_).owner)
        return self.space.load(ROOT if home is None else f"{ROOT}.{home[0]}.{home[1]}")

    def module(self, interface: InterfaceName) -> ModuleType | None:
        """The module of an interface that is imported."""
        name = self.guest.import_names.get(interface)
        return None if name is None else self.space.load(f"{ROOT}.{IMPORTS}.{name}")

    def class_name(self, interface: InterfaceName) -> str:
        """What the author's class is called that implements an interface."""
        return camel(self.guest.export_names[interface])

    def functions(self) -> Iterator[tuple[Interface, Function, Callable[..., Any]]]:
        """Every function that is called, as it stands in the package, with what it is in WIT."""
        for interface in self.guest.imports:
            module = self.module(interface.name)
            for function in interface.functions:
                if is_bound(function) and function.kind is FunctionKind.FREE:
                    yield interface, function, getattr(module, snake(function.name))

    def answer(self, asked: Callable[[Interface, Function], Callable[..., Any]]) -> None:
        """Put functions that ask in place of those without a body: `asked` makes them of a function in WIT."""
        for interface in self.guest.imports:
            module = self.module(interface.name)
            for function in filter(is_bound, interface.functions):
                made = asked(interface, function)
                made.__name__ = made.__qualname__ = snake(function.name)
                made.__module__ = f"{ROOT}.{IMPORTS}.{self.guest.import_names[interface.name]}"
                match function.kind:
                    case FunctionKind.FREE:
                        setattr(module, snake(function.name), made)
                    case FunctionKind.STATIC:
                        setattr(getattr(module, camel(function.resource)), snake(function.name), staticmethod(made))
                    case FunctionKind.CONSTRUCTOR:
                        getattr(module, camel(function.resource)).__init__ = _constructor(made)
                    case _:
                        setattr(getattr(module, camel(function.resource)), snake(function.name), made)

    def hold(self, dropped: Callable[[InterfaceName, str, int], None]) -> None:
        """Let the classes of resources hold handles; `dropped(interface, resource, handle)` when one is let go."""
        for interface in self.guest.imports:
            module = self.module(interface.name)
            for type_ in interface.types:
                if isinstance(type_.body, ResourceType):
                    _hold(cast("type[Any]", getattr(module, camel(type_.name))), interface.name, type_.name, dropped)


def sources(guest: Guest, label: str) -> dict[str, Source]:
    """The package's modules by name."""
    made: dict[str, Source] = {}
    for path, text in guest_package(guest, _STAMP).items():
        name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        is_package = path.endswith("__init__.py")
        made[name] = source_of_text(text, f"<{label}: {path}>", is_package=is_package)
    return made


def _constructor(made: Callable[..., Any]) -> Callable[..., None]:
    def initialise(self: Any, *args: Any) -> None:
        self._handle = made(*args)._handle

    return initialise


def _hold(
    class_: type[Any], interface: InterfaceName, resource: str, dropped: Callable[[InterfaceName, str, int], None]
) -> None:
    """A handle counts as long as its object is there, or until it was handed over or released."""

    def of_handle(handle: int) -> Any:
        made: Any = object.__new__(class_)
        made._handle = handle
        return made

    def hand_over(self: Any, is_own: bool) -> int:
        handle = self._handle
        if is_own:
            self._handle = None
        return cast("int", handle)

    def release(self: Any, *_: object) -> None:
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            dropped(interface, resource, handle)

    class_._of_handle = staticmethod(of_handle)
    class_._hand_over = hand_over
    class_.__exit__ = release
    class_.__del__ = release
