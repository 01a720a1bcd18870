"""A queue that is fair between components, within a component between the trees of executions. Pure.

One entry of each component in turn, and each time of another tree of it: the one that has waited longest. So a tree
that queues thousands delays another by one entry a round, and so does a component.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
Group: TypeAlias = tuple[str, str]
"""A component, and the root of a tree."""


class Turns(Generic[T]):
    """Entries by group; each takes constant time to add and to take."""

    def __init__(self) -> None:
        self._components: OrderedDict[str, OrderedDict[str, deque[T]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, group: Group) -> bool:
        trees = self._components.get(group[0])
        return trees is not None and group[1] in trees

    def add(self, group: Group, entry: T) -> None:
        """Queue an entry; a group that had none comes after all others."""
        component, root = group
        trees = self._components.get(component)
        if trees is None:
            trees = self._components[component] = OrderedDict()
        queue = trees.get(root)
        if queue is None:
            queue = trees[root] = deque()
        queue.append(entry)
        self._count += 1

    def take(self) -> T:
        """The entry whose turn it is; IndexError when there is none."""
        if not self._components:
            raise IndexError("nothing is queued")
        component, trees = next(iter(self._components.items()))
        root, queue = next(iter(trees.items()))
        entry = queue.popleft()
        self._count -= 1
        if queue:
            trees.move_to_end(root)
        else:
            del trees[root]
        if trees:
            self._components.move_to_end(component)
        else:
            del self._components[component]
        return entry

    def remove(self, group: Group, entry: T) -> bool:
        """Take an entry out of its group; whether it was there. Time in proportion to the group."""
        component, root = group
        trees = self._components.get(component, OrderedDict[str, deque[T]]())
        queue = trees.get(root)
        if queue is None or entry not in queue:
            return False
        queue.remove(entry)
        self._count -= 1
        if not queue:
            del trees[root]
        if not trees:
            del self._components[component]
        return True

    def clear(self) -> None:
        """Nothing is queued any more."""
        self._components.clear()
        self._count = 0
