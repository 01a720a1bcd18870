"""A component as it came from somewhere, and the check of its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from obelisk.cli.errors import CommandError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A component's content, the name it would have, where it came from, and settings that came along, if any did."""

    name: str
    content: bytes
    origin: str
    settings: Mapping[str, object] | None = None


Held = Callable[[str], bytes | None]
"""The bytes of that digest (``sha256:…``) if they need not be fetched: they were deployed before."""


def nothing_held(digest: str) -> None:
    """Everything has to be fetched."""
    del digest


def verified(content: bytes, digest: str, what: str) -> bytes:
    """`content`, if `digest` (``sha256:…``, or empty: any) is its own; CommandError ``digest_mismatch``."""
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if digest and found != digest:
        raise CommandError(
            "digest_mismatch",
            f"{what} is not what was asked for: expected {digest}, found {found}",
            hint="it was changed, or the digest is of something else; nothing was deployed",
            expected=digest,
            found=found,
        )
    return content
