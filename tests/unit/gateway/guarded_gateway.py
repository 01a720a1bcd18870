"""A gateway that needs tokens, and a token of each scope."""

from __future__ import annotations

import hashlib

from obelisk.gateway.auth.access import Access
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Issued, Scope, Tokens, issue


def made(scope: Scope, expires_at_us: int | None = None) -> Issued:
    random = hashlib.sha512(scope.word.encode()).digest()[:RANDOM_BYTES]
    return issue(scope.word, scope, random=random, now_us=0, expires_at_us=expires_at_us)


TOKENS = {scope: made(scope) for scope in Scope if scope is not Scope.PUBLIC}
KEPT = Tokens(tuple(issued.token for issued in TOKENS.values()))
GUARDED = Access(required=True, tokens=lambda: KEPT)


def bearer(scope: Scope) -> list[tuple[str, str | bytes]]:
    return [] if scope is Scope.PUBLIC else [("Authorization", f"Bearer {TOKENS[scope].secret}")]
