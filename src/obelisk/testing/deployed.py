"""The components of a test: native ones, built ones, and functions that something else stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from obelisk.native.host import NativeHost
from obelisk.native.prepared import NativePrepared
from obelisk.runtime.ports.guest import ExportFunction, Fiber, GuestTrap, JsonValue, Prepared
from obelisk.testing.errors import NoAnswer
from obelisk.testing.replacing import Broke, StandIn


class Answers(Protocol):
    """Who knows what stands for functions, and hears what went wrong."""

    @property
    def stand_ins(self) -> Mapping[str, StandIn]:
        """By the names of the functions."""
        ...

    @property
    def broke(self) -> Broke:
        """The test fails."""
        ...


class KitHost:
    """See `guest.Host`: asks `answers` first for each call, then the component itself."""

    def __init__(self, native: NativeHost, answers: Answers) -> None:
        self._native, self._answers = native, answers

    def to_binary(self, source: bytes) -> bytes:
        """See `guest.Host`."""
        return self._native.to_binary(source)

    def prepare(self, binary: bytes, **how: Any) -> Prepared:
        """See `guest.Host`."""
        inner = None if self._native.is_hollow(binary) else self._native.prepare(binary, **how)
        return KitPrepared(inner, self._answers)

    def close(self) -> None:
        """See `guest.Host`."""
        self._native.close()


class KitPrepared:
    """See `guest.Prepared`; `inner` None: the component has no code here."""

    def __init__(self, inner: Prepared | None, answers: Answers) -> None:
        self.inner, self._answers = inner, answers

    @property
    def native(self) -> NativePrepared | None:
        """The component, if it runs natively."""
        return self.inner if isinstance(self.inner, NativePrepared) else None

    def start(self, export: ExportFunction, args: Sequence[JsonValue], context: object) -> Fiber:
        """See `guest.Prepared`."""
        ffqn = f"{export.interface}.{export.function.name}"
        stand_in = self._answers.stand_ins.get(ffqn)
        if stand_in is not None:
            return stand_in.start(args, self._answers.broke)
        if self.inner is None:
            error = NoAnswer(f"{ffqn} was called, and nothing answers it here: replace it with `world.replace(…)`")
            self._answers.broke(error)
            raise GuestTrap(str(error))
        return self.inner.start(export, args, context)
