"""Deliberate bugs that the auditor must find: part 4 of 5, see `sim_bugs`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sim_bugs import Patch, must_be_found, part


@pytest.mark.parametrize("bug", part(3), ids=lambda bug: bug.__name__)
def test_the_auditor_finds_a_bug(bug: Callable[[Patch], None], monkeypatch: Patch) -> None:
    must_be_found(bug, monkeypatch)
