"""Worlds of the test kit: time that skips, answers, failures, and what is found when something is wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from obelisk.native.scalars import Unfit
from obelisk.testing.errors import (
    ExecutionFailed,
    Forbidden,
    HistoryMismatch,
    KitError,
    NoAnswer,
    Nondeterminism,
    NotFinished,
)
from obelisk.testing.replacing import fails, never, script, times_out


def test_a_sleep_of_a_month_takes_no_time(kit: Any) -> None:
    world = kit.world(
        """
        workflow_support.sleep(ScheduleAt_In(Duration_Days(30)), None)
        return datetime.now().isoformat()
        """
    )
    begin = world.now
    assert world.run_sync(kit.flow.run, 1) == (begin + timedelta(days=30)).replace(tzinfo=None).isoformat()
    assert world.now == begin + timedelta(days=30)
    world.check()


def test_the_library_sleeps_durably(kit: Any) -> None:
    world = kit.world("time.sleep(86400)\nreturn 'slept'")
    begin = world.now
    assert world.run_sync(kit.flow.run, 1) == "slept"
    assert world.now - begin == timedelta(days=1)
    assert "delay_request" in world.history(kit.flow.run).kinds
    world.check()


def test_time_is_advanced_while_a_workflow_waits(kit: Any) -> None:
    world = kit.world("workflow_support.sleep(ScheduleAt_In(Duration_Days(1)), None)\nreturn 'done'")
    execution = world.start(kit.flow.run, 1)
    world.advance(hours=23)
    assert world.history(execution).kinds[-1] == "delay_request"
    world.advance(hours=2)
    assert world.history(execution).kinds[-1] == "finished"
    assert execution.result() == "done"


def test_a_world_is_awaited_in_another_loop(kit: Any) -> None:
    world = kit.world("return 'done'")
    assert asyncio.run(world.run(kit.flow.run, 1)) == "done"


def test_a_world_runs_many_at_once(kit: Any) -> None:
    world = kit.world("time.sleep(n)\nreturn str(n)")

    async def all_of_them() -> list[str]:
        return list(await asyncio.gather(*(world.run(kit.flow.run, n) for n in range(20))))

    begin = world.now
    assert world.drive(all_of_them()) == [str(n) for n in range(20)]
    assert world.now - begin == timedelta(seconds=19)
    world.check()


def test_attempts_follow_a_script(kit: Any) -> None:
    world = kit.world(
        """
        receipt = work.charge(n)
        return f"{receipt.number} {receipt.cents}"
        """
    )
    begin = world.now
    receipt = kit.work.Receipt("R-1", 5)
    world.replace(kit.work.charge, script(fails("no line"), kit.err(kit.work.Trouble_Gone()), times_out(), receipt))
    assert world.run_sync(kit.flow.run, 5) == "R-1 5"
    (call,) = world.calls(kit.work.charge)
    assert call.args == (5,)
    assert call.attempts == 3
    assert world.now - begin >= timedelta(seconds=60)
    world.check()


def test_an_activity_that_never_answers_times_out(kit: Any) -> None:
    world = kit.world("return work.note('x')")
    world.replace(kit.work.note, never())
    with pytest.raises(ExecutionFailed, match="timed_out"):
        world.run_sync(kit.flow.run, 1)


def test_functions_answer(kit: Any) -> None:
    world = kit.world("return work.note('a') + work.note(text='b')")

    async def note(text: str) -> str:
        await asyncio.sleep(20)
        return text.upper()

    begin = world.now
    world.replace(kit.work.note, note)
    assert world.run_sync(kit.flow.run, 1) == "AB"
    assert world.now - begin == timedelta(seconds=40)


def test_an_object_answers_for_a_module(kit: Any) -> None:
    world = kit.world("return work.charge(n).number")

    class Work:
        def charge(self, cents: int) -> object:
            if cents > 10:
                raise kit.err(kit.work.Trouble_Declined("too much"))
            return kit.work.Receipt("R-2", cents)

        def note(self, text: str) -> str:
            return text

    world.replace(kit.work, Work())
    assert world.run_sync(kit.flow.run, 1) == "R-2"
    world = kit.world("work.charge(n)\nreturn 'charged'")
    world.replace(kit.work, Work())
    with pytest.raises(ExecutionFailed, match=r"the result \(err\): expected str for string"):
        world.run_sync(kit.flow.run, 11)


@pytest.mark.parametrize("value", [5, None, "R-1", object()])
def test_an_answer_of_another_type_is_refused_where_it_is_given(kit: Any, value: object) -> None:
    world = kit.world("return work.charge(n).number")
    with pytest.raises(Unfit, match="expected Receipt"):
        world.replace(kit.work.charge, value)


def test_a_function_with_other_parameters_is_refused(kit: Any) -> None:
    world = kit.world("return work.note('x')")
    with pytest.raises(KitError, match=r"app:work/work\.note takes other parameters: it is called with text"):
        world.replace(kit.work.note, lambda: "x")


def test_an_assertion_in_what_stands_for_a_function_fails_the_test(kit: Any) -> None:
    world = kit.world("return work.note('x')")

    def note(text: str) -> str:
        raise AssertionError(f"not {text}")

    world.replace(kit.work.note, note)
    with pytest.raises(AssertionError, match="not x"):
        world.run_sync(kit.flow.run, 1)


def test_a_call_that_nothing_answers_is_named(kit: Any) -> None:
    world = kit.world("return work.note('x')")
    with pytest.raises(NoAnswer, match=r"app:work/work\.note was called, and nothing answers it here"):
        world.run_sync(kit.flow.run, 1)


def test_what_waits_is_told_when_nothing_is_due(kit: Any) -> None:
    config = kit.folder / "obelisk.toml"
    config.write_text(config.read_text().replace('"external"', '"stub"').partition("max_retries")[0])
    world = kit.world("return work.note('x')")
    execution = world.start(kit.flow.run, 1)
    with pytest.raises(NotFinished, match=r"app:work/work\.note"):
        execution.result()
    world.answer(kit.work.note, "told")
    assert execution.result() == "told"
    world.check()


# --- what is found --------------------------------------------------------------------------------------------------
def test_a_global_of_the_process_is_found_with_its_line(kit: Any) -> None:
    world = kit.world(
        """
        import decimal
        decimal.getcontext().prec += 1
        return work.note(str(decimal.getcontext().prec))
        """
    )
    world.replace(kit.work.note, "x")
    world.run_sync(kit.flow.run, 1)
    with pytest.raises(Nondeterminism, match="asks for something else") as found:
        world.check()
    assert "flow.py:" in str(found.value)
    assert "return work.note(str(decimal.getcontext().prec))" in str(found.value)


def test_globals_of_modules_are_those_of_one_execution(kit: Any) -> None:
    world = kit.world("COUNT[0] += 1\nreturn str(COUNT[0])")
    assert [world.run_sync(kit.flow.run, 1) for _ in range(3)] == ["1", "1", "1"]
    world.check()


def test_randomness_and_time_are_recorded(kit: Any) -> None:
    world = kit.world(
        """
        import secrets, uuid
        work.note(f"{random.random()} {random.Random().random()} {secrets.token_hex(4)} {uuid.uuid4()}")
        return work.note(f"{datetime.now()} {time.time()} {time.monotonic()} {datetime.today().date()}")
        """
    )
    world.replace(kit.work.note, str)
    first, second = world.run_sync(kit.flow.run, 1), world.run_sync(kit.flow.run, 1)
    notes = [call.args[0] for call in world.calls(kit.work.note)]
    assert notes[0] != notes[2]
    assert first == second == notes[1] == "2026-01-01 00:00:00 1767225600.0 0.0 2026-01-01"
    world.check()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("import threading\nthreading.Thread(target=print).start()", "starts a thread"),
        ("import asyncio\nasyncio.run(asyncio.sleep(0))", "uses asyncio"),
        ("import subprocess\nsubprocess.run(['true'])", "starts a process"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 1))", "looks up an address"),
        ("while True:\n    pass", "computes or blocks"),
        ("import queue\nqueue.Queue().get()", "computes or blocks"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_no_component_can_do_is_named_with_its_stack(kit: Any, body: str, what: str) -> None:
    world = kit.world(body + "\nreturn ''", patience_s=2.0)
    with pytest.raises(Forbidden, match=what) as found:
        world.run_sync(kit.flow.run, 1)
    assert "flow.py" in str(found.value)
    assert any(line.strip() in str(found.value) for line in body.splitlines()[-2:])


def test_a_workflow_has_no_files(kit: Any) -> None:
    world = kit.world("try:\n    open('/etc/hostname')\nexcept FileNotFoundError as error:\n    return str(error)")
    assert "no files" in world.run_sync(kit.flow.run, 1)


def test_an_exception_tells_its_line(kit: Any) -> None:
    world = kit.world("return str(1 // (n - 1))")
    with pytest.raises(ExecutionFailed, match=r"ZeroDivisionError.*\(flow\.py:\d+, in run\)"):
        world.run_sync(kit.flow.run, 1)


def test_a_value_that_is_not_what_the_wit_says_tells_its_place(kit: Any) -> None:
    world = kit.world("return work.charge(-1).number")
    world.replace(kit.work.charge, kit.work.Receipt("R", 1))
    with pytest.raises(ExecutionFailed, match=r"cents: expected u32 \(0 to 4294967295\), found -1"):
        world.run_sync(kit.flow.run, 1)


def test_a_source_that_does_not_match_its_wit_is_told(kit: Any) -> None:
    kit.source("return ''")
    source = kit.folder / "src" / "flow.py"
    source.write_text(source.read_text().replace("def run(self, n: int)", "def walk(self)"))
    with pytest.raises(Exception, match=r"flow\.py.*run"):
        kit.world()


def test_the_library_for_guests_runs_natively(kit: Any) -> None:
    world = kit.world(
        """
        from obelisk_guest.workflow import call, gather, sleep
        sleep(timedelta(days=1).total_seconds())
        return "".join(gather(*(call(work.note, str(number)) for number in range(n))))
        """
    )
    world.replace(kit.work.note, str)
    assert world.run_sync(kit.flow.run, 3) == "012"
    world.check()


# --- histories ------------------------------------------------------------------------------------------------------
def test_a_saved_history_replays_until_the_code_asks_for_something_else(kit: Any) -> None:
    world = kit.world("work.note('a')\nreturn work.note('b')")
    world.replace(kit.work.note, "x")
    world.run_sync(kit.flow.run, 1)
    world.save_history(kit.folder / "histories" / "one.json")
    world.assert_replays(kit.flow.run, kit.folder / "histories")
    later = kit.world("log.info('new')\nwork.note('a')\nreturn work.note('b')")
    later.assert_replays(kit.flow.run, kit.folder / "histories")
    broken = kit.world("work.note('b')\nreturn work.note('a')")
    with pytest.raises(HistoryMismatch, match=r'(?s)one\.json does not replay any more.*"params":\["a"\]') as found:
        broken.assert_replays(kit.flow.run, kit.folder / "histories")
    assert "work.note('b')" in str(found.value)


def test_a_folder_without_histories_proves_nothing(kit: Any) -> None:
    world = kit.world("return ''")
    with pytest.raises(HistoryMismatch, match="has no history of app:flow"):
        world.assert_replays(kit.flow.run, kit.folder)


def test_two_projects_cannot_be_imported_at_once(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    kit.world("return ''")
    other = type(kit)(tmp_path_factory.mktemp("other"))
    with pytest.raises(KitError, match="One process tests one project"):
        other.world("return ''")
