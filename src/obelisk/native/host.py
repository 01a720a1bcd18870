"""`ports.guest.Host` for components of which the source is known; other binaries go to another host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from obelisk.codegen.model.items import Interface, World, WorldInterface
from obelisk.native.fiber import PATIENCE_S, Observer
from obelisk.native.prepared import NativePrepared, Program
from obelisk.native.seats import Seats
from obelisk.runtime.catalog.description import Description, describe, digest_of
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.ports.access import NO_ACCESS, Access
from obelisk.runtime.ports.guest import (
    DEFAULT_LIMITS,
    ExportFunction,
    Host,
    ImportFunction,
    ImportResource,
    Limits,
    Prepared,
)

_MAGIC: Final = b"\0obelisk-native\n"


class _Text(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for a binary: all that the component is made of, as digests."""

    name: str
    wit: str
    files: dict[str, str]


class NativeHost:
    """Deploys programs next to binaries, which go to `others`, made when one comes along. `offer` gives what stands for
    the binary of a program."""

    def __init__(
        self,
        others: Callable[[], Host] | None = None,
        *,
        observer: Observer | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._make_others, self._observer, self._patience_s = others, observer, patience_s
        self._others: Host | None = None
        self._programs: dict[bytes, tuple[Program | None, Description]] = {}
        self._seats = Seats()

    def offer(self, name: str, world: World, files: Sequence[Path], program: Program | None) -> bytes:
        """Know a program, made of `files`; what to deploy. Its digest changes with its source and its world.

        None: there is no code for it here, what it exports is answered otherwise (`is_hollow`).
        """
        text = _Text(
            name=name,
            wit=repr((world.imports, world.exports)),
            files={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        )
        content = _MAGIC + msgspec.json.encode(text)
        self._programs[content] = program, _description(content, world)
        return content

    def is_hollow(self, binary: bytes) -> bool:
        """Whether a component was offered without code."""
        return binary in self._programs and self._programs[binary][0] is None

    def describe(self, binary: bytes, *, stub: bool = False) -> Description:
        """As `description.describe`, of programs too. ComponentError."""
        if not binary.startswith(_MAGIC):
            return describe(binary, stub=stub)
        if binary not in self._programs:
            raise ComponentError("it ran natively from a source that is not here any more")
        return self._programs[binary][1]

    def to_binary(self, source: bytes) -> bytes:
        """See `guest.Host`."""
        return source if source.startswith(_MAGIC) else self._other.to_binary(source)

    def prepare(
        self,
        binary: bytes,
        *,
        workflow: bool,
        declared: Sequence[Interface],
        exports: Sequence[ExportFunction],
        imports: Sequence[ImportFunction],
        resources: Sequence[ImportResource],
        access: Access = NO_ACCESS,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Prepared:
        """See `guest.Host`."""
        program = self._programs[binary][0] if binary in self._programs else None
        if program is None:
            return self._other.prepare(
                binary,
                workflow=workflow,
                declared=declared,
                exports=exports,
                imports=imports,
                resources=resources,
                access=access,
                limits=limits,
            )
        return NativePrepared(
            program,
            workflow=workflow,
            imports=imports,
            resources=resources,
            seats=self._seats,
            observer=self._observer,
            patience_s=self._patience_s,
        )

    @property
    def _other(self) -> Host:
        if self._others is None:
            if self._make_others is None:
                raise ComponentError("components that are built are not run here")
            self._others = self._make_others()
        return self._others

    def close(self) -> None:
        """See `guest.Host`."""
        self._seats.close()
        if self._others is not None:
            self._others.close()


def _description(content: bytes, world: World) -> Description:
    """What a component with this world says of itself."""
    imports = [item.interface for item in world.imports if isinstance(item, WorldInterface)]
    exports = [item.interface for item in world.exports if isinstance(item, WorldInterface)]
    return Description(
        digest=digest_of(content),
        imports=tuple(one for one in imports if not one.inline_name),
        exports=tuple(one for one in exports if not one.inline_name),
        plain_imports=(),
    )
