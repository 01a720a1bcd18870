"""What a machine tells of children: those that a close waits for, and all there are, replayed or not."""

from __future__ import annotations

import msgspec

from obelisk.runtime.log import events as log
from obelisk.runtime.replay.commands import (
    Appended,
    CloseJoinSet,
    CreateJoinSet,
    Diverged,
    Replayed,
    Sleep,
    Submit,
    SupplyResult,
    Suspended,
)
from obelisk.runtime.replay.machine import Machine

E = "E_01J00000000000000000000000"
NONE = msgspec.Raw(b"[]")
RESULT = log.Returned(value=msgspec.Raw(b"null"))


def answer(number: int) -> log.ChildFinished:
    return log.ChildFinished(join_set="g:1", child=f"{E}.g:1_{number}", outcome=RESULT)


def submitted(number: int) -> log.JoinSetRequest:
    return log.JoinSetRequest(join_set="g:1", child=f"{E}.g:1_{number}", ffqn=f"a:b/c.f{number}", params=NONE)


def test_a_close_waits_for_the_children_that_are_out_newest_first() -> None:
    machine = Machine(E, (), (answer(2),))
    machine.step(CreateJoinSet(None))
    for number in (1, 2, 3):
        machine.step(Submit("g:1", f"a:b/c.f{number}", NONE))
    assert list(machine.closing) == []
    assert isinstance(machine.step(CloseJoinSet("g:1")), Suspended)
    assert list(machine.closing) == [f"{E}.g:1_3", f"{E}.g:1_1"]
    machine.deliver(answer(3))
    assert list(machine.closing) == [f"{E}.g:1_1"]
    assert machine.deliver(answer(1))
    machine.resume()
    assert list(machine.closing) == []


def test_a_sleep_closes_nothing() -> None:
    machine = Machine(E, (), ())
    assert isinstance(machine.step(Sleep(NONE, 5, None)), Suspended)
    assert machine.closing == ()


def test_after_a_divergence_the_children_of_the_whole_log_are_known() -> None:
    history = (log.JoinSetCreate(join_set="g:1"), submitted(1), submitted(2))
    machine = Machine(E, history, (answer(2),))
    machine.step(CreateJoinSet(None))
    assert isinstance(machine.step(Submit("g:1", "a:b/c.other", NONE)), Diverged)
    assert machine.facts.submitted() == {f"{E}.g:1_1": "a:b/c.f1", f"{E}.g:1_2": "a:b/c.f2"}
    assert machine.facts.response(f"{E}.g:1_1") is None
    assert machine.facts.response(f"{E}.g:1_2") == answer(2)


def test_a_supplied_result_is_recorded_with_its_decision_and_replayed() -> None:
    command = SupplyResult("E_01J00000000000000000000001", "a:b/c.f", msgspec.Raw(b'{"ok":1}'), "conflict")
    step = Machine(E, (), ()).step(command)
    assert isinstance(step, Appended)
    assert step.value == "conflict"
    again = Machine(E, step.events, ())
    other = SupplyResult(command.execution_id, command.ffqn, msgspec.Raw(b'{ "ok": 1 }'), "")
    assert again.step(other) == Replayed("conflict")
    changed = SupplyResult(command.execution_id, command.ffqn, msgspec.Raw(b'{"ok":2}'), "")
    assert isinstance(Machine(E, step.events, ()).step(changed), Diverged)
