"""Instants as the control plane shows them."""

from __future__ import annotations

import pytest

from obelisk.gateway.views.executions import instant


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_796_089_272_000_123, "2026-12-01T01:41:12.000123Z"),
        (1_796_089_272_999_999, "2026-12-01T01:41:12.999999Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, "9999-12-31T23:59:59.999999Z"),
        (1 << 62, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_instants_have_microseconds_and_end_with_the_year_9999(at_us: int, text: str) -> None:
    assert instant(at_us) == text
