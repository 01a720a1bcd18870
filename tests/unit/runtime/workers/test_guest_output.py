"""What a run says becomes lines: streams cut at line ends, limits kept, nothing handed on twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from obelisk.runtime.log.lines import LOG, STDERR, STDOUT, Line
from obelisk.runtime.ports.guest import GuestTrap
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.failures import MAX_TEXT
from obelisk.runtime.workers.guest_output import MAX_LINE, GuestOutput


@dataclass
class Heard:
    """The surroundings: what was said, and by whom."""

    lines: list[Line] = field(default_factory=list[Line])
    owners: set[str] = field(default_factory=set[str])

    def now_us(self) -> int:
        return 5

    def guest_line(self, execution_id: str, line: Line) -> None:
        self.owners.add(execution_id)
        self.lines.append(line)

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines]


@dataclass
class Workflow:
    is_replaying: bool = False
    asked: int = 0


def output(heard: Heard, limit: int = 1 << 20, replayed: Workflow | None = None) -> GuestOutput:
    return GuestOutput("E_1", "Run_1", cast("RunContext", heard), limit=limit, replayed=replayed)


def test_a_message_is_a_line() -> None:
    heard = Heard()
    output(heard).message(3, "two\nlines")
    assert heard.lines == [Line(run="Run_1", at_us=5, source=LOG, level=3, text="two\nlines")]
    assert heard.owners == {"E_1"}


def test_streams_are_cut_at_line_ends_and_kept_apart() -> None:
    heard = Heard()
    said = output(heard)
    said.write(b"on", to_stderr=False)
    said.write(b"oops\nagain", to_stderr=True)
    said.write(b"e\n\ntwo\nthr", to_stderr=False)
    assert heard.texts == ["oops", "one", "", "two"]
    assert [(line.source, line.level) for line in heard.lines[:2]] == [(STDERR, 3), (STDOUT, 2)]
    said.end()
    assert heard.texts[4:] == ["thr", "again"]
    said.end()
    assert len(heard.lines) == 6


def test_a_character_may_come_in_two_pieces() -> None:
    heard = Heard()
    said = output(heard)
    said.write("é".encode()[:1], to_stderr=False)
    said.write("é".encode()[1:] + b"\xff\n", to_stderr=False)
    assert heard.texts == ["é�"]


def test_a_line_without_an_end_is_cut() -> None:
    heard = Heard()
    said = output(heard)
    for _ in range(5):
        said.write(b"x" * (MAX_LINE // 2), to_stderr=False)
    said.end()
    assert [len(text) for text in heard.texts] == [MAX_LINE, MAX_LINE, MAX_LINE // 2]


def test_a_long_message_is_shortened() -> None:
    heard = Heard()
    output(heard).message(2, "x" * (MAX_TEXT + 1))
    assert heard.texts == ["x" * MAX_TEXT + "… (1 more characters)"]


@pytest.mark.parametrize("text", ["x" * 60, "é" * 30])
def test_who_says_too_much_traps(text: str) -> None:
    heard = Heard()
    said = output(heard, limit=100)
    said.message(2, text)
    said.write(b"y" * 40, to_stderr=False)
    with pytest.raises(GuestTrap, match="more than 100 bytes"):
        said.message(2, "z")
    said.end()
    assert heard.texts == [text, "y" * 40]


def test_of_a_flood_what_fits_is_kept() -> None:
    heard = Heard()
    said = output(heard, limit=100)
    with pytest.raises(GuestTrap):
        said.write(b"a\n" + b"x" * 1_000_000, to_stderr=True)
    with pytest.raises(GuestTrap):
        said.write(b"more", to_stderr=True)
    said.end()
    assert heard.texts == ["a", "x" * 98]


def test_a_replayed_workflow_says_only_what_is_new_and_counts_all() -> None:
    heard = Heard()
    workflow = Workflow(is_replaying=True)
    said = output(heard, limit=30, replayed=workflow)
    said.message(2, "old")
    said.write(b"be", to_stderr=False)
    workflow.is_replaying, workflow.asked = False, 4
    said.write(b"gun\n", to_stderr=False)
    said.message(2, "new")
    assert heard.texts == ["begun", "new"]
    with pytest.raises(GuestTrap):
        said.message(2, "x" * 19)


def test_places_are_the_same_in_every_run() -> None:
    def run(*, replaying_up_to: int) -> list[tuple[str, int | None]]:
        heard = Heard()
        workflow = Workflow()
        said = output(heard, replayed=workflow)
        for asked in (0, 0, 3, 3, 3, 9):
            workflow.asked = asked
            workflow.is_replaying = asked < replaying_up_to
            said.message(2, str(asked))
        return [(line.text, line.place) for line in heard.lines]

    whole = run(replaying_up_to=0)
    places = [place for _, place in whole if place is not None]
    assert places == sorted(set(places))
    assert len(places) == 6
    assert run(replaying_up_to=3) == whole[2:]


def test_a_limit_that_was_lowered_holds_for_what_is_new() -> None:
    heard, workflow = Heard(), Workflow(is_replaying=True)
    said = output(heard, limit=10, replayed=workflow)
    said.message(2, "twelve bytes")
    said.write(b"and as many\n", to_stderr=False)
    assert heard.texts == []
    workflow.is_replaying = False
    said.message(2, "ten bytes!")
    with pytest.raises(GuestTrap, match="more than 10 bytes"):
        said.message(2, "!")
    assert heard.texts == ["ten bytes!"]
