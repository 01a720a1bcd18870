"""Values of secrets are found in answers however they are written there, and in time in proportion to the answer."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk.runtime.host.wasi.http.scrubbing import MAX_VALUE, Scrubber
from obelisk.runtime.host.wasi.http.secrets import Secret

PLACE, VALUE = b"secret_0123", b"s3cr&t v\xc3\xa4lue+/"
TEXT = VALUE.decode()
WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "in URLs": lambda value: quote(value, safe="").encode(),
    "in URLs, small letters": lambda value: quote(value, safe="").lower().encode(),
    "in forms": lambda value: quote_plus(value).encode(),
    "in URLs, every byte": lambda value: "".join(f"%{byte:02x}" for byte in value).encode(),
    "in URLs, twice": lambda value: quote(quote(value, safe="")).encode(),
    "in JSON": lambda value: json.dumps(value.decode())[1:-1].encode(),
    "in JSON, slashes too": lambda value: json.dumps(value.decode())[1:-1].replace("/", "\\/").encode(),
    "in JSON, every character": lambda value: "".join(f"\\u{ord(c):04X}" for c in value.decode()).encode(),
    "in HTML": lambda value: html.escape(value.decode()).encode(),
    "in Python": lambda value: repr(value)[2:-1].encode(),
    "in digits": lambda value: value.hex().encode(),
    "in large digits": lambda value: value.hex().upper().encode(),
}


def secret(value: bytes = VALUE, placeholder: bytes = PLACE) -> Secret:
    return Secret(key="secrets.s", placeholder=placeholder, value=value, hosts=(), schemes=())


def streamed(data: bytes, cuts: list[int], *secrets: Secret) -> bytes:
    scrubber, seen = Scrubber(secrets), b""
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        seen += scrubber.feed(data[start:end])
    return seen + scrubber.end()


def _quoted(text: bytes) -> bytes:
    return quote(text, safe="").encode()


def everywhere(data: bytes, expected: bytes, *secrets: Secret) -> None:
    """Data is scrubbed as expected as a whole, byte by byte, and in two parts wherever they are cut."""
    assert Scrubber(secrets).text(data) == expected
    assert streamed(data, list(range(1, len(data))), *secrets) == expected
    for cut in range(len(data)):
        assert streamed(data, [cut], *secrets) == expected


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_it_is_found_however_it_is_written(written: Callable[[bytes], bytes]) -> None:
    everywhere(b"<" + written(VALUE) + b">", b"<" + PLACE + b">", secret())


@pytest.mark.parametrize("before", [b"", b"a", b"me", b"me:", b"\xff\xff\xff\xff"])
@pytest.mark.parametrize("after", [b"", b"z", b"\xff\xff", b"zzz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_it_is_found_in_base64(before: bytes, after: bytes, encode: Callable[[bytes], bytes]) -> None:
    text = encode(before + VALUE + after)
    begin, end = len(before) * 8 // 6, -(-(len(before + VALUE) * 8) // 6)  # of the digits that have bits of it
    expected = text[:begin] + PLACE + text[end:]
    everywhere(b"<" + text + b">", b"<" + expected + b">", secret())
    quoted = _quoted(text)
    assert Scrubber([secret()]).text(quoted) == b"".join((_quoted(text[:begin]), PLACE, _quoted(text[end:])))


@given(st.binary(min_size=8, max_size=40), st.binary(max_size=9), st.binary(max_size=9))
def test_any_value_is_found_in_base64(value: bytes, before: bytes, after: bytes) -> None:
    assert PLACE in Scrubber([secret(value)]).text(base64.b64encode(before + value + after))


@given(st.lists(st.sampled_from([b"s", b"s3cr", b"&t ", VALUE, VALUE[:-1], b"x", b"\xc3\xa4lue"])), st.data())
def test_answers_are_scrubbed_however_they_come(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    assert streamed(whole, cuts, secret()) == whole.replace(VALUE, PLACE)


def test_one_that_begins_with_another_is_found_whole() -> None:
    short, long = secret(b"abcdefgh"), secret(b"abcdefghij", b"secret_2")
    everywhere(b"-abcdefghij-abcdefghi-abcdefgh", b"-secret_2-secret_0123i-secret_0123", short, long)


def test_only_what_may_be_a_value_is_held_back() -> None:
    scrubber = Scrubber([secret()])
    assert scrubber.feed(b"data: some\n\n") == b"data: some\n\n"
    assert scrubber.feed(b"data: " + VALUE) == b"data: " + PLACE
    assert scrubber.feed(b"data: " + VALUE[:5]) == b"data: "
    assert scrubber.feed(b"\n") == VALUE[:5] + b"\n"


@pytest.mark.parametrize("piece", [b"a", b"'", b"&", "ä".encode(), "€".encode(), b"\xff", b"\xfb\xef\xbe"])
def test_the_largest_value_can_be_looked_for(piece: bytes) -> None:
    value = (piece * MAX_VALUE)[:MAX_VALUE]
    assert Scrubber([secret(value)]).text(base64.b64encode(value)).startswith(PLACE)


def test_lines_are_scrubbed() -> None:
    scrubber = Scrubber([secret()])
    assert (
        scrubber.line(f"illegal header line: {VALUE!r}, {TEXT}") == "illegal header line: b'secret_0123', secret_0123"
    )
    assert Scrubber([]).line(TEXT) == TEXT


@pytest.mark.parametrize(
    "piece", [b"x", VALUE, VALUE[:-1], VALUE[:1], quote(VALUE).encode()[:-1], base64.b64encode(VALUE)[:-2], b"%25"]
)
def test_it_takes_time_in_proportion(piece: bytes) -> None:
    def cost(size: int) -> float:
        data, best = (piece * (size // len(piece) + 1))[:size], float("inf")
        for _ in range(5):
            scrubber, begun = Scrubber([secret()]), time.process_time()
            for start in range(0, size, 4096):
                scrubber.feed(data[start : start + 4096])
            best = min(best, time.process_time() - begun)
        return best

    cost(1 << 16)
    assert cost(1 << 20) <= 16 * 8 * max(cost(1 << 16), 0.0005)
