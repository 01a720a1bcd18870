"""How deep executions nest, and how long ids become: each script runs hot, and unloaded and replayed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import pytest

from obelisk.runtime import ids
from obelisk.runtime.executor.environment import Environment
from obelisk.runtime.log import events as log
from sim_guests import Ask, Script, Steps, Wait
from sim_names import EXT, EXTENSIONS, SUPPORT

Run: TypeAlias = Callable[[Script], Any]


def support(name: str, *args: Any) -> Ask:
    """A call of workflow-support."""
    return Ask(SUPPORT, name, list(args))


@pytest.mark.parametrize("way", ["call", "submit", "call-json", "submit-json"])
def test_a_child_nested_too_deep_is_not_begun(
    returned: Run, way: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Environment, "max_depth", 2)
    ffqn: str = request.node.callspec.params["outcome_of"]
    interface, _, name = ffqn.rpartition(".")
    itself = {"interface_name": interface, "function_name": name}
    begun: list[str] = []

    def child(n: int) -> Generator[Ask | Wait, Any, Any]:
        if way == "call":
            return (yield Ask(interface, name, [n]))
        if way == "call-json":
            return (yield support("call-json", itself, f"[{n}]"))["ok"]
        join_set = yield support("join-set-create")
        if way == "submit":
            yield Ask(EXTENSIONS[interface], f"{name}-submit", [join_set, n])
            return (yield Ask(EXTENSIONS[interface], f"{name}-await-next", [join_set]))["ok"]
        yield support("submit-json", join_set, itself, f"[{n}]")
        return (yield support("join-next", join_set))["ok"]

    def script(n: int) -> Steps:
        begun.append((yield support("execution-id-current"))["id"])
        answer = yield from child(n)
        return {"ok": int(answer["ok"]) + 1 if "ok" in answer else 1}

    assert returned(script) == {"ok": 2}
    assert {ids.depth(execution_id) for execution_id in begun} == {0, 1, 2}


def test_names_of_join_sets_have_an_end(returned: Run) -> None:
    def script(_: int) -> Steps:
        long = yield support("join-set-create-named", "n" * 128)
        longer = yield support("join-set-create-named", "n" * 129)
        return [list(long), list(longer["err"])]

    assert returned(script) == [["ok"], ["invalid_name"]]


def test_ids_have_an_end(outcome_of: Callable[[Script], log.Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "MAX_EXECUTION_ID", 120)

    def script(_: int) -> Steps:
        for name in ("n" * 50, "n" * 80):
            join_set = yield support("join-set-create-named", name)
            yield Ask(EXT, "double-submit", [join_set["ok"], 4])
        return "unreachable"

    outcome = outcome_of(script)
    assert isinstance(outcome, log.Failed)
    assert outcome.reason == "depth limit: the id of a child is longer than 120 characters"
