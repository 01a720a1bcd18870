"""JSON text of a stranger: its depth is bounded before anything recurses into it."""

import pytest

from obelisk.runtime.json_text import MAX_NESTING, TOO_DEEP, NotJson, decode


def nested(levels: int) -> str:
    return '[{"a":' * (levels // 2) + "1" + "}]" * (levels // 2)


def test_what_is_nested_as_deep_as_it_may_is_read() -> None:
    value = decode(nested(MAX_NESTING))
    for _ in range(MAX_NESTING // 2):
        assert isinstance(value, list)
        (member,) = value
        assert isinstance(member, dict)
        value = member["a"]
    assert value == 1


@pytest.mark.parametrize("text", [nested(MAX_NESTING + 2), nested(6_000), "[" * 100_000, '{"a":' * 3_000])
def test_what_is_nested_deeper_is_refused(text: str) -> None:
    with pytest.raises(NotJson, match=TOO_DEEP):
        decode(text)


def test_brackets_in_strings_do_not_count() -> None:
    text = "[" * 3_000
    assert decode(f'["{text}", "\\"{text}"]') == [text, '"' + text]


def test_what_is_no_json_is_refused_with_its_place() -> None:
    with pytest.raises(NotJson, match="byte 3"):
        decode("[1,]")
