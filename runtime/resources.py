"""Resources in generated bindings: Python objects behind the handles that pass between Python and components.

Implement an imported resource by a subclass of its generated class, which is a `Resource`: it works in a ``with``
statement. A resource that a component implements is a `GuestObject` of the same class; leave it, in a ``with``
statement or otherwise, to drop it inside the component. `Handles` are the numbers by which both cross the seam. Pure.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Protocol, Self

from obelisk.runtime.values import Caller


class Resource(Protocol):
    """Base of all generated resource classes: what every resource can do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The resource is not needed any more: a component has dropped it, or a ``with`` statement has ended."""
        return None  # a default, where an empty body would mean an abstract method


class Held(abc.ABC):
    """A resource that lives in an instance of a component, as the host holds it from outside."""

    caller: Caller
    """The instance."""
    interface: str
    """The exported interface that declares the resource."""

    @abc.abstractmethod
    def drop(self) -> None:
        """Drop the resource inside the component; nothing when it is gone already."""


class GuestObject(Resource):
    """Base of generated classes for resources that a component implements; methods call the instance it lives in.

    `held_` is what the host holds. (No method from WIT has that name.)
    """

    def __init__(self, held: Held, handles: Handles) -> None:
        self.held_, self._handles = held, handles
        self._caller, self._interface = held.caller, held.interface

    def __exit__(self, *_: object) -> None:
        self.held_.drop()


class Handles:
    """Resources by the numbers under which they cross between Python and components.

    Generated handlers and callers that share a component share this too. An object that Python gives away is kept until
    the component drops it, gives it back, or its instance ends; the first and the last leave it as a ``with`` statement
    would. Safe from any thread.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._held: dict[int, _Entry] = {}
        self._given: ContextVar[list[int] | None] = ContextVar("given", default=None)

    def give(self, resource: Any) -> int:
        """The number of an object whose owner the other side will be."""
        return self._hold(_Entry(resource, owned=True))

    def lend(self, resource: Any) -> int:
        """The number of an object that a component may use for the call under way."""
        return self._hold(_Entry(resource, owned=False))

    def of(self, number: int) -> Any:
        """The object of a number; LookupError when there is none."""
        return self._held[number].resource

    def take(self, number: int, wrap: Callable[[Held, Handles], Any] | None = None) -> Any:
        """The object that a component gives, its own ones wrapped; LookupError when there is none of that number."""
        resource = self._held.pop(number).resource
        return wrap(resource, self) if wrap is not None and isinstance(resource, Held) else resource

    def component_own(self, number: int) -> Held | None:
        """What the host holds of a component's own resource; None when Python implements that of this number."""
        entry = self._held.get(number)
        resource = None if entry is None else entry.resource
        resource = resource.held_ if isinstance(resource, GuestObject) else resource
        return resource if isinstance(resource, Held) else None

    def drop(self, number: int) -> None:
        """The owner has dropped the object, or is gone."""
        entry = self._held.pop(number, None)
        if entry is not None and entry.owned:
            entry.leave()

    def call(self) -> HandlesOfCall:
        """Around a call into a component: what is not kept at its end goes then. Inner calls end with the outer."""
        return HandlesOfCall(self, self._given)

    def keep(self, owner: object) -> None:
        """What the call under way has given away stays until `leave` of that owner, unless it is dropped before."""
        for number in self._given.get() or ():
            entry = self._held.get(number)
            # One that a component has just given away is for its taker.
            if entry is not None and entry.owned and not isinstance(entry.resource, Held):
                entry.owner = owner

    def leave(self, owner: object) -> None:
        """An owner is gone, and all it still has with it."""
        for number in [number for number, entry in list(self._held.items()) if entry.owner is owner]:
            self.drop(number)

    @property
    def held(self) -> int:
        """How many objects are on the other side."""
        return len(self._held)

    def end_of_call(self, given: list[int]) -> None:
        """Of these numbers those go that are not kept."""
        for number in given:
            entry = self._held.get(number)
            if entry is not None and entry.owner is None:
                self.drop(number)

    def _hold(self, entry: _Entry) -> int:
        number = next(self._numbers)
        self._held[number] = entry
        given = self._given.get()
        if given is not None:
            given.append(number)
        return number


class _Entry:
    __slots__ = ("owned", "owner", "resource")

    def __init__(self, resource: Any, *, owned: bool) -> None:
        self.resource, self.owned = resource, owned
        self.owner: object = None

    def leave(self) -> None:
        if isinstance(self.resource, Held):
            self.resource.drop()
            return
        leave: Any = getattr(self.resource, "__exit__", None)
        if leave is not None:
            leave(None, None, None)


class HandlesOfCall:
    """See `Handles.call`."""

    def __init__(self, handles: Handles, given: ContextVar[list[int] | None]) -> None:
        self._handles, self._given = handles, given
        self._before: Token[list[int] | None] | None = None

    def __enter__(self) -> None:
        if self._given.get() is None:
            self._before = self._given.set([])

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            given = self._given.get() or []
            self._given.reset(self._before)
            self._handles.end_of_call(given)
