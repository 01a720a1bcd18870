"""Finds the values of secrets in what a server answers, however they are written there, and puts placeholders in place.

A value is found as it is, with any of its characters escaped as in URLs, JSON, HTML or Python, in base64 of both
alphabets wherever it begins there, and in hexadecimal digits. One expression has all of that; RE2 looks
for it in time in proportion to the answer. Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, TypeAlias

from obelisk.runtime.host.wasi.http.secrets import Secret
from obelisk.runtime.patterns import Finder, finder

_Form: TypeAlias = "tuple[bytes, ...]"
"""One way to write a symbol: an expression for each of its bytes."""
_Symbol: TypeAlias = "tuple[_Form, ...]"
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NAMED: Final = {"&": b"amp", "<": b"lt", ">": b"gt", '"': b"quot", "'": b"apos"}
_SHORT: Final = {"\t": b"t", "\b": b"b", "\f": b"f"}
MAX_VALUE: Final = 4096
"""The bytes of the largest value that is looked for: some larger ones make expressions that RE2 does not compile."""
_CACHED: Final = 64


class Scrubber:
    """Puts placeholders back into a stream of bytes: values are found across its parts."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        longest_first = sorted(secrets, key=lambda secret: -len(secret.value))  # one may be the begin of another
        self._strainers = [_Strainer(search_for(secret.value), secret.placeholder) for secret in longest_first]

    def text(self, data: bytes) -> bytes:
        """A text that is whole."""
        for strainer in self._strainers:
            data = strainer.search.replaced(data, strainer.placeholder)
        return data

    def line(self, text: str) -> str:
        """The same for a text for people."""
        return self.text(text.encode(errors="replace")).decode(errors="replace") if self._strainers else text

    def feed(self, data: bytes) -> bytes:
        """What is certain after the next part: what may be the begin of a value is held back."""
        for strainer in self._strainers:
            data = strainer.feed(data)
        return data

    def end(self) -> bytes:
        """What was held back until now."""
        rest = b""
        for strainer in self._strainers:
            rest = strainer.feed(rest) + strainer.end()
        return rest


class Search:
    """Finds one value. `_begun` finds also what may be its begin at the end of a text."""

    def __init__(self, value: bytes) -> None:
        writings = tuple(_writings(value))
        self._whole, self._begun = finder(_any(map(_whole, writings))), finder(_any(map(_begun, writings)))

    def replaced(self, data: bytes, placeholder: bytes) -> bytes:
        """A text that is whole."""
        return _replaced(self._whole, data, len(data), placeholder)

    def certain(self, data: bytes, placeholder: bytes) -> tuple[bytes, bytes]:
        """A text that goes on: what is certain of it, and what is to be seen again with what follows."""
        at = 0
        while (found := self._begun.find(data, at)) is not None:
            begin, at = found
            if at == len(data) and not self._whole.is_whole(data[begin:]):
                return _replaced(self._whole, data, begin, placeholder), data[begin:]
        return _replaced(self._whole, data, len(data), placeholder), b""


def _replaced(whole: Finder, data: bytes, end: int, placeholder: bytes) -> bytes:
    data, parts, at = data[:end], list[bytes](), 0
    while (found := whole.find(data, at)) is not None:
        parts += data[at : found[0]], placeholder
        at = found[1]
    return b"".join((*parts, data[at:])) if parts else data


class _Strainer:
    """A stream without one value."""

    def __init__(self, search: Search, placeholder: bytes) -> None:
        self.search, self.placeholder = search, placeholder
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        certain, self._held = self.search.certain(self._held + data, self.placeholder)
        return certain

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return self.search.replaced(held, self.placeholder)


@lru_cache(maxsize=_CACHED)
def search_for(value: bytes) -> Search:
    """What finds a value, of at most `MAX_VALUE` bytes."""
    return Search(value)


# --- expressions ------------------------------------------------------------------------------------------------------
def _any(expressions: Iterable[bytes]) -> bytes:
    return b"(?:" + b"|".join(expressions) + b")"


def _whole(symbols: Sequence[_Symbol]) -> bytes:
    return b"".join(_any(map(b"".join, forms)) for forms in symbols)


