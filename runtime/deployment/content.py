"""What is deployed of a file: the binary of a component, or the canonical text of one that is WIT alone. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from obelisk.runtime.catalog.settings import CODELESS, ComponentKind
from obelisk.runtime.catalog.wit_text import canonical, is_wit
from obelisk.runtime.errors import ComponentError

_CODELESS: Final = frozenset(kind.value for kind in CODELESS)


def is_codeless(kind: str) -> bool:
    """Whether a component of that kind, as its settings name it, has no code that is run."""
    return kind in _CODELESS


def _is_right(content: bytes) -> bool:
    """Whether it is WIT without a mistake: any text looks like WIT, and may have been meant as something else."""
    try:
        canonical(content)
    except ComponentError:
        return False
    return True


def content_of(content: bytes, kind: str, to_binary: Callable[[bytes], bytes]) -> bytes:
    """What is stored and has the digest. `to_binary` makes a binary of component text. ComponentError."""
    if is_wit(content) and is_codeless(kind):
        return canonical(content)
    if is_wit(content) and _is_right(content):
        hint = 'deploy it with kind = "external" (workers run it) or "stub" (its results are set from outside)'
        raise ComponentError(f"this is WIT, which has no code: {hint}")
    if kind == ComponentKind.EXTERNAL.value:
        raise ComponentError("an external component is WIT alone: give its .wit file or the folder of its package")
    return to_binary(content)
