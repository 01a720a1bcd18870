"""A stable topological order, dependencies first and otherwise as given, and the cycles that prevent one."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence


def topological(nodes: Sequence[str], edges: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """`nodes` with each one behind those `edges` lists for it, and the nodes left over because they are on a cycle.

    Of the nodes that could come next the one that stands first in `nodes` does. Edges to unknown nodes do not count;
    nodes that only depend on a cycle are left over too. Linear but for the heap.
    """
    index = {node: i for i, node in enumerate(nodes)}
    waiting = [0] * len(nodes)
    users: list[list[int]] = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        for target in edges.get(node, ()):
            j = index.get(target)
            if j is not None:
                waiting[i] += 1
                users[j].append(i)
    ready = [i for i, count in enumerate(waiting) if count == 0]
    order: list[str] = []
    while ready:
        i = heapq.heappop(ready)
        order.append(nodes[i])
        for user in users[i]:
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, user)
    return order, [node for i, node in enumerate(nodes) if waiting[i] > 0]


def cycles(nodes: Sequence[str], edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Cycles among the `nodes` that `topological` left over, each once, beginning with the node that is first of it.

    Each has an edge from a node to the one behind it and from the last to the first. Every node left over is on one of
    these or leads to one; cycles that share a node with one that is listed may be missing. Linear.
    """
    left = {node: i for i, node in enumerate(nodes)}
    seen: set[str] = set()
    found: list[list[str]] = []
    for start in nodes:
        walk: dict[str, None] = {}
        node = start
        while node not in seen:
            seen.add(node)
            walk[node] = None
            node = next(target for target in edges[node] if target in left)
        if node in walk:
            path = list(walk)
            path = path[path.index(node) :]
            first = path.index(min(path, key=left.__getitem__))
            found.append(path[first:] + path[:first])
    return found
