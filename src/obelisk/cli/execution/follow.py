"""``obelisk execution follow``: the live tree of an execution and its children."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from obelisk.cli import completing, console, progress
from obelisk.cli.connection import event_streams
from obelisk.cli.connection.choosing import server_options
from obelisk.cli.connection.client import Client
from obelisk.cli.errors import CommandError
from obelisk.cli.execution.calls import awaited, outcome
from obelisk.cli.execution.changes import Changes
from obelisk.cli.execution.tree import NEWEST, Node, TreeReader
from obelisk.cli.plain import in_one_line
from obelisk.runtime.wiring.clock import SystemClock

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_CLOCK: Final = SystemClock()
_EVERY_S: Final = 0.3
_RESERVED_LINES: Final = 3
_COLOURS: Final = {
    "ok": "green",
    "locked": "cyan",
    "pending_at": "yellow",
    "blocked_by_join_set": "blue",
    "awaiting_result": "yellow",
}
_ENDED_BADLY: Final = "red"
_STEERED: Final = {"paused": "magenta", "cancelling": "magenta", "cancelled": "magenta"}


@click.command()
@click.argument("execution_id", shell_complete=completing.executions)
@click.option("--wait", "wait_s", type=click.IntRange(min=0), help="Stop after so many seconds. Default: at its end.")
@server_options
@console.json_option
def follow(client: Client, execution_id: str, wait_s: int | None, as_json: bool) -> int:
    """Watch an execution and its children until it ends, then print its result.

    On a terminal they are drawn as a tree, with their states and how long they have been there. In a pipe every change
    that was seen is a line: instant, state, seconds, id, function; with --json it is the execution as `get` shows it.
    The server tells at once what becomes of the execution and its children; what is below these is looked at every two
    seconds, and a state that comes and goes between two looks is not seen. With --direct there are some three looks a
    second. A server that is started again meanwhile is waited for. Exit status and last output are those of `obelisk
    execution result`.
    """
    pictures = _pictures(client, execution_id, wait_s)
    if as_json or not sys.stdout.isatty():
        _print_changes(pictures, as_json=as_json)
    else:
        _draw(pictures)
    return outcome(awaited(client, execution_id, 0), execution_id, as_json)


def _pictures(client: Client, execution_id: str, wait_s: int | None) -> Iterator[Node]:
    """The tree, again and again, until its root has finished or the time is up; the last one is of then.

    Every `_EVERY_S` there is one, so that durations go on; it is read anew when something is said to have changed.
    """
    reader = TreeReader(client, execution_id)
    until = float("inf") if wait_s is None else time.monotonic() + wait_s
    node, read_at = reader.read(), time.monotonic()
    with Changes(client, execution_id, version=node.shown["version"]) as changes:
        while True:
            yield node
            if node.is_finished or time.monotonic() >= until:
                return
            changed = changes.wait(min(_EVERY_S, max(0.0, until - time.monotonic())))
            if changed or time.monotonic() - read_at >= changes.blind_s or time.monotonic() >= until:
                node, read_at = _patiently(reader), time.monotonic()


def _patiently(reader: TreeReader) -> Node:
    """The tree, from a server that may be away for a moment."""
    until = time.monotonic() + event_streams.PATIENCE_S
    while True:
        try:
            return reader.read()
        except CommandError as error:
            if error.code != "server_unreachable" or time.monotonic() >= until:
                raise
            time.sleep(_EVERY_S)


# --- lines ----------------------------------------------------------------------------------------------------------
def _print_changes(pictures: Iterator[Node], *, as_json: bool) -> None:
    """Every execution that is new or in another state than before, parents first."""
    seen: dict[str, str] = {}
    for picture in pictures:
        for node in picture.all():
            if seen.get(node.id) == node.state:
                continue
            seen[node.id] = node.state
            if as_json:
                console.value(node.shown, pretty=False)
            else:
                shown = (node.shown["updated_at"], node.state, f"{node.duration_s(_CLOCK.now_us()):.3f}", node.id)
                console.say("\t".join(map(in_one_line, (*shown, node.shown["ffqn"]))))


# --- the tree -------------------------------------------------------------------------------------------------------
def _draw(pictures: Iterator[Node]) -> None:
    """The tree in place, as high as the terminal; at the end it stays, whole."""
    from rich.console import Console
    from rich.live import Live

    terminal = Console()
    with progress.waiting("reading"):
        last = next(pictures)
    with Live(console=terminal, auto_refresh=False, transient=True) as live:
        live.update(tree(last, _CLOCK.now_us(), terminal.height - _RESERVED_LINES), refresh=True)
        for picture in pictures:
            last = picture
            live.update(tree(last, _CLOCK.now_us(), terminal.height - _RESERVED_LINES), refresh=True)
    terminal.print(tree(last, _CLOCK.now_us(), terminal.height - _RESERVED_LINES))


def tree(node: Node, now_us: int, lines: int) -> Tree:
    """The picture as a `rich` tree of at most so many lines (and one for each parent of what was left out)."""
    from rich.tree import Tree

    drawn = Tree(_label(node, now_us, node.id), guide_style="dim")
    _branches(drawn, node, now_us, max(1, lines - 1))
    return drawn


def _branches(branch: Tree, node: Node, now_us: int, lines: int) -> None:
    from rich.text import Text

    chosen = _chosen(node.children, lines)
    spare = max(0, lines - len(chosen))
    for child in chosen:
        below = min(spare, sum(1 for _ in child.all()) - 1)
        spare -= below
        shown = branch.add(_label(child, now_us, child.id.removeprefix(f"{node.id}.")))
        if child.children and below:
            _branches(shown, child, now_us, below)
        elif child.children:
            shown.add(Text(_left_out(child.children, more=child.more), style="dim"))
    hidden = [child for child in node.children if child not in chosen]
    if hidden or node.more:
        branch.add(Text(_left_out(hidden, more=node.more), style="dim"))


def _chosen(children: Sequence[Node], lines: int) -> list[Node]:
    """Which children are drawn, oldest first: those that have not ended, then the newest of the others."""
    if len(children) <= lines:
        return list(children)
    wanted = sorted(children, key=lambda child: child.is_finished)
    running = [child for child in wanted if not child.is_finished]
    ended = [child for child in wanted if child.is_finished]
    keep = (running[-lines:] + ended[::-1])[: max(1, lines - 1)]
    ids = {child.id for child in keep}
    return [child for child in children if child.id in ids]


def _left_out(hidden: Sequence[Node], *, more: bool) -> str:
    """``… 12 more: 10 ok, 2 locked``."""
    counts: dict[str, int] = {}
    for child in hidden:
        counts[child.state] = counts.get(child.state, 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items(), key=lambda item: -item[1]))
    older = f"older than the newest {NEWEST}" if more else ""
    return "… " + "; and ".join(part for part in (f"{len(hidden)} more: {states}" if hidden else "", older) if part)


def _label(node: Node, now_us: int, name: str) -> Text:
    """One line: state, duration, function, id."""
    from rich.text import Text

    colour = _STEERED.get(node.state) or _COLOURS.get(node.state) or (_ENDED_BADLY if node.is_finished else "white")
    function = str(node.shown["ffqn"]).rpartition(".")[2]
    attempts = f"  attempt {node.shown['attempts']}" if node.shown["attempts"] > 1 else ""
    return Text.assemble(
        (in_one_line(node.state), colour),
        f"  {console.duration(node.duration_s(now_us))}  ",
        (in_one_line(function), "bold"),
        in_one_line(f"  {name}{attempts}"),
        overflow="ellipsis",
        no_wrap=True,
    )
