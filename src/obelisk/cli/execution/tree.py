"""The tree of an execution and its children as one picture, read through a gateway again and again.

What has finished is read once more and then never again: its children had ended before it. Of an execution with very
many children the newest are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from obelisk.cli.connection.client import Client, checked, execution_path

NEWEST: Final = 200
"""So many children of one execution are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An execution as a gateway shows it, and its children, oldest first; `more` when there are older ones."""

    shown: Mapping[str, Any]
    children: tuple[Node, ...] = ()
    more: bool = False

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.shown["execution_id"])

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return bool(self.shown["status"] == "finished")

    @property
    def state(self) -> str:
        """One word: how it ended, or its status until then."""
        return str(self.shown["result_kind"] or self.shown["status"])

    def duration_s(self, now_us: int) -> float:
        """For how long it has been there, until its end or until now; a clock that is behind shows 0."""
        created = datetime.fromisoformat(self.shown["created_at"]).timestamp()
        finished = self.shown["finished_at"]
        ended = datetime.fromisoformat(finished).timestamp() if finished else now_us / 1e6
        return max(0.0, ended - created)

    def all(self) -> Iterator[Node]:
        """It and everything below it, parents first."""
        yield self
        for child in self.children:
            yield from child.all()


class TreeReader:
    """Reads one execution's tree. Functions that are no workflows have no children and are not asked for them."""

    def __init__(self, client: Client, execution_id: str) -> None:
        self._client = client
        self._id = execution_id
        self._whole: dict[str, Node] = {}
        functions = checked(client.get("/v1/functions"))["items"]
        self._childless = {item["ffqn"] for item in functions if item["kind"] != "workflow"}

    def read(self) -> Node:
        """The tree now. CommandError ``execution_not_found``."""
        return self._node(checked(self._client.get(execution_path(self._id))))

    def _node(self, shown: Mapping[str, Any]) -> Node:
        known = self._whole.get(shown["execution_id"])
        if known is not None:
            return known
        children: tuple[Node, ...] = ()
        more = False
        if shown["ffqn"] not in self._childless:
            page = checked(self._client.get("/v1/executions", {"parent": shown["execution_id"], "limit": NEWEST}))
            children = tuple(self._node(child) for child in reversed(page["items"]))
            more = page["next_cursor"] is not None
        node = Node(shown=shown, children=children, more=more)
        if node.is_finished:
            self._whole[node.id] = node
        return node
