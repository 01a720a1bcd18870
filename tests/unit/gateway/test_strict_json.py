"""Strict JSON: what is accepted keeps its meaning, what is refused says where."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.gateway.http.strict_json import MAX_DIGITS, JsonRefused, decode
from obelisk.runtime.json_text import MAX_NESTING

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(-(2.0**53), 2.0**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


def problems(body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(JsonRefused) as refused:
        decode(body)
    return [(problem.pointer, problem.detail) for problem in refused.value.problems]


@settings(max_examples=60, deadline=None)
@given(json_values, st.booleans())
def test_every_json_value_is_read_as_it_is(value: object, ascii_only: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    told = 1
    try:
        decode(body)
    except JsonRefused as refused:
        told = len(refused.problems)
    assert told


def test_integers_are_exact() -> None:
    assert decode(b"[18446744073709551615,-9223372036854775808]") == [2**64 - 1, -(2**63)]
    assert decode(b"1" + b"0" * (MAX_DIGITS - 1)) == 10 ** (MAX_DIGITS - 1)


def test_a_number_without_a_fraction_is_an_exact_integer_however_it_is_written() -> None:
    found = decode(b"[1.0, -2.50e1, 1e19, 12345678901234567890.0, 1.5, 9007199254740992.5, 0.0, 0e99, 1e-400]")
    assert repr(found) == repr([1, -25, 10**19, 12345678901234567890, 1.5, 9007199254740992.0, 0, 0, 0.0])


def test_large_numbers_keep_their_exact_value() -> None:
    assert decode(b"[1.7976931348623157e308, 123e305]") == [17976931348623157 * 10**292, 123 * 10**305]


def test_a_negative_zero_keeps_its_sign() -> None:
    assert repr(decode(b"[-0.0, 0.0]")) == "[-0.0, 0]"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "the body is not JSON: expecting value at line 1 column 1"),
        (b"\xff", "the body is not UTF-8: byte 0"),
        (b"\xef\xbb\xbf{}", "the body is not JSON: expecting value at line 1 column 1"),
        (b'{"a": 1} x', "the body is not JSON: extra data at line 1 column 10"),
        (b"[01]", "the body is not JSON: expecting ',' delimiter at line 1 column 3"),
        (b'"\x01"', "the body is not JSON: invalid control character at at line 1 column 2"),
        (b"[" * (MAX_NESTING + 1), f"the body is nested deeper than {MAX_NESTING} levels"),
        (b"[" * 100_000 + b"]" * 100_000, f"the body is nested deeper than {MAX_NESTING} levels"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, f"the body is nested deeper than {MAX_NESTING} levels"),
    ],
)
def test_what_is_no_strict_text_is_refused_as_a_whole(body: bytes, expected: str) -> None:
    assert problems(body) == [("", expected)]


def test_nesting_up_to_the_limit_is_read() -> None:
    body = b"[" * MAX_NESTING + b'"[[{{"' + b"]" * MAX_NESTING
    assert json.dumps(decode(body)).encode() == body
    assert len(str(decode(b"[" + b"[]," * 1000 + b"[]]"))) > 1000


def test_every_refused_place_is_told() -> None:
    body = b'{"a": {"x": 1, "x": 2}, "b": [NaN, 1e999, -Infinity, 1.5], "c/d~": "\\ud800", "e": [{"\\udc00": 1}]}'
    assert problems(body) == [
        ("/a", 'found several members of the same name: "x"'),
        ("/b/0", 'found the literal NaN, which is not JSON; write "NaN" for a float'),
        ("/b/1", "found a number beyond the range of f64"),
        ("/b/2", 'found the literal -Infinity, which is not JSON; write "-Infinity" for a float'),
        ("/c~1d~0", "found a string with a lone surrogate"),
        ("/e/0", "found a name with a lone surrogate"),
    ]


def test_places_inside_an_object_with_a_double_name_are_told_too() -> None:
    assert [pointer for pointer, _ in problems(b'{"a": 1, "a": [NaN]}')] == ["", "/a/0"]


def test_an_endless_integer_is_refused_in_its_place() -> None:
    assert problems(b"[1, " + b"9" * (MAX_DIGITS + 1) + b"]") == [
        ("/1", f"found an integer of {MAX_DIGITS + 1} digits")
    ]


def test_a_surrogate_pair_is_a_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_a_long_number_is_found_wherever_it_stands() -> None:
    """It is looked for at some places of the text alone."""
    for before in range(MAX_DIGITS + 2):
        body = b"[%s%s, 7]" % (b" " * before, b"1" * (MAX_DIGITS + 1))
        assert problems(body) == [("/0", f"found an integer of {MAX_DIGITS + 1} digits")]
        decode(b"[%s%s, 7]" % (b" " * before, b"1" * MAX_DIGITS))


def test_a_refusal_says_nothing_of_the_next_text_or_of_one_on_another_thread() -> None:
    texts = [b'{"a": NaN}', b'{"a": [1, 2.0]}', b'{"a": 1, "a": 2}', b"[" + b"7" * 500 + b"]", b"[1]"] * 40

    def read(text: bytes) -> object:
        try:
            return decode(text)
        except JsonRefused as refused:
            return [problem.detail.partition(":")[0] for problem in refused.problems]

    alone = [read(text) for text in texts]
    assert alone[1] == {"a": [1, 2]}
    assert alone[4] == [1]
    assert "NaN" in str(alone[0])
    assert "same name" in str(alone[2])
    assert "500 digits" in str(alone[3])
    with ThreadPoolExecutor(4) as threads:
        for together in [threads.submit(lambda: [read(text) for text in texts]) for _ in range(4)]:
            assert together.result() == alone
