"""The page on performance shows the figures that are beside it, and nothing else; and how figures become tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import chart
import report
import workloads
from figures import DBOS, OBELISK, Spread, Target, reached, short, spreads, times

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_shows_the_figures_beside_it() -> None:
    results = report.Results.read(report.FIGURES)
    assert report.page_with(results, report.PAGE.read_text()) == report.PAGE.read_text()
    assert chart.draw(results.measured()) == report.CHART.read_text()


def test_the_page_has_every_workload_and_was_not_made_in_a_hurry() -> None:
    results = report.Results.read(report.FIGURES)
    assert set(results.rounds) == {workload.name for workload in workloads.ALL}
    assert not results.quick
    assert len(results.rounds["W1"]) >= 3


def test_a_ratio_is_one_of_a_round() -> None:
    rounds = [
        {OBELISK: {"calls/s": 1000.0}, DBOS: {"calls/s": 50.0}},
        {OBELISK: {"calls/s": 100.0}, DBOS: {"calls/s": 10.0}},
        {OBELISK: {"calls/s": 300.0}, DBOS: {"calls/s": 20.0}},
    ]
    target = times("calls/s", 12, DBOS)
    value = reached(target, rounds)
    assert value is not None
    assert value == Spread(15, 10, 20)
    assert target.is_met(value.median)
    assert not target.is_met(value.lowest)
    assert spreads(rounds)[DBOS]["calls/s"] == Spread(20, 10, 50)


def test_a_target_without_its_arm_has_no_figure() -> None:
    assert reached(times("calls/s", 12, DBOS), [{OBELISK: {"calls/s": 1.0}}]) is None
    assert not Target(text="", of=lambda _: 0.0, at_most=1).is_met(1.5)


def test_some_workloads_can_be_measured_anew() -> None:
    first, second = [{OBELISK: {"calls/s": 1.0}}], [{OBELISK: {"calls/s": 2.0}}]
    earlier = report.Results(rounds={"W1": first, "W7": first}, machine={}, peers=(), quick=False)
    later = report.Results(rounds={"W7": second}, machine={"cores": "2"}, peers=(DBOS,), quick=False)
    both = later.beside(earlier)
    assert both.rounds == {"W1": first, "W7": second}
    assert both.machine == {"cores": "2"}
    assert not both.quick
    nothing = report.Results(rounds={}, machine={"cores": "8"}, peers=(), quick=False)
    assert nothing.beside(both) == both


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.12345, "0.123"), (12.345, "12.3"), (2.0, "2"), (99.96, "100"), (12345.6, "12,346")],
)
def test_figures_have_three_digits_that_count(value: float, text: str) -> None:
    assert short(value) == text


def test_workloads_are_chosen_by_name_and_by_family() -> None:
    assert [w.name for w in workloads.named("W1,W2,W2-100")] == ["W1", "W2-20", "W2-100", "W2-100"]
    assert workloads.named("none") == ()
    with pytest.raises(ValueError, match="no workload W99"):
        workloads.named("W99")


def test_a_quick_run_measures_and_writes_json(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, "tests/bench/bench.py", "--quick", "--peers", "none", "--workloads", "W3,W5,W7"]
    done = subprocess.run([*command, "--json", str(out)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "≥ 0.5 × W1" in done.stdout
    saved = json.loads(out.read_text())
    assert saved["quick"]
    assert {arm: list(units) for arm, units in saved["rounds"]["W3"][0].items()} == {
        "Obelisk": ["children/s"],
        "Obelisk, W1": ["calls/s"],
    }
    assert all(
        figure > 0
        for w in saved["rounds"].values()
        for arms in w
        for units in arms.values()
        for figure in units.values()
    )


def test_a_peer_that_is_none_is_refused() -> None:
    command = [sys.executable, "tests/bench/bench.py", "--peers", "Nobody"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no peer Nobody; there are DBOS, Restate" in done.stderr
