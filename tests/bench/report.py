"""What came of a run, as text, as JSON, and as the tables and the chart of `docs/performance.md`.

The page is written between marks from the JSON beside it and from nothing else, so that a test can hold one against the
other.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import chart
import installing
import workloads
from figures import DBOS, OBELISK, PEERS, RESTATE, Round, Spread, Workload, reached, spreads
from stage import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
FIGURES: Final = ROOT / "docs" / "performance.json"
CHART: Final = ROOT / "docs" / "performance.svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The rounds of each workload by name, and where they were measured."""

    rounds: Mapping[str, Sequence[Round]]
    machine: Mapping[str, str]
    peers: Sequence[str]
    quick: bool

    @classmethod
    def of(cls, rounds: Mapping[str, Sequence[Round]], *, peers: Sequence[str], quick: bool) -> Results:
        """Of this machine."""
        machine = {
            "cores": str(os.cpu_count()),
            "load average": f"{os.getloadavg()[2]:.0f}",
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "wasmtime": metadata.version("wasmtime"),
            "DBOS": installing.DBOS.packages[0],
            "Restate": f"{installing.RESTATE_SERVER}, {installing.RESTATE_SDK.packages[0]}",
        }
        return cls(rounds=rounds, machine=machine, peers=tuple(peers), quick=quick)

    @classmethod
    def read(cls, path: Path) -> Results:
        """What `save` wrote."""
        saved: dict[str, Any] = json.loads(path.read_text())
        return cls(**saved)

    def with_rounds(self, rounds: Mapping[str, Sequence[Round]]) -> Results:
        """With more workloads of the same run."""
        return replace(self, rounds={**self.rounds, **rounds})

    def beside(self, earlier: Results) -> Results:
        """With the rounds that an earlier run has of other workloads; the earlier run itself when this one has none."""
        if not self.rounds:
            return earlier
        return replace(self, rounds={**earlier.rounds, **self.rounds}, quick=self.quick or earlier.quick)

    def save(self, path: Path) -> None:
        """Write JSON."""
        fields = {"machine": self.machine, "peers": self.peers, "quick": self.quick, "rounds": self.rounds}
        path.write_text(json.dumps(fields, indent=1) + "\n")

    def measured(self) -> list[tuple[Workload, Sequence[Round]]]:
        """Workloads with their rounds, in order."""
        return [(w, self.rounds[w.name]) for w in workloads.ALL if w.name in self.rounds]

    def text(self) -> str:
        """For a terminal: every figure of every arm, and the targets."""
        lines: list[str] = []
        for workload, rounds in self.measured():
            lines += ["", f"{workload.name}: {workload.work}"]
            for arm, units in spreads(rounds).items():
                shown = ", ".join(f"{spread} {unit}" for unit, spread in units.items())
                lines.append(f"  {arm:32} {shown}")
            for text, value, verdict in _targets(workload, rounds):
                lines.append(f"  {text:40} {value!s:24} {verdict}")
        return "\n".join(lines)


def _targets(workload: Workload, rounds: Sequence[Round]) -> list[tuple[str, Spread, str]]:
    found: list[tuple[str, Spread, str]] = []
    for target in workload.targets:
        value = reached(target, rounds)
        if value is not None:
            found.append((target.text, value, "met" if target.is_met(value.median) else "missed"))
    return found


def comparison(results: Results) -> str:
    """The table of Obelisk beside its peers: workloads that a peer was measured on."""
    rows = [
        "| | work | unit | Obelisk | DBOS | Restate | Obelisk / DBOS | Obelisk / Restate |",
        "|---|---|---|" + "--:|" * 5,
    ]
    for workload, rounds in results.measured():
        table = spreads(rounds)
        if not any(peer in table for peer in PEERS):
            continue
        unit = next(iter(table[OBELISK]))
        cells = [str(table[name][unit]) if name in table else "" for name in (OBELISK, DBOS, RESTATE)]
        ratios = [str(_ratio(rounds, unit, peer)) if peer in table else "" for peer in PEERS]
        rows.append(f"| {workload.name} | {workload.work} | {unit} | {' | '.join((*cells, *ratios))} |")
    return "\n".join(rows)


def _ratio(rounds: Sequence[Round], unit: str, peer: str) -> Spread:
    return Spread.of([figures[OBELISK][unit] / figures[peer][unit] for figures in rounds])


def details(results: Results) -> str:
    """The table of every other figure: yardsticks, variants, latencies."""
    rows = ["| | arm | figures |", "|---|---|---|"]
    for workload, rounds in results.measured():
        for arm, units in spreads(rounds).items():
            shown = ", ".join(f"{spread} {unit}" for unit, spread in units.items())
            rows.append(f"| {workload.name} | {arm} | {shown} |")
    return "\n".join(rows)


def targets(results: Results) -> str:
    """The table of targets."""
    rows = ["| | target | reached | |", "|---|---|--:|---|"]
    for workload, rounds in results.measured():
        for text, value, verdict in _targets(workload, rounds):
            rows.append(f"| {workload.name} | {text} | {value} | {verdict if verdict == 'met' else '**missed**'} |")
    return "\n".join(rows)


def machine(results: Results) -> str:
    """Where and with what it was measured."""
    most = max((len(rounds) for _, rounds in results.measured()), default=0)
    listed = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    return f"At most {most} rounds. Measured with: {listed}."


SECTIONS: Final = {"machine": machine, "comparison": comparison, "targets": targets, "details": details}


def page_with(results: Results, page: str) -> str:
    """The page with its tables written anew. ValueError when it lacks the marks of one."""
    for name, section in SECTIONS.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        found = marks.search(page)
        if found is None:
            raise ValueError(f"{PAGE.name} has no place for the table {name}")
        page = f"{page[: found.start()]}{found[1]}{section(results)}\n{found[2]}{page[found.end() :]}"
    return page


def write_page(results: Results) -> None:
    """Write the figures, the tables of the page and the chart."""
    results.save(FIGURES)
    PAGE.write_text(page_with(results, PAGE.read_text()))
    CHART.write_text(chart.draw(results.measured()))
