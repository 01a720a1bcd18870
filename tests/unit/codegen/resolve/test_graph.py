"""The stable topological order and the cycles that prevent one."""

from __future__ import annotations

import pytest

from obelisk.codegen.resolve.graph import cycles, topological


@pytest.mark.parametrize(
    ("edges", "order"),
    [
        ({}, []),
        ({"b": [], "a": []}, ["b", "a"]),
        ({"a": ["b"], "b": []}, ["b", "a"]),
        ({"a": ["c"], "b": [], "c": []}, ["b", "c", "a"]),
        ({"a": ["b", "b"], "b": ["elsewhere"]}, ["b", "a"]),
        ({"d": ["c", "b"], "c": ["a"], "b": ["a"], "a": []}, ["a", "c", "b", "d"]),
    ],
)
def test_order(edges: dict[str, list[str]], order: list[str]) -> None:
    assert topological(list(edges), edges) == (order, [])


@pytest.mark.parametrize(
    ("edges", "order", "left", "found"),
    [
        ({"a": ["a"]}, [], ["a"], [["a"]]),
        ({"a": ["b"], "b": ["a"], "c": []}, ["c"], ["a", "b"], [["a", "b"]]),
        ({"x": ["a"], "a": ["c"], "b": ["a"], "c": ["b"]}, [], ["x", "a", "b", "c"], [["a", "c", "b"]]),
        ({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c", "a"]}, [], ["a", "b", "c", "d"], [["a", "b"], ["c", "d"]]),
        ({"x": ["y"], "y": ["z"], "z": ["y"], "a": ["x"]}, [], ["x", "y", "z", "a"], [["y", "z"]]),
    ],
)
def test_cycles(edges: dict[str, list[str]], order: list[str], left: list[str], found: list[list[str]]) -> None:
    assert topological(list(edges), edges) == (order, left)
    assert cycles(left, edges) == found
