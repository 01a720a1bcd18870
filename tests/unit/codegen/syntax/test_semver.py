"""Semantic Versions: which texts are one, and their order (semver.org, item 11)."""

from __future__ import annotations

import pytest

from obelisk.codegen.syntax.semver import is_version, version_key

GOOD = ["0.0.0", "1.2.3", "18446744073709551615.0.0", "1.0.0-a", "1.0.0-0", "1.0.0-0a.-.x-y", "1.0.0+01.b", "1.0.0-a+b"]
BAD = [
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "01.0.0",
    "1.0.0-",
    "1.0.0-01",
    "1.0.0-a..b",
    "1.0.0+",
    "1.0.0-a_b",
    "v1.0.0",
    "1.0.0 ",
]


@pytest.mark.parametrize("text", GOOD)
def test_versions(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize("text", [*BAD, "18446744073709551616.0.0", "1" * 10_000 + ".0.0"])
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="not a version"):
        version_key(text)


def test_order() -> None:
    ordered = [
        "0.9.9",
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.0+build",
        "1.0.1",
        "1.2.0",
        "1.10.0",
        "2.0.0",
    ]
    ordered.reverse()
    assert sorted(ordered, key=version_key) == ordered[::-1]
