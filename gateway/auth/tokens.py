"""Bearer tokens: made once, kept as hashes, compared in constant time. Pure.

A token is ``obk_ID_SECRET``: the id finds the record, the secret is 256 random bits. Only the SHA-256 of the whole text
is kept; with that much randomness a slow hash would add nothing. Scopes include one another: who may administer may
submit and work, who may submit may read. Who may work may do that alone.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec

RANDOM_BYTES: Final = 40
"""How many random bytes a new token needs."""

_ID_BYTES: Final = 8
_FORM: Final = re.compile(r"obk_([0-9a-f]{16})_[A-Za-z0-9_-]{43}\Z")
_NOBODY: Final = hashlib.sha256(b"").hexdigest()


class Scope(enum.Enum):
    """What the holder of a token may do. PUBLIC is what needs no token."""

    PUBLIC = 0
    READ = 1
    SUBMIT = 2
    ADMIN = 3
    WORK = 4

    def allows(self, needed: Scope) -> bool:
        """Whether the holder may do what needs a scope."""
        if self is Scope.WORK or needed is Scope.WORK:
            return needed in (self, Scope.PUBLIC) or self is Scope.ADMIN
        return bool(self._value_ >= needed._value_)  # what `value` gives, which is a call of Python

    @property
    def word(self) -> str:
        """Its name as it is written: ``read``."""
        return self.name.lower()


SCOPES: Final[Mapping[str, Scope]] = {
    scope.word: scope for scope in (Scope.READ, Scope.SUBMIT, Scope.WORK, Scope.ADMIN)
}
"""The scopes a token may have, by the word they are written as."""


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a token. `digest` is the SHA-256 of its text in hexadecimal; `expires_at_us` None: never."""

    id: str
    name: str
    scope: str
    digest: str
    created_at_us: int
    expires_at_us: int | None = None

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ValueError(f"scope: expected one of {', '.join(SCOPES)}")

    @property
    def shown(self) -> str:
        """What its holder is called: its name, its id when it has none."""
        return self.name or self.id

    def is_valid(self, now_us: int) -> bool:
        """Whether it has not expired."""
        return self.expires_at_us is None or now_us < self.expires_at_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token: its record, and the text that its holder gets, which is not kept."""

    token: Token
    secret: str


def issue(name: str, scope: Scope, *, random: bytes, now_us: int, expires_at_us: int | None = None) -> Issued:
    """Make a token of `RANDOM_BYTES` random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a token is made of {RANDOM_BYTES} random bytes")
    token_id = random[:_ID_BYTES].hex()
    secret = f"obk_{token_id}_{base64.urlsafe_b64encode(random[_ID_BYTES:]).decode().rstrip('=')}"
    token = Token(
        id=token_id,
        name=name,
        scope=scope.word,
        digest=_digest(secret),
        created_at_us=now_us,
        expires_at_us=expires_at_us,
    )
    return Issued(token=token, secret=secret)


@dataclass(frozen=True)
class Tokens:
    """A set of tokens."""

    items: tuple[Token, ...] = ()

    def holder(self, text: str, now_us: int) -> Token | None:
        """The valid token of that text, or None. It takes as long whether the id is known or not."""
        form = _FORM.match(text)
        token = None if form is None else self._by_id.get(form[1])
        same = hmac.compare_digest(_digest(text), _NOBODY if token is None else token.digest)
        return token if token is not None and same and token.is_valid(now_us) else None

    def with_token(self, token: Token) -> Tokens:
        """These and one more."""
        return Tokens((*self.items, token))

    def without(self, token_id: str) -> Tokens:
        """These but for the one of that id."""
        return Tokens(tuple(token for token in self.items if token.id != token_id))

    @cached_property
    def _by_id(self) -> Mapping[str, Token]:
        return {token.id: token for token in self.items}


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    tokens: tuple[Token, ...]


def encode(tokens: Iterable[Token]) -> bytes:
    """The text of a token file."""
    return msgspec.json.format(msgspec.json.encode(_File(version=1, tokens=tuple(tokens)))) + b"\n"


def decode(text: bytes) -> Tokens:
    """The tokens of a file's text; ValueError says what is wrong."""
    file = msgspec.json.decode(text, type=_File)  # its errors are ValueErrors
    if file.version != 1:
        raise ValueError(f"version {file.version} is none of this program")
    return Tokens(file.tokens)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
