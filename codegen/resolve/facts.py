"""What the rules need to know of a type, computed once when it is declared, so that no rule walks a type again.

A type may be used many times inside others: written out in full it can be exponentially larger than its text. Readers
of the model walk types as trees, so depth and written-out size are limited here (``type-too-large``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from obelisk.codegen.model.types import (
    BorrowType,
    OwnType,
    ResourceType,
    Type,
    TypeDef,
    parts,
)

MAX_DEPTH: Final = 200
MAX_SIZE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a type: levels inside one another, parts when written out, whether it holds a borrow or is a resource.

    `has_large` tells that a definition inside passes a limit already.
    """

    depth: int
    size: int
    has_borrow: bool
    is_resource: bool
    has_large: bool = False

    @property
    def is_too_large(self) -> bool:
        """Whether it passes a limit."""
        return self.depth > MAX_DEPTH or self.size > MAX_SIZE


_LEAF: Final = Facts(1, 1, False, False)
_BORROW: Final = Facts(1, 1, True, False)
_RESOURCE: Final = Facts(1, 1, False, True)


@dataclass(slots=True)
class FactTable:
    """The facts of all type definitions, by identity (comparing them would walk them)."""

    _known: dict[int, tuple[TypeDef, Facts]] = field(default_factory=dict[int, "tuple[TypeDef, Facts]"])

    def record(self, typedef: TypeDef) -> Facts:
        """Compute and keep the facts of a definition whose parts are recorded.

        In what is returned `has_large` is about its parts only: one that is too large and has no such part is first.
        """
        facts = self.of(typedef.body)
        facts = replace(facts, depth=facts.depth + 1, size=facts.size + 1)
        known = replace(facts, has_large=facts.is_too_large)
        self._known[id(typedef)] = (typedef, known)
        return facts

    def of(self, type_: Type) -> Facts:
        """The facts of any type; a definition from elsewhere is recorded on the way."""
        match type_:
            case TypeDef():
                known = self._known.get(id(type_))
                if known is None:
                    self.record(type_)
                    known = self._known[id(type_)]
                return known[1]
            case BorrowType():
                return _BORROW
            case ResourceType():
                return _RESOURCE
            case OwnType():
                return _LEAF
            case _:
                inside = [self.of(part) for part in parts(type_)]
                if not inside:
                    return _LEAF
                return Facts(
                    1 + max(facts.depth for facts in inside),
                    # Past the limit it no longer matters how far.
                    min(1 + sum(facts.size for facts in inside), MAX_SIZE + 1),
                    any(facts.has_borrow for facts in inside),
                    False,
                    any(facts.has_large for facts in inside),
                )