def _begun(symbols: Sequence[_Symbol]) -> bytes:
    """The same, and all that may be the begin of it at the end of a text: each byte but the first may be its end."""
    first, *others = (tuple(map(_cut, forms)) for forms in symbols)
    return b"".join((_any(first), *(_any((*forms, rb"\z")) for forms in others)))


def _cut(form: _Form) -> bytes:
    first, *others = form
    return first + b"".join(b"(?:" + atom + rb"|\z)" for atom in others)


def _atom(byte: int) -> bytes:
    return b"\\x%02x" % byte


def _exactly(text: bytes) -> _Form:
    return tuple(map(_atom, text))


def _digits(text: bytes) -> _Form:
    """Hexadecimal digits, of either case."""
    return tuple(b"[%c%c]" % (digit, digit - 32) if digit >= ord("a") else _atom(digit) for digit in text)


# --- how values are written -------------------------------------------------------------------------------------------
def _writings(value: bytes) -> Iterator[tuple[_Symbol, ...]]:
    """All that a value may look like, each as what must follow one another."""
    try:
        yield tuple(map(_escaped, value.decode()))
    except UnicodeDecodeError:
        yield tuple(_in_bytes(bytes([byte])) for byte in value)
    for before in range(3):
        yield tuple(_in_base64(value, before))
    yield tuple((_digits(b"%02x" % byte),) for byte in value)


def _in_bytes(text: bytes) -> _Symbol:
    """Escaped byte by byte, once or twice in URLs; the longest first."""
    in_url = tuple(chain.from_iterable((_atom(0x25), *_digits(b"%02x" % byte)) for byte in text))
    twice = tuple(chain.from_iterable((*_exactly(b"%25"), *_digits(b"%02x" % byte)) for byte in text))
    quoted = tuple(chain.from_iterable((*_exactly(b"\\x"), *_digits(b"%02x" % byte)) for byte in text))
    return twice, in_url, quoted, _exactly(text)


def _in_json(character: str) -> _Form:
    units = character.encode("utf-16-be").hex().encode()
    return tuple(
        chain.from_iterable((*_exactly(b"\\u"), *_digits(units[at : at + 4])) for at in range(0, len(units), 4))
    )


def _escaped(character: str) -> _Symbol:
    *escapes, plain = _in_bytes(character.encode())
    if character.isascii() and character.isalnum():
        return (*escapes, _in_json(character), plain)
    point = ord(character)
    in_html = [(*_exactly(b"&#x"), *_digits(b"%x" % point), _atom(0x3B)), _exactly(b"&#%d;" % point)]
    if character in _NAMED:
        in_html.append(_exactly(b"&" + _NAMED[character] + b";"))
    others = [_exactly(b"\\" + _SHORT.get(character, character.encode()))]
    if character == "'":
        in_html.append(_exactly(b"&#039;"))
    if character == " ":
        others.append(_exactly(b"+"))
    return (*escapes, _in_json(character), *in_html, *others, plain)


def _in_base64(value: bytes, before: int) -> Iterator[_Symbol]:
    """The digits of base64 that have bits of `value`, with so many other bytes of its first three before it."""
    bits = 8 * (before + len(value))
    text = base64.b64encode(bytes(before) + value)
    first, shared = {0: (0, 0), 1: (1, 2), 2: (2, 4)}[before]
    for place in range(first, -(-bits // 6)):
        digit = _ALPHABET.index(text[place])
        high = shared if place == first else 0  # so many bits are of what stands before
        low = max(0, 6 * (place + 1) - bits)  # and so many of what follows
        mask = (0x3F >> high) & (0x3F << low)
        yield _one_of([other for other in range(64) if other & mask == digit & mask])


def _one_of(digits: Sequence[int]) -> _Symbol:
    """One of these digits; the last two, which URLs have others for, may be escaped."""
    plain, forms = bytes(_ALPHABET[digit] for digit in digits if digit < 62), list[_Form]()
    for digit, others in ((62, b"-"), (63, b"_")):
        if digit in digits:
            sign = chr(_ALPHABET[digit])
            twice, in_url, _, same = _in_bytes(sign.encode())
            forms += twice, in_url, _in_json(sign), _exactly(b"\\" + sign.encode()), same, _exactly(others)
    if plain:
        forms.append((b"[" + plain + b"]",))
    return tuple(forms)
