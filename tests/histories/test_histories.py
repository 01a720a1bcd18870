"""Recorded logs must replay for ever.

Each `*.jsonl` beside this file is one execution: a header, its events and responses as they are stored (kind and
body), what its guest asked and was answered, and the state its log folds to. A file is never changed: when a change
of the code breaks one, it breaks the logs of users too. New features add files.

    {"format": 1, "about": …, "execution_id": …}
    {"event": kind, "body": …}      {"response": kind, "body": …}
    {"ask": command, "with": fields, "answer": answer}, the last one perhaps {"suspended": join set}
    {"return": "replayed"} when the guest returned, or {"return": {"suspended": join set}}
    {"state": {"status": …, "version": …, "attempts": …}}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from obelisk.runtime.log import codec, fold
from obelisk.runtime.log import events as log
from obelisk.runtime.replay import commands as to
from obelisk.runtime.replay.machine import Machine

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.jsonl"))
COMMANDS: dict[str, type[to.Command]] = {
    "call": to.Call,
    "create_join_set": to.CreateJoinSet,
    "submit": to.Submit,
    "submit_delay": to.SubmitDelay,
    "sleep": to.Sleep,
    "await_next": to.AwaitNext,
    "try_next": to.TryNext,
    "close_join_set": to.CloseJoinSet,
    "record": to.Record,
    "schedule_execution": to.ScheduleExecution,
    "supply_result": to.SupplyResult,
}


class Header(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    format: int
    about: str
    execution_id: str


class Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"with_": "with", "return_": "return"}):
    """One line after the header: exactly one of event, response, ask, return, state."""

    event: int = -1
    response: int = -1
    body: msgspec.Raw = log.ABSENT
    ask: str = ""
    with_: msgspec.Raw = log.ABSENT
    answer: object = None
    return_: object = None
    state: dict[str, object] = {}


@dataclass
class History:
    header: Header
    events: list[log.Event] = field(default_factory=list[log.Event])
    responses: list[log.Response] = field(default_factory=list[log.Response])
    asked: list[tuple[to.Command, object]] = field(default_factory=list[tuple[to.Command, object]])
    returned: object = None
    state: dict[str, object] = field(default_factory=dict[str, object])


def read(path: Path) -> History:
    head, *lines = path.read_bytes().splitlines()
    history = History(msgspec.json.decode(head, type=Header))
    for text in lines:
        line = msgspec.json.decode(text, type=Line)
        if line.event >= 0:
            history.events.append(codec.decode_event(line.event, bytes(line.body)))
        elif line.response >= 0:
            history.responses.append(codec.decode_response(line.response, bytes(line.body)))
        elif line.ask:
            history.asked.append((msgspec.json.decode(line.with_, type=COMMANDS[line.ask]), line.answer))
        elif line.state:
            history.state = line.state
        else:
            history.returned = line.return_
    return history


def shown(step: to.Step) -> object:
    """An answer as the files have it; a replay appends nothing."""
    match step:
        case to.Suspended(join_set, ()):
            return {"suspended": join_set}
        case to.Replayed(str(text)):
            return {"text": text}
        case to.Replayed(msgspec.Raw() as raw):
            return {"value": msgspec.json.decode(raw)}
        case to.Replayed(log.ChildFinished(child=request) | log.DelayFinished(delay=request)):
            return {"response": request}
        case to.Replayed(None):
            return "done"
        case to.Replayed(to.NameTaken() | to.AllProcessed() | to.StillPending() as answer):
            return type(answer).__name__
        case _:
            return f"not a replay: {step}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_recorded_log_folds_and_replays(path: Path) -> None:
    history = read(path)
    assert history.header.format == 1
    events = [e for e in history.events if isinstance(e, log.HistoryEvent)]
    machine = Machine(history.header.execution_id, events, history.responses)
    for number, (command, answer) in enumerate(history.asked):
        assert shown(machine.step(command)) == answer, f"{path.name}: answer {number}"
    if history.returned is not None:
        step = machine.finish()
        assert ("replayed" if step == to.Replayed(None) else shown(step)) == history.returned
    assert not machine.facts.is_replaying
    state = fold.fold(history.events)
    assert history.state == {
        "status": type(state.status).__name__,
        "version": state.version,
        "attempts": state.attempts,
    }


def test_the_files_have_every_history_event_and_command() -> None:
    histories = list(map(read, FILES))
    seen = {type(e) for history in histories for e in history.events}
    assert seen == set(codec.EVENT_KINDS)
    assert {type(r) for history in histories for r in history.responses} == {log.ChildFinished, log.DelayFinished}
    assert {type(command) for history in histories for command, _ in history.asked} == set(COMMANDS.values())


def test_the_files_have_every_way_to_end_and_to_go_on() -> None:
    """Features that have no event of their own."""
    histories = {path.stem: read(path) for path in FILES}
    last = {name: history.events[-1] for name, history in histories.items()}
    outcomes = [event.outcome for event in last.values() if isinstance(event, log.Finished)]
    kinds = {outcome.kind for outcome in outcomes if isinstance(outcome, log.Failed)}
    missing = {log.FailureKind.TIMED_OUT, log.FailureKind.OUT_OF_FUEL}
    assert kinds == set(log.FailureKind) - missing, "an end of these kinds replays as any other"
    errors = {e.error for history in histories.values() for e in history.events if isinstance(e, log.Stub)}
    assert "" in errors
    reasons = {e.reason for history in histories.values() for e in history.events if isinstance(e, log.Unlocked)}
    assert {"it waits", "its executor is gone"} <= reasons
    causes = {type(e.cause) for history in histories.values() for e in history.events if isinstance(e, log.Paused)}
    assert causes == {*get_args(log.PauseCause), type(None)}
