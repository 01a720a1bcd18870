"""What a binary says of versions and features is printed as WIT, so it is taken only where it is WIT's."""

from __future__ import annotations

import pytest

from obelisk.codegen.binary.package_docs import Gate, stability
from obelisk.codegen.model.types import UNGATED, Stability


@pytest.mark.parametrize(
    ("value", "gates"),
    [
        ({"stable": Gate(since="1.2.3", deprecated="1.3.0")}, Stability(since="1.2.3", deprecated="1.3.0")),
        ({"unstable": Gate(feature="a-b")}, Stability(feature="a-b")),
        ({"stable": Gate(since="1.0.0)\n@since(version = 2.0.0")}, UNGATED),
        ({"stable": Gate(since="1,5.0")}, UNGATED),
        ({"unstable": Gate(feature="x)\nworld w { }")}, UNGATED),
        ({"unstable": Gate(feature="A b")}, UNGATED),
        ({"stable": Gate(since="1.2.3", deprecated="1)")}, Stability(since="1.2.3")),
        ({"unstable": Gate()}, UNGATED),
        ("unknown", UNGATED),
        ({}, UNGATED),
    ],
)
def test_gates_are_those_of_wit_or_none(value: dict[str, Gate] | str, gates: Stability) -> None:
    assert stability(value) == gates
