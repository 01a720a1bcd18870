"""The chart of the documentation: how much a second, Obelisk beside its peers, as SVG on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from figures import DBOS, OBELISK, RESTATE, Round, Spread, Workload, short, spreads

COLOURS: Final = {OBELISK: "#4338ca", RESTATE: "#d97706", DBOS: "#6b7280"}
_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP = 1000, 450, 90, 15, 16, 62
_TEXT: Final = 'font-family="system-ui, sans-serif" font-size="13"'


def draw(measured: Sequence[tuple[Workload, Sequence[Round]]]) -> str:
    """Workloads with a rate that a peer was measured on too; a bar's whisker is the spread of its rounds."""
    groups = list(_groups(measured))
    highest = max((spread.highest for _, bars in groups for spread in bars.values()), default=10.0)
    lowest = min((spread.lowest for _, bars in groups for spread in bars.values()), default=1.0)
    scale = _Scale(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)))
    body: list[str] = []
    top = _TOP
    for title, bars in groups:
        middle = top + len(bars) * _BAR / 2 + 5
        body.append(f'<text x="{_LEFT - 12}" y="{middle:.0f}" text-anchor="end" {_TEXT}>{escape(title)}</text>')
        for name, spread in bars.items():
            body.append(_bar(name, spread, scale, top))
            top += _BAR
        top += _GAP
    return "\n".join((*_frame(top, scale), *body, "</svg>", ""))


class _Scale:
    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, max(last, first + 1)

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _groups(measured: Sequence[tuple[Workload, Sequence[Round]]]) -> Iterator[tuple[str, dict[str, Spread]]]:
    for workload, rounds in measured:
        table = spreads(rounds)
        unit = next(iter(table.get(OBELISK, {})), "")
        bars = {name: table[name][unit] for name in COLOURS if name in table}
        if unit.endswith("/s") and len(bars) > 1:
            yield f"{workload.work} ({unit})", bars


def _bar(name: str, spread: Spread, scale: _Scale, top: float) -> str:
    end, low, high = scale.at(spread.median), scale.at(spread.lowest), scale.at(spread.highest)
    middle = top + _BAR / 2
    return (
        f'<rect x="{_LEFT}" y="{top + 1:.0f}" width="{end - _LEFT:.1f}" height="{_BAR - 2}" fill="{COLOURS[name]}"/>'
        f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}" stroke="#111827" stroke-width="1.5"/>'
        f'<text x="{max(end, high) + 6:.1f}" y="{middle + 4:.1f}" {_TEXT}>{short(spread.median)}</text>'
    )


def _frame(bottom: float, scale: _Scale) -> Iterator[str]:
    height = bottom + 24
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">'
    yield "<title>Durable work per second: Obelisk, Restate, DBOS</title>"
    yield f'<rect width="{_WIDTH}" height="{height:.0f}" rx="8" fill="#ffffff"/>'
    yield f'<text x="16" y="26" {_TEXT}>Durable work per second on a logarithmic scale: longer is better</text>'
    for number, (name, colour) in enumerate(COLOURS.items()):
        x = _LEFT + number * 110
        yield f'<rect x="{x}" y="38" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="49" {_TEXT}>{name}</text>'
    for power in range(scale.first, scale.last + 1):
        at = scale.at(10.0**power)
        yield f'<path d="M{at:.1f} {_TOP - 6}V{bottom - _GAP + 4:.0f}" stroke="#e5e7eb"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 8:.0f}" text-anchor="middle" {_TEXT}>{10**power:,}</text>'
