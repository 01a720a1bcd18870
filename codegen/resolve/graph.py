"""A stable topological order: dependencies first, otherwise as given."""

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
